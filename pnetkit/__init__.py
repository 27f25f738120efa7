"""Screening of abdominal CT for pancreatic neuroendocrine tumors, built from plugins. Research use only."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pnetkit.api.models import open_model
    from pnetkit.api.runs import load_run

__version__ = "0.1.0"

__all__ = ["__version__", "load_run", "open_model"]

_HOMES = {"load_run": "pnetkit.api.runs", "open_model": "pnetkit.api.models"}
"""Where a name lives: it is imported when it is asked for, so that `import pnetkit` stays light."""


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
