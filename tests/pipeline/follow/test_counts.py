"""How far a run is, by stage, checked by hand."""

from pnetkit.pipeline.follow.counts import WORDS, Counts
from pnetkit.pipeline.stages.table import STAGES
from pnetkit.store.node import Node, Subject
from tests.nodes import AnySpec


def node(stage, name, weight=1):
    return Node(AnySpec(stage, identity={"name": name}), Subject(name, "P1"), weight)


def test_units_are_counted_once_and_time_left_follows_the_pace_of_what_is_made_anew():
    now = [100.0]
    counts, one, two = Counts(lambda: now[0]), node("train", "one", 60), node("train", "two", 60)
    counts.plan([one, two, node("segment", "three")])
    train = counts.stages["train"]
    counts.take(one, 60, reused=True)
    assert (train.done, train.reused, train.started, train.left_s(now[0])) == (60, 60, None, None)
    counts.take(two, 0, reused=False)
    now[0] = 110.0
    counts.take(two, 20, reused=False)
    counts.take(two, 20, reused=False)
    assert (train.done, train.seconds(now[0])) == (80, 10.0)
    assert train.left_s(now[0]) == 20.0  # 20 in 10 s: 40 in 20 s
    counts.take(two, 60, reused=False)
    assert train.is_complete
    assert train.left_s(now[0]) is None
    now[0] = 500.0
    assert train.seconds(now[0]) == 10.0  # what is complete takes no longer
    assert not counts.stages["segment"].is_complete


def test_every_stage_has_words():
    assert set(WORDS) == set(STAGES)
