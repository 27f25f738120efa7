"""`python -m tests.integration.kills [KILLS] [SEED]`: kill the service at random moments; studies end in one result.

Senders send again what was not answered, as a PACS does. At the end each study has its own segmentations and reports in
the archive, each of them once, and the segmentations have the mark that is in the study's images.
"""

import random
import re
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pnetkit.dicom.succession import replaced_by
from tests.serve.hospital import Archive, Service, dimse, send
from tests.serve.marked import number_in, study, study_uid
from tests.serve.parts import wait_until

Moment = Callable[[Service, Archive], object]
"""Waits until a service, which was started just now, is to be killed."""


@dataclass(frozen=True)
class Traffic:
    """Say how many studies are sent by how many senders, and how fast; a sender pauses up to `pause_s` after an image.

    A study is complete when nothing has come for `stable_s`. `patience_s` is how long a sender waits for an answer.
    """

    studies: int = 8
    slices: int = 8
    senders: int = 2
    pause_s: float = 2.0
    stable_s: float = 4.0
    patience_s: float = 60.0


def at_random(dice: random.Random, count: int, service: Service, _archive: Archive) -> None:
    """Wait up to 14 s, each third time while it starts."""
    if count % 3:
        service.wait_ready()
    time.sleep(dice.uniform(0, 14))


def when_images_came(number: int, service: Service, _archive: Archive) -> None:
    """Wait until so many images have come."""
    wait_until(lambda: len(list((service.folder / "state").glob("studies/*/*"))) >= number, 240)


def when_results_came(number: int, _service: Service, archive: Archive) -> None:
    """Wait until so many results were sent."""
    wait_until(lambda: len(archive.got) >= number, 240)


def kill_often(
    folder, moments: Sequence[Moment], seed, traffic=Traffic(), say=lambda said: sys.stdout.write(f"{said}\n")
):
    """Send studies while the service is killed; give the archive's content and what the service logged."""
    dice, archive = random.Random(seed), Archive()
    service = Service(folder, {"pacs": dimse(archive.port)}, takes_s=0.5, stable_s=traffic.stable_s)
    numbers = range(1, traffic.studies + 1)
    sets = {number: study(folder / f"in{number}", number, shape=(24, 20, traffic.slices)) for number in numbers}
    done, ending = set(), threading.Event()

    def sender(own):
        for number in own:
            for path in sets[number]:
                while not ending.is_set():
                    with suppress(Exception):
                        if service.listens() and send(service.port, [path], patience_s=traffic.patience_s) == [0]:
                            break
                    time.sleep(0.1)
                time.sleep(dice.uniform(0, traffic.pause_s))
            done.add(number)

    threads = [
        threading.Thread(target=sender, args=(numbers[place :: traffic.senders],), daemon=True)
        for place in range(traffic.senders)
    ]
    for thread in threads:
        thread.start()
    try:
        for count, moment in enumerate(moments):
            service.start()
            moment(service, archive)
            service.kill()
            say(f"kill {count + 1}: {len(done)} studies sent, {len(archive.got)} results")
        service.start()
        service.wait_ready()
        end = time.monotonic() + 300
        while sent(folder / "state" / "metrics.prom") < traffic.studies and time.monotonic() < end:
            time.sleep(0.05)
        time.sleep(1.0)  # anything that would come twice
    finally:
        ending.set()
        for thread in threads:
            thread.join(10)
        service.stop()
        archive.close()
    return archive, service.log.read_text()


def sent(metrics):
    """Count the studies all of whose results were sent."""
    found = re.search(r'state="sent"} (\d+)', metrics.read_text()) if metrics.exists() else None
    return int(found[1]) if found else 0


def require_one_result_each(archive, studies=8):
    """Hold what an archive got to what every study has to have."""
    for number in range(1, studies + 1):
        got = archive.of_study(study_uid(number))
        kinds = sorted(of.Modality for of in got)
        assert kinds == ["SEG", "SEG", "SR", "SR"], (number, kinds)
        assert not any(replaced_by(of) for of in got if of.Modality == "SR")
        for seg in (of for of in got if of.Modality == "SEG"):
            assert mark_of(seg) == number
    return len(archive.got)


def mark_of(seg):
    """Give the number that a segmentation's first segment spells: frames are its images, row and column as in them."""
    import numpy as np

    frames = seg.pixel_array.reshape(-1, seg.Rows, seg.Columns)
    (plane,) = [frame for frame in frames if frame.any()]
    labels = np.asarray(plane).T[::-1, ::-1]  # to x, y of RAS+
    return number_in(labels[:, :, None].repeat(3, axis=2))


if __name__ == "__main__":
    kills, seed = (int(text) for text in (*sys.argv[1:], *("30", "1")[len(sys.argv) - 1 :]))
    with tempfile.TemporaryDirectory() as place:
        dice = random.Random(seed)
        got, log = kill_often(Path(place), [partial(at_random, dice, count) for count in range(kills)], seed)
        results = require_one_result_each(got)
    told = f"{results} results, one of each; {got.count} arrivals; {log.count('ALARM')} alarms"
    sys.stdout.write(f"{kills} kills, seed {seed}: {told}\n")
