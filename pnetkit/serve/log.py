"""The log of a service: studies by their number alone, and of errors their kind and place, for texts name patients."""

import logging
import sys
import threading
import traceback
import warnings
from pathlib import Path

LOG = logging.getLogger("pnetkit.serve")


def start_log() -> None:
    """Write the log of a service to standard error, and nothing that libraries have to say."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    LOG.addHandler(handler)
    LOG.setLevel(logging.INFO)
    LOG.propagate = False
    logging.getLogger().addHandler(logging.NullHandler())  # or what others warn of goes to standard error
    warnings.simplefilter("ignore")  # pydicom quotes the values that it warns of
    threading.excepthook = lambda of: LOG.error("a thread ended: %s", kind_and_place(of.exc_value))


def study_says(number: int, what: str) -> None:
    """Log what became of a study."""
    LOG.info("study %d: %s", number, what)


def alarm(number: int, what: str) -> None:
    """Log that somebody has to look after a study: it has no result where it is waited for."""
    LOG.error("ALARM study %d: %s", number, what)


def kind_and_place(error: BaseException | None) -> str:
    """Say what kind of error it was and where it arose, without its text."""
    if error is None:
        return "unknown"
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{where}"
