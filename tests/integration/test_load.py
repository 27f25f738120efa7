"""Kills, and many senders at once: nothing is lost, nothing comes twice, nothing is mixed up, memory is bounded."""

import re
import threading
import time
from contextlib import closing
from functools import partial

import pytest

from pnetkit.serve.work import resident_bytes
from tests.integration.kills import (
    Traffic,
    kill_often,
    mark_of,
    require_one_result_each,
    when_images_came,
    when_results_came,
)
from tests.serve.hospital import Archive, dimse, headers, send, serving
from tests.serve.marked import study, study_uid
from tests.serve.parts import wait_until

pytestmark = pytest.mark.slow


def test_every_study_ends_in_one_result_however_often_the_service_is_killed(tmp_path):
    """Killed while the images of three studies come, and while the first one's results go out and more are made."""
    moments = (partial(when_images_came, 8), partial(when_results_came, 1))
    traffic = Traffic(studies=3, slices=4, senders=3, pause_s=0.1, stable_s=2.0, patience_s=5.0)
    archive, _ = kill_often(tmp_path, moments, 7, traffic, say=lambda _: None)
    require_one_result_each(archive, studies=3)


def test_twenty_associations_at_once_are_not_mixed_up_and_memory_stays(tmp_path):
    """Studies of one phase each, as it is senders that could be mixed up: kills, above, come upon two phases."""
    archive = Archive()
    numbers = range(1, 21)
    sets = {
        number: study(tmp_path / f"in{number}", number, phases=("venous",), shape=(256, 256, 3)) for number in numbers
    }
    statuses = {}
    with serving(tmp_path, {"pacs": dimse(archive.port)}, stable_s=2.0) as service, closing(archive):
        before = resident_bytes(service.process.pid)
        peak = [before]

        def sender(number):
            while (got := send(service.port, sets[number]))[0] is None:  # one too many at this moment
                time.sleep(0.2)
            statuses[number] = got

        threads = [threading.Thread(target=sender, args=(number,)) for number in numbers]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            peak.append(resident_bytes(service.process.pid))
            threads[0].join(0.05)
        assert all(statuses[number] == [0] * len(sets[number]) for number in numbers)
        wait_until(lambda: len(archive.got) == 40 or "ALARM" in service.log.read_text(), 200)
        peak.append(resident_bytes(service.process.pid))
        log = service.log.read_text()
        state = [path.read_text() for path in [tmp_path / "state" / "metrics.prom"]]
    for number in numbers:
        got = archive.of_study(study_uid(number))
        assert sorted(of.Modality for of in got) == ["SEG", "SR"]
        assert {mark_of(of) for of in got if of.Modality == "SEG"} == {number}
    assert max(peak) - before < 120 * 2**20  # each association holds an image or two, of 128 KiB each
    assert re.search(r"pnetkit_given_up_total 0\n", state[0])
    said = identifiers(path for files in sets.values() for path in files[:1])
    assert [of for of in said if of in log] == []


def identifiers(files):
    """Give every text of the headers that could lead to a patient or a study."""
    found = set()
    for path in files:
        header = headers(path)
        for keyword in (
            *(
                "PatientName",
                "PatientID",
                "PatientBirthDate",
                "StudyInstanceUID",
                "SeriesInstanceUID",
                "SOPInstanceUID",
            ),
            *("FrameOfReferenceUID", "SeriesDescription", "StudyDate", "AccessionNumber"),
        ):
            text = str(header.get(keyword) or "")
            found |= {part for part in (text, *text.split("^")) if len(part) > 2}
    return sorted(found)
