"""What the benchmarks beside nnU-Net share: ask for it, and tell it the labels. It is no dependency of pnetkit's."""

import importlib.util
from importlib.metadata import version
from typing import Any

LABELS = {"background": 0, "pancreas": 1, "tumor": 2, "duct": 3}
TESTED = "2.8.1"


def lacks_nnunet() -> str | None:
    """Say that nnU-Net is not there, and how to get it; None where it is."""
    if importlib.util.find_spec("nnunetv2") is None:
        return f"This benchmark runs nnU-Net beside pnetkit: pip install nnunetv2=={TESTED}"
    return None


def require_nnunet() -> str:
    """Give the version of nnU-Net; end the script with a sentence where there is none."""
    if (missing := lacks_nnunet()) is not None:
        raise SystemExit(missing)
    found = version("nnunetv2")
    return found if found == TESTED else f"{found} (written for {TESTED})"


def label_manager() -> Any:
    from nnunetv2.utilities.label_handling.label_handling import LabelManager  # may not be there

    return LabelManager(LABELS, regions_class_order=None)
