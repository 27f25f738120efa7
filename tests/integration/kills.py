"""`python -m tests.integration.kills [KILLS] [SEED]`: kill the service at random moments; studies end in one result.

Senders send again what was not answered, as a PACS does. At the end each study has its own segmentations and reports in
the archive, each of them once, and the segmentations have the mark that is in the study's images.
"""

import random
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

from pnetkit.dicom.succession import replaced_by
from tests.serve.hospital import Archive, Service, dimse, send
from tests.serve.marked import number_in, study, study_uid

STABLE_S = 4.0


def kill_often(folder, kills, seed, studies=8, say=lambda said: sys.stdout.write(f"{said}\n")):
    """Send studies while the service is killed; give the archive's content and how often the service was killed."""
    dice, archive = random.Random(seed), Archive()
    service = Service(folder, {"pacs": dimse(archive.port)}, takes_s=0.5, stable_s=STABLE_S)
    sets = {number: study(folder / f"in{number}", number) for number in range(1, studies + 1)}
    done, ending = set(), threading.Event()

    def sender(own):
        for number in own:
            for path in sets[number]:
                while not ending.is_set():
                    with suppress(Exception):
                        if send(service.port, [path]) == [0]:
                            break
                    time.sleep(0.1)
                time.sleep(dice.uniform(0, 2))
            done.add(number)

    threads = [threading.Thread(target=sender, args=(list(sets)[place::2],), daemon=True) for place in range(2)]
    for thread in threads:
        thread.start()
    try:
        for count in range(kills):
            service.start()
            if count % 3:  # and each third time while it starts
                service.wait_ready()
            time.sleep(dice.uniform(0, 14))
            service.kill()
            say(f"kill {count + 1}: {len(done)} studies sent, {len(archive.got)} results")
        service.start()
        service.wait_ready()
        end = time.monotonic() + 300
        while len(archive.got) < 4 * studies and time.monotonic() < end:
            time.sleep(0.2)
        time.sleep(STABLE_S + 2)  # anything that would come twice
    finally:
        ending.set()
        service.stop()
        archive.close()
    return archive, service.log.read_text()


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
        got, log = kill_often(Path(place), kills, seed)
        results = require_one_result_each(got)
    told = f"{results} results, one of each; {got.count} arrivals; {log.count('ALARM')} alarms"
    sys.stdout.write(f"{kills} kills, seed {seed}: {told}\n")
