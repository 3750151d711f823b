"""Exports PyTorch models as planish needs them: in evaluation mode, with an open batch and fixed names."""

from ._errors import ExportError
from ._exported import Exported
from ._onnx_export import export_onnx
from ._torch_export import export

__all__ = ["ExportError", "Exported", "export", "export_onnx"]
__version__ = "0.1.0"
