"""What the records of trainings say under the tables, and what their keys hold of the parts of a batch."""

from pnetkit.pipeline.stages.train import TrainSpec, moved_in_words

HERE = {"torch": "2.11", "pnetkit": "0.1.0", "commit": "a" * 40, "device": "cuda:0", "on": "NVIDIA H100"}


def record(*attempts):
    return {"details": {"attempts": list(attempts)}}


def test_a_training_that_went_on_with_another_torch_or_device_is_said():
    there = HERE | {"torch": "2.13", "device": "cpu", "on": "x86_64"}
    said = moved_in_words([record(HERE | {"from_iteration": 0}, there | {"from_iteration": 500}), record(HERE)])
    assert said.startswith("1 of 2 networks were begun and ended in other surroundings (torch 2.11 on cuda:0 (NVIDIA")
    assert "pnetkit 0.1.0 at aaaaaaaa, then torch 2.13 on cpu (x86_64)" in said


def test_a_training_at_another_commit_is_said():
    assert " at bbbbbbbb" in moved_in_words([record(HERE, HERE | {"commit": "b" * 40})])


def test_one_that_went_on_where_it_had_been_or_was_made_by_an_earlier_release_is_not():
    assert not moved_in_words([record(HERE | {"from_iteration": 0}, HERE | {"from_iteration": 5}), {"details": {}}])


def test_keys_of_trainings_in_parts_say_how_dropout_is_drawn_and_all_others_are_what_they_were():
    def identity(accumulation):
        return TrainSpec({"plugin": "a"}, 1, {"accumulation": accumulation}, 7, (True,), (), (), 100, ()).identity

    assert identity(1).keys() == {"backbone", "in_channels", "training", "seed", "abnormal"}
    assert identity(2).keys() - identity(1).keys() == {"dropout"}
