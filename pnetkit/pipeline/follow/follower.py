"""Let others follow a run: each event goes to them in a thread of their own, and none can slow the run or fail it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

from pnetkit.pipeline.engine.schedule import Progress
from pnetkit.pipeline.engine.session import Listener
from pnetkit.store.node import Node

IDLE_S = 1.0
"""Seconds without an event after which followers are asked whether they have something to do."""

WAIT_S = 60.0
"""Seconds that a run which has ended waits for its followers, at most."""

DONE, INTERRUPTED, BROKEN = "done", "interrupted", "broken"
"""How a run ends: to its end, perhaps with parts that failed; by hand; by an error."""


@dataclass(frozen=True, slots=True)
class Follower:
    """Is told what a run's listener is told, when nothing goes on (`idle`), and once how the run ended."""

    name: str
    opened: Callable[[Path], None] = field(default=lambda _: None)
    planned: Callable[[Sequence[Node]], None] = field(default=lambda _: None)
    progress: Callable[[Progress], None] = field(default=lambda _: None)
    idle: Callable[[], None] = field(default=lambda: None)
    ended: Callable[[str], None] = field(default=lambda _: None)


Event = tuple[str, tuple[Any, ...]]
"""What followers are told: the name of one of their functions, and what it is given."""


@contextmanager
def followed(listener: Listener, followers: Sequence[Follower]) -> Iterator[Listener]:
    """Give a listener whose events go to followers too, and tell them at the end how it ended.

    A follower that raises is told of once, by `listener.say`, and is told nothing any more; the others go on.
    """
    if not followers:
        yield listener
        return
    events: SimpleQueue[Event] = SimpleQueue()
    faults: SimpleQueue[str] = SimpleQueue()
    thread = Thread(target=_serve, args=(events, faults, list(followers)), name="followers", daemon=True)
    thread.start()

    def passing_on(name: str, own: Callable[[Any], None]) -> Callable[[Any], None]:
        def told(what: Any) -> None:
            own(what)
            events.put((name, (what,)))
            _say(faults, listener.say)

        return told

    how = BROKEN
    try:
        yield replace(
            listener,
            **{name: passing_on(name, getattr(listener, name)) for name in ("opened", "planned", "progress")},
        )
        how = DONE
    except KeyboardInterrupt:
        how = INTERRUPTED
        raise
    finally:
        events.put(("ended", (how,)))
        thread.join(WAIT_S)
        _say(faults, listener.say)


def _serve(events: SimpleQueue[Event], faults: SimpleQueue[str], followers: list[Follower]) -> None:
    name = ""
    while name != "ended":
        try:
            name, given = events.get(timeout=IDLE_S)
        except Empty:
            name, given = "idle", ()
        for follower in list(followers):
            try:
                getattr(follower, name)(*given)
            except Exception as error:  # noqa: BLE001  # whatever it is, it must not end the run, and is said
                followers.remove(follower)
                faults.put(f"{follower.name} stopped ({type(error).__name__}: {error}). The run goes on without it.")


def _say(faults: SimpleQueue[str], say: Callable[[str], None]) -> None:
    while not faults.empty():
        say(faults.get())
