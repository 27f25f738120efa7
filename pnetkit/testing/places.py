"""Say where in a plugin an error arose: the last line of the plugin's own package, and not of what it called."""

import sys
from traceback import walk_tb

NOT_PLUGINS = frozenset({"pnetkit", "torch", "numpy", "safetensors", "beartype", "__main__"})
"""Top-level modules that stand between the kit and a plugin, or below it."""


def place_of(error: BaseException) -> str:
    """Give file, line and function of an error in a plugin, in words; nothing where no plugin was reached."""
    frames = [
        (frame, line, str(frame.f_globals.get("__name__", "")).partition(".")[0])
        for frame, line in walk_tb(error.__traceback__)
    ]
    packages = [top for _, _, top in frames if top not in NOT_PLUGINS and top not in sys.stdlib_module_names]
    if not packages:
        return ""
    frame, line = [(frame, line) for frame, line, top in frames if top == packages[0]][-1]
    return f"{frame.f_code.co_filename}:{line}, in {frame.f_code.co_name}"
