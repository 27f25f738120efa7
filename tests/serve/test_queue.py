"""The queue: what came is there, once, whatever happens to the service."""

import errno
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from pnetkit.errors import StoreError
from pnetkit.serve import intake
from pnetkit.serve.intake import submit
from pnetkit.serve.retention import purge
from pnetkit.serve.values import Failure, Finding, FullError, Limits, Refusal
from tests.serve.parts import Clock, open_queue, send


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def queue(tmp_path, clock):
    made = open_queue(tmp_path / "state", clock)
    yield made
    made.close()


def contents(folder):
    return sorted(path.read_bytes() for path in folder.iterdir())


def begun(queue, *images, study="s"):
    send(queue, study, *images)
    queue.complete(0)
    return queue.claim()


def finished(queue, outcome, *images, study="s", send_to=None):
    job = begun(queue, *images, study=study)
    work = queue.places.work(job.number, job.lease)
    work.mkdir()
    for name in outcome.files:
        (work / name).write_bytes(b"result")
    assert queue.finish(job, outcome, send_to=send_to)
    return queue.get(job.number)


def test_a_study_is_complete_when_nothing_has_come_for_as_long_as_asked(queue, clock):
    send(queue, "s", b"1")
    clock.now += 50
    send(queue, "s", b"2")  # of another association, as far as anybody knows
    clock.now += 59
    assert queue.complete(60) == []
    clock.now += 1
    assert queue.complete(60) == [1]
    job = queue.claim()
    assert (job.images, job.size_bytes, job.state) == (2, 2, "running")
    assert contents(queue.places.study(job.number)) == [b"1", b"2"]


def test_an_image_that_comes_twice_counts_once_and_lets_the_study_wait_again(queue, clock):
    send(queue, "s", b"1")
    clock.now += 59
    assert not send(queue, "s", b"1").is_new
    clock.now += 1
    assert queue.complete(60) == []
    assert queue.get(1).images == 1
    assert list(queue.places.arriving.iterdir()) == []


def test_a_study_that_is_sent_again_after_its_result_makes_no_other(queue):
    finished(queue, Finding("normal", ("a.dcm",)), b"1", b"2")
    assert send(queue, "s", b"2", b"1") == intake.Received(1, is_new=False)
    assert queue.counts() == {"ready": 1}


def test_new_images_after_a_result_make_a_job_that_names_the_earlier_and_has_its_images(queue):
    finished(queue, Finding("normal"), b"1", b"2")
    assert send(queue, "s", b"3") == intake.Received(2, is_new=True)
    assert not send(queue, "s", b"1").is_new
    assert (queue.get(2).earlier, queue.get(2).images, queue.get(2).size_bytes) == (1, 3, 3)
    assert contents(queue.places.study(2)) == [b"1", b"2", b"3"]
    assert contents(queue.places.study(1)) == [b"1", b"2"]


def test_new_images_while_a_study_runs_make_its_outcome_unwanted(queue):
    job = begun(queue, b"1")
    send(queue, "s", b"2")
    assert not queue.is_ours(job)
    assert not queue.finish(job, Finding("normal"))
    assert queue.counts() == {"receiving": 1}
    queue.complete(0)
    again = queue.claim()
    assert (again.number, again.images, again.earlier) == (job.number, 2, None)
    assert not queue.finish(job, Finding("normal"))  # the older lease
    assert queue.finish(again, Finding("abnormal"))
    assert queue.get(1).outcome == Finding("abnormal")


@pytest.mark.parametrize("outcome", [Failure("died"), Finding("normal")])
def test_a_study_that_failed_or_was_given_up_begins_anew_when_it_is_sent_again(queue, outcome):
    done = finished(queue, outcome, b"1", b"2", send_to=["pacs"])
    assert done.state == "given up"
    send(queue, "s", b"1", b"2")
    assert (queue.get(2).earlier, queue.get(2).images, queue.get(2).state) == (1, 2, "receiving")
    assert len(queue.jobs()) == 2


def test_another_model_makes_another_result_and_takes_over_what_waits(queue, tmp_path):
    finished(queue, Finding("normal"), b"1")
    send(queue, "t", b"1")
    queue.close()
    other = open_queue(tmp_path / "state", model="another")
    assert other.latest("t").model == "another"
    assert send(other, "s", b"1") == intake.Received(3, is_new=True)
    other.close()


def test_what_comes_after_other_settings_has_the_images_that_came_before_them(queue, tmp_path):
    finished(queue, Finding("normal"), b"venous")
    queue.close()
    other = open_queue(tmp_path / "state", model="the same with another --description")
    assert send(other, "s", b"arterial") == intake.Received(2, is_new=True)
    assert contents(other.places.study(2)) == [b"arterial", b"venous"]  # or half a study would be screened as a whole
    assert other.get(2).earlier == 1
    other.close()


def test_a_clock_that_is_set_back_holds_no_study_up(queue, clock):
    send(queue, "s", b"1")
    clock.now -= 86400
    assert queue.complete(60) == []
    clock.now += 60
    assert queue.complete(60) == [1]


def test_what_runs_at_the_end_of_a_service_is_begun_again_at_the_next(queue, tmp_path, clock):
    job = begun(queue, b"1")
    send(queue, "t", b"2")
    queue.places.work(job.number, job.lease).mkdir()
    (queue.places.arriving / "half").write_bytes(b"3")
    (queue.places.root / "studies" / "77").mkdir()
    queue.close()
    clock.now += 1000
    again = open_queue(tmp_path / "state", clock)
    again.listens_again()
    assert again.complete(60) == []  # senders have their time again
    job = again.claim()
    assert (job.number, job.lease, job.deaths, job.service_ends) == (1, 2, 0, 1)
    left = {name: [of.name for of in (again.places.root / name).iterdir()] for name in ("arriving", "work", "studies")}
    assert left == {"arriving": [], "work": [], "studies": left["studies"]}
    assert sorted(left["studies"]) == ["1", "2"]
    again.close()


def test_a_study_at_which_the_service_ended_holds_no_other_up(queue, tmp_path):
    assert begun(queue, b"1").number == 1
    send(queue, "t", b"2")
    queue.complete(0)
    queue.close()
    again = open_queue(tmp_path / "state")
    assert [again.claim().number for _ in range(2)] == [2, 1]
    again.close()


def test_a_queue_of_before_such_ends_were_counted_is_taken_over(queue, tmp_path, clock):
    send(queue, "s", b"1")
    with queue.changing() as database:
        database.execute("ALTER TABLE jobs DROP COLUMN service_ends")
    queue.close()
    again = open_queue(tmp_path / "state", clock)
    assert [(job.study, job.images, job.service_ends) for job in again.jobs()] == [("s", 1, 0)]
    again.close()


@pytest.mark.usefixtures("queue")
def test_a_folder_belongs_to_one_service(tmp_path):
    with pytest.raises(StoreError, match="another service works in this folder"):
        open_queue(tmp_path / "state")


def test_no_more_is_taken_than_the_limits_say_and_nothing_is_left_of_what_was_not(tmp_path):
    queue = open_queue(tmp_path / "state", limits=Limits(most_bytes=5, most_waiting=1, spare_bytes=0))
    send(queue, "s", b"123")
    with pytest.raises(FullError, match="1 studies wait"):
        send(queue, "t", b"1")
    with pytest.raises(FullError, match="GB are used"):
        send(queue, "s", b"456")
    assert (queue.get(1).images, len(queue.jobs())) == (1, 1)
    send(queue, "s", b"45")
    assert contents(queue.places.study(1)) == [b"123", b"45"]
    queue.close()


def test_space_is_left_on_the_disk(tmp_path):
    queue = open_queue(tmp_path / "state", limits=Limits(spare_bytes=10**18))
    with pytest.raises(FullError, match="the disk has less than"):
        send(queue, "s", b"1")
    queue.close()


def test_a_disk_that_is_full_takes_nothing_and_leaves_what_is_there(queue, monkeypatch):
    send(queue, "s", b"1")

    def full(_self, _target):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", full)
        for study in "st":
            with pytest.raises(FullError, match="the disk is full"):
                send(queue, study, b"2")
    assert [(job.study, job.images) for job in queue.jobs()] == [("s", 1)]
    assert send(queue, "t", b"2").number == 2
    assert contents(queue.places.study(2)) == [b"2"]


def test_a_whole_study_waits_at_once_and_the_same_again_is_the_same(queue):
    def folder(*images):
        made = queue.new_arrival()
        made.mkdir()
        for number, image in enumerate(images):
            (made / f"{number}.dcm").write_bytes(image)
        return made

    assert submit(queue, "s", folder(b"1", b"2")) == intake.Received(1, is_new=True)
    assert submit(queue, "s", folder(b"2", b"1")) == intake.Received(1, is_new=False)
    assert queue.claim().images == 2
    assert submit(queue, "s", folder(b"3")) == intake.Received(2, is_new=True)
    assert (queue.get(2).earlier, contents(queue.places.study(2))) == (1, [b"3"])
    assert list(queue.places.arriving.iterdir()) == []


def test_nothing_of_a_study_stays_longer_than_it_is_kept(queue, clock):
    finished(queue, Refusal("not kept: Jane Doe", ("sr.dcm",)), b"Jane Doe")
    clock.now += 60
    send(queue, "t", b"Jim Doe")
    clock.now += 40
    assert purge(queue, 100, fetched=True) == []
    assert [job.study for job in queue.jobs()] == ["t"]
    clock.now += 60
    assert [job.study for job in purge(queue, 100, fetched=True)] == ["t"]
    assert queue.counters() == {"outcomes_refusal": 1, "purged": 2, "given_up": 1}
    queue.close()
    left = [path for path in queue.places.root.rglob("*") if path.is_file()]
    assert {path.name for path in left} <= {"queue.sqlite", "service.lock"}
    assert not any(b"Doe" in path.read_bytes() for path in left)


KILLED = """
    import os, sys
    from pathlib import Path
    sys.path.insert(0, {top!r})
    from tests.serve.parts import open_queue, send
    queue = open_queue(Path({state!r}))
    if {at!r} == "rename":
        Path.rename = lambda _path, _to: os._exit(9)
    if {at!r} == "commit":
        import pnetkit.serve.intake
        pnetkit.serve.intake.sync_folder = lambda _folder: os._exit(9)
    send(queue, "s", b"1")
    os._exit(9)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("at", "images"), [("rename", 0), ("commit", 0), ("answered", 1)])
def test_a_service_that_is_killed_has_an_image_if_it_answered_and_no_part_of_it_otherwise(tmp_path, at, images):
    top = str(Path(__file__).parents[2])
    script = textwrap.dedent(KILLED.format(top=top, state=str(tmp_path / "state"), at=at))
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 9
    queue = open_queue(tmp_path / "state")
    assert [job.images for job in queue.jobs()] == [1] * images
    assert len(list((queue.places.root / "studies").iterdir())) == images
    assert send(queue, "s", b"1").is_new != bool(images)
    assert contents(queue.places.study(1)) == [b"1"]
    queue.close()
