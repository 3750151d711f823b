"""What is raised when a model cannot be exported as planish needs it."""


class ExportError(Exception):
    """A model, its inputs or its names break a rule: what was found, what was expected, what to do."""
