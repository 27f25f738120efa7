"""Tests of pnetkit.ahead: one thing ahead, in order, with its own errors."""

import threading
from contextlib import closing

import pytest

from pnetkit.ahead import one_ahead


@pytest.mark.parametrize("ahead", [False, True])
def test_items_come_in_order_and_an_error_belongs_to_its_own_item(ahead):
    found = []
    for item, made in one_ahead(lambda n: 12 // n, [3, 0, 4], ahead=ahead):
        try:
            found.append((item, made()))
        except ZeroDivisionError:
            found.append((item, "error"))
    assert found == [(3, 4), (0, "error"), (4, 3)]


def test_nothing_but_the_next_item_is_made_while_one_is_in_use():
    made = []
    with closing(one_ahead(made.append, range(5), ahead=True)) as things:
        for item, get in things:
            get()
            assert len(made) <= item + 2
            if item == 2:
                break
    assert made in ([0, 1, 2], [0, 1, 2, 3])
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ahead")]


def test_the_next_item_is_made_while_one_is_in_use():
    begun = threading.Event()

    def make(item):
        if item == 1:
            begun.set()
        return item

    with closing(one_ahead(make, range(2), ahead=True)) as things:
        _, get = next(things)
        assert get() == 0
        assert begun.wait(timeout=30)


def test_without_ahead_nothing_is_made_before_it_is_asked_for():
    made = []
    for item, _ in one_ahead(made.append, range(3), ahead=False):
        assert item not in made
    assert made == []


def test_nothing_is_made_of_nothing():
    assert list(one_ahead(len, [], ahead=True)) == []
