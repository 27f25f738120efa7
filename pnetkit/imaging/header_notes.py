"""What nibabel notes about a header: held back while a file is opened, for the error that may come of it.

nibabel logs every oddity of a header and writes it to the terminal, without the file's name, beside the error that says
which file it is.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from threading import get_ident

from nibabel import imageglobals

from pnetkit.errors import ImageError


@contextmanager
def held_back() -> Iterator[list[str]]:
    """Keep nibabel's notes of this thread from the terminal; give them as they come, without what nibabel did about it.

    An ImageError of the block is to say them; otherwise they are passed on in the end. Only the handlers by which
    nibabel itself writes to a stream wait for that: what a program has set up for its own log gets every note at once.
    """
    held: list[tuple[logging.Handler, logging.LogRecord]] = []
    notes: list[str] = []
    plain = [handler for handler in imageglobals.logger.handlers if type(handler) is logging.StreamHandler]
    filters = [(handler, partial(_hold, get_ident(), handler, held, notes)) for handler in plain]
    for handler, hold in filters:
        handler.addFilter(hold)
    try:
        yield notes
    except ImageError:
        held.clear()
        raise
    finally:
        for handler, hold in filters:
            handler.removeFilter(hold)
        for waiting, record in held:
            waiting.handle(record)


def _hold(
    thread: int,
    handler: logging.Handler,
    held: list[tuple[logging.Handler, logging.LogRecord]],
    notes: list[str],
    record: logging.LogRecord,
) -> bool:
    """Keep a record of this thread from its handler; say whether it may pass."""
    if get_ident() != thread:
        return True
    held.append((handler, record))
    notes.append(record.getMessage().partition(";")[0])
    return False
