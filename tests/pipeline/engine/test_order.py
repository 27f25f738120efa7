"""Tests of pnetkit.pipeline.engine.order: everything once, after what it builds on, in the order it was given."""

from hypothesis import given
from hypothesis import strategies as st

from pnetkit.pipeline.engine.order import Order
from pnetkit.store.node import Node, Subject
from tests.nodes import AnySpec


def graph_of(needs):
    """One node for each set of earlier places that it builds on."""
    nodes = []
    for place, of in enumerate(needs):
        inputs = {str(i): nodes[i % place].ref for i in sorted(of)} if place else {}
        nodes.append(Node(AnySpec(identity={"place": place}, inputs=inputs), Subject(str(place), "P1")))
    return nodes


NEEDS = st.lists(st.frozensets(st.integers(0, 30), max_size=3), min_size=1, max_size=20)


def of_one_case(needs):
    """The same graph, all of it of one case."""
    return [Node(of.spec, Subject("venous", "P1")) for of in graph_of(needs)]


@given(NEEDS, st.randoms(use_true_random=False), st.booleans())
def test_every_node_is_given_once_and_after_what_it_builds_on(needs, random, together):
    nodes = of_one_case(needs) if together else graph_of(needs)
    order = Order(random.sample(nodes, len(nodes)), is_small=lambda _: together)
    begun, finished = [], set()
    while True:
        task = order.next()
        if not task:
            under_way = [of for of in begun if of[-1].key not in finished]
            if not under_way:
                break
            done = random.choice(under_way)  # several are under way at a time, and end in any order
            tried = done[: random.randint(1, len(done))]  # what another process makes is not tried, nor what follows it
            for of in tried:
                finished.add(of.key)
                order.finish(of.key)
            begun[begun.index(done)] = tried
            for of in done[len(tried) :]:
                order.give_back(of.key)
            continue
        for place, node in enumerate(task):
            assert node.needs <= finished | {of.key for of in task[:place]}
        assert together or len(task) == 1
        begun.append(task)
    assert sorted(of.key for task in begun for of in task) == sorted(of.key for of in nodes)
    assert order.skipped == frozenset()
    order.require_all_settled()


@given(NEEDS, st.integers(0, 19))
def test_a_failure_leaves_out_all_that_builds_on_it_and_nothing_else(needs, place):
    nodes = graph_of(needs)
    bad = nodes[place % len(nodes)]
    behind, before = {bad.key}, 0
    while len(behind) > before:
        before = len(behind)
        behind |= {of.key for of in nodes if of.needs & behind}
    order, begun = Order(nodes), []
    while task := order.next():
        (node,) = task
        begun.append(node.key)
        (order.fail if node is bad else order.finish)(node.key)
    assert order.skipped == behind - {bad.key}
    assert set(begun) == {of.key for of in nodes} - order.skipped


def test_what_can_begin_is_given_in_the_order_of_the_nodes():
    first, second, third = nodes = graph_of([frozenset(), frozenset(), frozenset()])
    order = Order(nodes)
    order.finish(second.key)  # the store had it
    assert [order.next(), order.next(), order.next()] == [(first,), (third,), ()]


def test_small_nodes_of_one_case_that_follow_each_other_are_one_task():
    none = frozenset()
    large, clean, decided, measured, after = of_one_case([none, none, frozenset([1]), frozenset([0, 1]), none])
    other = Node(AnySpec(inputs={"0": clean.ref}), Subject("venous", "P2"))
    order = Order([large, clean, decided, measured, other, after], is_small=lambda of: of is not large)
    assert order.next() == (large,)
    assert order.next() == (clean, decided)  # what else builds on it waits for more, or is another case's
    order.finish(clean.key)
    assert order.next() == (other,)
    order.finish(large.key)
    assert order.next() == (measured,)
    assert order.next() == (after,)


def test_what_is_there_does_not_go_along_where_something_before_it_is_made_again():
    first, second, third = of_one_case([frozenset(), frozenset([0]), frozenset([1])])
    order = Order([first, second, third], is_small=lambda _: True)
    order.finish(second.key)
    order.finish(third.key)
    assert order.next() == (first,)


def test_what_waits_for_room_in_one_lane_holds_up_its_own_queue_and_no_other():
    whole, half, core = graph_of([frozenset()] * 3)
    order = Order([whole, half, core], queue_of=lambda of: of is core)
    assert order.next(lambda of: of is not whole) == (core,)
    assert order.next(lambda of: of is not whole) == ()  # half a GPU is free, but what needs all of it comes first
    assert order.next() == (whole,)
    assert order.next() == (half,)
