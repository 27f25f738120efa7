"""What a DICOM service does beside its threads: refusals that name what they replace, and keeping house."""

import json
import threading

import pydicom

from pnetkit.dicom.refusal import refusal_in
from pnetkit.dicom.source_headers import Author
from pnetkit.dicom.succession import replaced_by
from pnetkit.serve import dicom_service
from pnetkit.serve.child import Task
from pnetkit.serve.config import Config
from pnetkit.serve.dicom_service import METRICS, Times, keep_house, patience, refuse, senders, serve_dicom
from pnetkit.serve.work import Work, Workers
from tests.dicom.synthetic import AFFINE, some_hu, write_series
from tests.serve.hospital import free_port
from tests.serve.parts import Clock, open_queue, open_quick, send

AUTHOR = Author("tiny", "0123456789abcdef")


def refused(tmp_path, number, earlier=None):
    out = tmp_path / str(number)
    out.mkdir()
    (name,) = refuse(AUTHOR, Task(number, tmp_path / "in", out, earlier), "no abdomen")
    return pydicom.dcmread(out / name)


def test_a_second_refusal_names_the_first_and_has_uids_of_its_own(tmp_path):
    write_series(tmp_path / "in", some_hu(), AFFINE)
    first = refused(tmp_path, 1)
    second = refused(tmp_path, 2, earlier=tmp_path / "1")
    assert refusal_in(second) == refusal_in(first) == "no abdomen"
    assert (replaced_by(first), replaced_by(second)) == ([], [first.SOPInstanceUID])
    assert second.SOPInstanceUID != first.SOPInstanceUID
    gone = refused(tmp_path, 3, earlier=tmp_path / "nothing")  # kept for its time
    assert replaced_by(gone) == []


def test_keeping_house_completes_deletes_and_says_how_it_is(tmp_path, caplog):
    clock = Clock()
    queue = open_queue(tmp_path / "state", clock)
    send(queue, "Jane Doe", b"1")
    clock.now += 60
    keep_house(queue, Times(stable_after_s=60, keep_s=1000), Workers(queue, Work(open_quick)))
    text = (queue.places.root / METRICS).read_text()
    assert 'pnetkit_jobs{state="waiting"} 1\n' in text
    assert "pnetkit_oldest_waiting_seconds 60\n" in text
    clock.now += 1000
    keep_house(queue, Times(stable_after_s=60, keep_s=1000), Workers(queue, Work(open_quick)))
    assert "ALARM study 1: given up: its time is over" in caplog.text
    assert "pnetkit_given_up_total 1\n" in (queue.places.root / METRICS).read_text()
    assert queue.jobs() == []
    queue.close()


def test_who_was_sending_has_the_whole_time_from_when_the_service_listens_again(tmp_path, monkeypatch):
    """Loading networks may take longer than a study waits for its next image."""
    clock, states = Clock(), []
    queue = open_queue(tmp_path / "state", clock)
    send(queue, "Jane Doe", b"1")

    class Ending(threading.Event):
        def wait(self, timeout=None):  # noqa: ARG002
            states.append([job.state for job in queue.jobs()])
            clock.now += 30
            return len(states) > 3

    monkeypatch.setattr(Workers, "start", lambda _: setattr(clock, "now", clock.now + 100))
    monkeypatch.setattr(Workers, "stop", lambda _: None)
    pacs = {"way": "stow", "url": f"http://127.0.0.1:{free_port()}"}  # nobody is there, and nothing is sent
    given = {"node": {"callers": ["PACS"], "port": free_port()}, "destinations": {"pacs": pacs}}
    config = Config.model_validate_json(json.dumps(given))
    serve_dicom(queue, config, Work(open_quick), Times(stable_after_s=60), Ending())
    assert states == [["receiving"], ["receiving"], ["waiting"], ["waiting"]]
    queue.close()


def test_a_disk_that_takes_nothing_does_not_end_the_house(tmp_path, caplog, monkeypatch):
    queue = open_queue(tmp_path / "state")

    def full(_path, _data):
        raise OSError(28, "No space left on device", "/of/Jane^Doe")

    monkeypatch.setattr(dicom_service, "write_atomically", full)
    keep_house(queue, Times(), Workers(queue, Work(open_quick)))
    assert "ALARM keeping house met an error: OSError" in caplog.text
    assert "Doe" not in caplog.text
    queue.close()


def test_each_destination_has_a_sender_of_its_kind():
    given = {
        "node": {"callers": ["PACS"], "ae_title": "US"},
        "destinations": {
            "pacs": {"way": "dimse", "host": "a", "port": 104, "ae_title": "A"},
            "web": {"way": "stow", "url": "http://a"},
        },
    }
    config = Config.model_validate_json(json.dumps(given))
    made = senders(config)
    assert [made[name].func.__name__ for name in ("pacs", "web")] == ["c_store", "stow"]
    assert made["pacs"].args[1] == "US"
    assert patience(config.retry).give_up_after_s == 72 * 3600
