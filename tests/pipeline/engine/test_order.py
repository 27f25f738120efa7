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


@given(NEEDS, st.randoms(use_true_random=False))
def test_every_node_is_given_once_and_after_what_it_builds_on(needs, random):
    nodes = graph_of(needs)
    order = Order(random.sample(nodes, len(nodes)))
    begun, finished = [], set()
    while True:
        node = order.next()
        if node is None:
            under_way = [of for of in begun if of.key not in finished]
            if not under_way:
                break
            of = random.choice(under_way)  # several are under way at a time, and end in any order
            finished.add(of.key)
            order.finish(of.key)
            continue
        assert node.needs <= finished
        begun.append(node)
    assert sorted(of.key for of in begun) == sorted(of.key for of in nodes)
    assert order.skipped == frozenset()


@given(NEEDS, st.integers(0, 19))
def test_a_failure_leaves_out_all_that_builds_on_it_and_nothing_else(needs, place):
    nodes = graph_of(needs)
    bad = nodes[place % len(nodes)]
    behind, before = {bad.key}, 0
    while len(behind) > before:
        before = len(behind)
        behind |= {of.key for of in nodes if of.needs & behind}
    order, begun = Order(nodes), []
    while (node := order.next()) is not None:
        begun.append(node.key)
        (order.fail if node is bad else order.finish)(node.key)
    assert order.skipped == behind - {bad.key}
    assert set(begun) == {of.key for of in nodes} - order.skipped


def test_what_can_begin_is_given_in_the_order_of_the_nodes():
    first, second, third = nodes = graph_of([frozenset(), frozenset(), frozenset()])
    order = Order(nodes)
    order.finish(second.key)  # the store had it
    assert [order.next(), order.next(), order.next()] == [first, third, None]
