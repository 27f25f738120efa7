"""Processes that another one starts: how they begin, that they end with it, and in words how one ended."""

import multiprocessing
import os
import signal
import threading
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess


def forks_of_a_server(imported: str) -> BaseContext:
    """Give the way in which processes begin: as forks of a server that has imported a module, and done nothing else.

    Importing torch takes seconds, a fork of what is imported none. A fork of this process itself can hang: it may have
    used torch's thread pool. Where a system has no such server, each process imports for itself. A process has one
    server for all that it starts, and what these start themselves comes of another; it imports what was named first.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([imported])
    return context


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
