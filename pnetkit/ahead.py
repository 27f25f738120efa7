"""Make the next thing in a thread while the last one is being used: patches during a step, scans during a network."""

from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Made = TypeVar("Made")


def one_ahead(
    make: Callable[[Item], Made], items: Sequence[Item], *, ahead: bool
) -> Generator[tuple[Item, Callable[[], Made]]]:
    """Yield each item with a function that gives what `make` made of it, or raises what it raised.

    With `ahead` the next item is made in a thread while the one that was yielded is in use, and never more than one;
    without, each is made when it is asked for. Close the generator (`contextlib.closing`) when it may be left early:
    that waits for what is being made, and ends the thread.
    """
    if not ahead:
        for item in items:
            yield item, lambda item=item: make(item)  # type: ignore[misc]  # the default binds the item of this turn
        return
    with ThreadPoolExecutor(1, thread_name_prefix="ahead") as thread:
        coming: list[Future[Made]] = [thread.submit(make, item) for item in items[:1]]
        for index, item in enumerate(items):
            here = coming.pop()
            coming += [thread.submit(make, following) for following in items[index + 1 : index + 2]]
            yield item, here.result
            del here  # what was made is as large as a case: nothing may hold it while the next one is in use
