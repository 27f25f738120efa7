"""Processes that another one starts: they end with it, and how one ended is said in words."""

import multiprocessing
import os
import signal
import threading
from multiprocessing.process import BaseProcess


def end_with_parent() -> None:
    """Let this process end when the one that started it does, however that ends: it would compute on for hours."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_after, args=(parent,), daemon=True, name="end-with-parent").start()


def how_it_ended(exit_code: int) -> str:
    """Say how a process ended: `was killed by SIGKILL`, `ended with exit code 1`."""
    return f"was killed by {_signal(-exit_code)}" if exit_code < 0 else f"ended with exit code {exit_code}"


def _end_after(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)  # at once, as the parent did: what is half written is written anew


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
