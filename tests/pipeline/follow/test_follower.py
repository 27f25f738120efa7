"""Followers of a run: told in a thread of their own, and unable to slow it or to end it."""

import threading
import time
from pathlib import Path

import pytest

from pnetkit.pipeline.engine.schedule import Progress
from pnetkit.pipeline.engine.session import Listener
from pnetkit.pipeline.follow.follower import Follower, followed
from pnetkit.store.node import Node, Subject
from tests.nodes import AnySpec


def node(name="first"):
    return Node(AnySpec("measure", identity={"name": name}), Subject(name, "P1"))


def noting(heard, name="A follower"):
    return Follower(
        name,
        opened=lambda folder: heard.append(("opened", folder)),
        planned=lambda nodes: heard.append(("planned", len(nodes))),
        progress=lambda told: heard.append(("progress", told.done)),
        ended=lambda how: heard.append(("ended", how)),
    )


def tell(listener):
    listener.opened(Path("out"))
    listener.planned([node()])
    listener.progress(Progress(node(), 1))


TOLD = [("opened", Path("out")), ("planned", 1), ("progress", 1)]


def test_a_follower_is_told_all_in_its_order_and_last_that_the_run_is_done():
    heard, own = [], []
    with followed(Listener(opened=own.append), [noting(heard)]) as listener:
        tell(listener)
    assert heard == [*TOLD, ("ended", "done")]
    assert own == [Path("out")]


@pytest.mark.parametrize(("error", "how"), [(KeyboardInterrupt, "interrupted"), (ValueError, "broken")])
def test_a_follower_is_told_that_a_run_was_interrupted_or_broke(error, how):
    heard = []
    with pytest.raises(error), followed(Listener(), [noting(heard)]):  # the run raises, within
        raise error
    assert heard[-1] == ("ended", how)


def test_a_follower_that_raises_is_told_of_once_and_the_others_go_on():
    heard, said = [], []

    def full(_):
        raise OSError("No space left on device")

    with followed(Listener(say=said.append), [Follower("The page", progress=full), noting(heard)]) as listener:
        tell(listener)
        tell(listener)
    assert heard == [*TOLD, *TOLD, ("ended", "done")]
    assert said == ["The page stopped (OSError: No space left on device). The run goes on without it."]


def test_a_slow_follower_does_not_hold_the_run_up():
    gate, heard = threading.Event(), []
    slow = Follower("Slow", progress=lambda _: gate.wait(30), ended=heard.append)
    began = time.monotonic()
    with followed(Listener(), [slow]) as listener:
        for done in range(100):
            listener.progress(Progress(node(), done))
        assert time.monotonic() - began < 5
        gate.set()
    assert heard == ["done"]


def test_without_followers_the_listener_is_the_one_that_was_given():
    listener = Listener()
    with followed(listener, []) as told:
        assert told is listener
