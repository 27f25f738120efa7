"""A service over HTTP is killed at any moment: what was answered has one result in the end, and nothing has two.

More often by hand: PNETKIT_KILLS=30 python -m pytest tests/integration/test_http_kills.py
"""

import os
import random
import threading
import time

import httpx
import pytest

from tests.forked import begin_module
from tests.serve.hospital import TOP, free_port
from tests.serve.http_parts import TOKEN, study
from tests.serve.parts import wait_until

KILLS = int(os.environ.get("PNETKIT_KILLS", "2"))

STUDIES = 6


def start(state, port, log):
    return begin_module(log, "tests.serve.quick_http", str(state), str(port), folder=TOP, goes_on=True)


def ask(client, method, path, **options):
    """Ask until there is an answer, however often the service dies before it gives one."""
    for _ in range(2000):
        try:
            return client.request(method, path, **options)
        except httpx.TransportError:
            time.sleep(0.05)
    raise AssertionError("asked in vain")


@pytest.mark.slow
def test_every_study_that_was_answered_has_one_result_of_its_own_whenever_the_service_dies(tmp_path):
    rng, port, state, log = random.Random(23), free_port(), tmp_path / "state", tmp_path / "log.txt"
    numbers: dict[str, set[int]] = {}
    client = httpx.Client(base_url=f"http://127.0.0.1:{port}", headers={"authorization": f"Bearer {TOKEN}"}, timeout=30)
    done = threading.Event()

    def submit():
        n = 0
        while not done.is_set() or n < STUDIES:  # each study again and again, as a sender does that had no answer
            mark = f"study-{n % STUDIES}"
            answer = ask(client, "POST", "/v1/studies", content=study(mark, images=20),
                         headers={"content-type": "application/zip"})  # fmt: skip
            assert answer.status_code in (200, 202), answer.text
            numbers.setdefault(mark, set()).add(answer.json()["number"])
            n += 1

    sender = threading.Thread(target=submit)
    process = start(state, port, log)
    sender.start()
    try:
        for _ in range(KILLS):
            wait_until(lambda: ask(client, "GET", "/health").status_code == 200, 60)
            time.sleep(rng.uniform(0, 0.8))
            process.kill()
            process.join()
            process = start(state, port, log)
        done.set()
        sender.join(120)
        assert not sender.is_alive()
        assert len(numbers) == STUDIES
        assert all(len(of) == 1 for of in numbers.values()), numbers  # answered often, and always the same study
        for mark, (number,) in numbers.items():
            ended = wait_until(
                lambda number=number: (
                    (said := ask(client, "GET", f"/v1/studies/{number}").json())["state"] == "ready" and said
                ),
                60,
            )
            assert ended["decision"] == "normal"
            assert set(ask(client, "GET", f"/v1/studies/{number}/finding").json()["marks"]) == {mark}
        metrics = ask(client, "GET", "/metrics").text
        assert f"pnetkit_outcomes_finding_total {STUDIES}\n" in metrics
    finally:
        done.set()
        process.kill()
        process.join()
        client.close()
    assert len(list((state / "results").iterdir())) == STUDIES
    assert "ALARM" not in log.read_text()
