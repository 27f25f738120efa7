"""Tests of pnetkit.ahead: some things ahead, in order, with its own errors."""

import threading
import time
from contextlib import closing

import pytest

from pnetkit.ahead import made_ahead


@pytest.mark.parametrize("threads", [0, 1, 3])
def test_items_come_in_order_and_an_error_belongs_to_its_own_item(threads):
    found = []
    for item, made in made_ahead(lambda n: 12 // n, [3, 0, 4], threads=threads):
        try:
            found.append((item, made()))
        except ZeroDivisionError:
            found.append((item, "error"))
    assert found == [(3, 4), (0, "error"), (4, 3)]


def test_nothing_but_the_next_item_is_made_while_one_is_in_use():
    made = []
    with closing(made_ahead(made.append, range(5), threads=1)) as things:
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

    with closing(made_ahead(make, range(2), threads=1)) as things:
        _, get = next(things)
        assert get() == 0
        assert begun.wait(timeout=30)


def test_without_ahead_nothing_is_made_before_it_is_asked_for():
    made = []
    for item, _ in made_ahead(made.append, range(3), threads=0):
        assert item not in made
    assert made == []


def test_nothing_is_made_of_nothing():
    assert list(made_ahead(len, [], threads=1)) == []


def test_several_threads_make_several_things_ahead_and_no_more():
    begun, go_on = [], threading.Event()

    def make(item):
        begun.append(item)
        if item:
            go_on.wait(timeout=30)
        return item

    with closing(made_ahead(make, range(9), threads=3)) as things:
        _, get = next(things)
        assert get() == 0
        while len(begun) < 4:
            time.sleep(0.001)
        assert sorted(begun) == [0, 1, 2, 3]
        go_on.set()
        assert [get() for _, get in things] == list(range(1, 9))
