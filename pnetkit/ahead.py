"""Make the next things in threads while the last one is being used: patches during a step, scans during a network."""

from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Made = TypeVar("Made")


def made_ahead(
    make: Callable[[Item], Made], items: Sequence[Item], *, threads: int
) -> Generator[tuple[Item, Callable[[], Made]]]:
    """Yield each item with a function that gives what `make` made of it, or raises what it raised.

    The next items are made in so many threads, one in each, while the one that was yielded is in use, and never more;
    with 0 each is made when it is asked for. Close the generator (`contextlib.closing`) when it may be left early: that
    waits for what is being made, and ends the threads.
    """
    if not threads:
        for item in items:
            yield item, lambda item=item: make(item)  # type: ignore[misc]  # the default binds the item of this turn
        return
    with ThreadPoolExecutor(threads, thread_name_prefix="ahead") as pool:
        coming: deque[Future[Made]] = deque(pool.submit(make, item) for item in items[:threads])
        try:
            for index, item in enumerate(items):
                here = coming.popleft()
                coming += [pool.submit(make, following) for following in items[index + threads : index + threads + 1]]
                yield item, here.result
                del here  # what was made is as large as a case: nothing may hold it while the next one is in use
        finally:
            for future in coming:
                future.cancel()
