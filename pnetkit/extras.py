"""Ask for optional parts: what is missing, and how it is installed."""

from importlib.util import find_spec

from pnetkit.errors import MissingExtraError

EXTRAS = {
    "dicom": ("pydicom", "highdicom"),
    "dask": ("dask", "distributed"),
    "figures": ("matplotlib",),
    "mlflow": ("mlflow",),
    "notebook": ("pandas",),
    "onnx": ("onnx", "onnxscript", "onnxruntime"),
    "openvino": ("openvino", "onnx", "onnxscript", "onnxruntime"),
    "pdf": ("reportlab",),
    "serve": (
        "starlette",
        "uvicorn",
        "python_multipart",
        "pynetdicom",
        "dicomweb_client",
        "pydicom",
        "highdicom",
        "reportlab",
    ),
    "tensorboard": ("tensorboard",),
}
"""The packages that an extra of pnetkit brings."""


def require_extra(name: str, purpose: str) -> None:
    """Raise MissingExtraError where a package of an extra is not installed; `purpose` says what it is needed for."""
    missing = [package for package in EXTRAS[name] if find_spec(package) is None]
    if missing:
        raise MissingExtraError(f"{purpose} needs {', '.join(missing)}. Install it: pip install 'pnetkit[{name}]'")
