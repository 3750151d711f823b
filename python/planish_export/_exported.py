"""What an export wrote."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Exported:
    path: Path
    """The model."""
    references: tuple[Path, ...]
    """Inputs and outputs by name: of one row, and of several."""
    input_names: tuple[str, ...]
    output_names: tuple[str, ...]

    def command(self, output: str = "model.onnx") -> list[str]:
        """The command that imports the model and holds it to what PyTorch computes."""
        references = [part for path in self.references for part in ("--reference", str(path))]
        return ["planish", "import", str(self.path), "-o", output, *references]
