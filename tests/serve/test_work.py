"""Workers: every study ends in one outcome, whatever the process does that screens it."""

import io
import logging

import pytest

from pnetkit.errors import ModelError
from pnetkit.serve.log import LOG
from pnetkit.serve.values import Failure, Finding, Refusal
from pnetkit.serve.work import MOST_SERVICE_ENDS, Work, Workers
from tests.serve.parts import Clock, open_broken, open_queue, open_quick, send, wait_until

pytestmark = pytest.mark.slow


@pytest.fixture
def log():
    """What the service logs."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    LOG.addHandler(handler)
    LOG.setLevel(logging.INFO)
    yield stream
    LOG.removeHandler(handler)


@pytest.fixture
def outcomes(tmp_path):
    """Give what becomes of studies of one image each, in their order."""

    def of(*images, **settings):
        clock = Clock()
        queue = open_queue(tmp_path / "state", clock)
        for number, image in enumerate(images):
            send(queue, f"study of {image.decode()} {number}", image)
        queue.complete(0)
        workers = Workers(queue, Work(open_quick, **settings))
        workers.start()
        try:
            wait_until(lambda: all(job.outcome for job in queue.jobs()))
            return queue.jobs()
        finally:
            workers.stop()
            queue.close()

    return of


def write_refusal(task, reason):
    (task.out / "why.dcm").write_text(reason)
    return ["why.dcm"]


def test_each_study_has_the_outcome_of_its_own_images_and_trouble_stays_with_its_own(outcomes, log, tmp_path):
    images = [b"Jane", b"RAISE", b"DIE", b"HANG", b"GREEDY", b"REFUSE", b"Jim"]
    jobs = outcomes(*images, time_limit_s=2.0, ram_bytes=700 * 2**20, refuse=write_refusal, send_to=["pacs"], at_once=2)
    assert [type(job.outcome) for job in jobs] == [Finding, Failure, Failure, Failure, Failure, Refusal, Finding]
    reasons = [job.outcome.reason for job in jobs if isinstance(job.outcome, Failure)]
    words = [
        "ValueError at parts.py",
        "was killed by SIGKILL, more than once",
        "longer than the limit of 2 s",
        "0.734 GB",
    ]
    for reason, word in zip(reasons, words, strict=True):
        assert word in reason
    assert [job.state for job in jobs] == ["ready", *["failed"] * 4, "refused", "ready"]
    for job, image in zip(jobs, images, strict=True):
        (file,) = job.outcome.files
        said = (tmp_path / "state" / "results" / str(job.number) / file).read_bytes()
        assert said == (job.outcome.reason.encode() if isinstance(job.outcome, Failure) else image)
    assert not any(image.decode() in log.getvalue() for image in images)
    assert log.getvalue().count("ALARM") == 4


def test_without_anything_to_send_a_failure_is_given_up_with_an_alarm(outcomes, log):
    (job,) = outcomes(b"RAISE", send_to=["pacs"])
    assert job.state == "given up"
    assert "ALARM study 1: given up" in log.getvalue()


def test_a_disk_that_takes_no_results_lets_the_study_wait(tmp_path, log):
    clock = Clock()
    queue = open_queue(tmp_path / "state", clock)
    send(queue, "s", b"DISK")
    queue.complete(0)
    workers = Workers(queue, Work(open_quick))
    workers.start()
    wait_until(lambda: "results cannot be written" in log.getvalue())
    wait_until(lambda: queue.get(1).state == "waiting")
    send(queue, "s", b"more")  # and goes on when there is space, as one that did nothing wrong
    assert (queue.get(1).deaths, queue.get(1).lease) == (0, 1)
    workers.stop()
    queue.close()


def test_a_study_at_which_the_service_ended_ten_times_is_not_begun_again(tmp_path, log):
    state = tmp_path / "state"
    for _ in range(MOST_SERVICE_ENDS):
        queue = open_queue(state)
        send(queue, "s", b"Jane")
        queue.complete(0)
        assert queue.claim().number == 1
        queue.close()
    queue = open_queue(state)
    send(queue, "t", b"Jim")
    queue.complete(0)
    workers = Workers(queue, Work(open_quick, refuse=write_refusal))
    workers.start()
    wait_until(lambda: all(job.outcome for job in queue.jobs()))
    workers.stop()
    jane, jim = queue.jobs()
    assert jane.outcome == Failure("the service ended 10 times while this study was being screened", ("why.dcm",))
    assert isinstance(jim.outcome, Finding)
    assert "ALARM study 1" in log.getvalue()
    queue.close()


def test_a_model_that_cannot_be_loaded_ends_the_start_with_its_reason(tmp_path):
    queue = open_queue(tmp_path / "state")
    with pytest.raises(ModelError, match="no model here"):
        Workers(queue, Work(open_broken)).start()
    queue.close()
