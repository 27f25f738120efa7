"""Tests of pnetkit.children: how a process ended, in words."""

from pnetkit.children import how_it_ended


def test_the_end_of_a_process_is_said_by_signal_or_exit_code():
    assert how_it_ended(-9) == "was killed by SIGKILL"
    assert how_it_ended(-99) == "was killed by signal 99"
    assert how_it_ended(3) == "ended with exit code 3"
