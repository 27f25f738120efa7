"""Tests of pnetkit.store.locks: held by one at a time, also while the files of free ones are deleted."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from filelock import FileLock

from pnetkit.store.locks import GATE, LOCKS, delete_free_locks, locked, locked_if_free


def files(root):
    return sorted(path.name for path in (root / LOCKS).iterdir())


def test_files_of_free_locks_are_deleted_and_of_held_ones_not(tmp_path):
    with locked(tmp_path, "free"):
        pass
    with locked(tmp_path, "held"):
        delete_free_locks(tmp_path)
        assert files(tmp_path) == ["held.lock"]
        with locked_if_free(tmp_path, "held") as is_ours:
            assert not is_ours
    assert delete_free_locks(tmp_path) in {0, 1}  # what is released may already be gone
    assert files(tmp_path) == []
    assert (tmp_path / GATE).exists()


def test_a_lock_is_waited_for(tmp_path):
    order = []

    def second():
        with locked(tmp_path, "one"):
            order.append("second")

    with locked(tmp_path, "one"):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(0.2)
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]


@pytest.mark.parametrize("act", [lambda root: locked(root, "one").__enter__(), delete_free_locks])
def test_a_lock_is_neither_taken_nor_deleted_while_somebody_else_is_doing_either(tmp_path, act):
    (tmp_path / LOCKS).mkdir()
    (tmp_path / LOCKS / "one.lock").touch()
    with ThreadPoolExecutor(1) as pool:
        with FileLock(tmp_path / GATE):
            waiting = pool.submit(act, tmp_path)
            with pytest.raises(TimeoutError):
                waiting.result(timeout=0.2)
            assert files(tmp_path) == ["one.lock"]
        waiting.result(timeout=10)


def test_no_two_hold_a_lock_whose_file_is_deleted_all_the_time(tmp_path):
    """Without the gate somebody could hold a file that is gone, and the next one a new one."""
    counter, done = tmp_path / "counter", threading.Event()
    counter.write_text("0")

    def tidy():
        while not done.is_set():
            delete_free_locks(tmp_path)

    def count():
        for _ in range(20):
            with locked(tmp_path, "one"):
                counter.write_text(str(int(counter.read_text()) + 1))

    with ThreadPoolExecutor(4) as pool:
        tidying = pool.submit(tidy)
        counting = [pool.submit(count) for _ in range(3)]
        for future in counting:
            future.result()
        done.set()
        tidying.result()
    assert counter.read_text() == "60"
