"""Fifty clients at once: none is lost, none mixed up, and memory does not grow with what they send."""

import asyncio
import os
import threading
import time
from pathlib import Path

import httpx
import pytest
import uvicorn

from pnetkit.serve.work import Work, Workers
from tests.serve.http_parts import TOKEN, Made, open_marking

CLIENTS, BYTES = 50, 3 * 2**20

MOST_GROWTH = 120 * 2**20
"""Eight studies at a time hold a block of 1 MiB each, twice while it is written; what all send is 150 MiB."""


def held_bytes():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def form(mark):
    """A form of one image, sent piece by piece."""
    yield b'--b\r\nContent-Disposition: form-data; name="dicom"; filename="x"\r\n\r\n'
    piece = bytes(2**16)
    for _ in range(BYTES // len(piece)):
        yield piece
    yield f"mark:{mark}\r\n--b--\r\n".encode()


async def served(port, patience_s=120.0):
    """What each client reads of its own study in the end; the seconds from its answer to its result."""

    async def one(client, mark):
        answer = await client.post(
            "/v1/studies", content=form(mark), headers={"content-type": "multipart/form-data; boundary=b"}
        )
        assert answer.status_code == 202, answer.text
        place = answer.headers["location"]
        end = time.monotonic() + patience_s
        while (said := (await client.get(place)).json())["state"] != "ready":
            assert said["state"] in ("waiting", "running"), said
            assert time.monotonic() < end, "waited in vain"
            await asyncio.sleep(0.25)
        return place, (await client.get(f"{place}/finding")).json()["marks"]

    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{port}",
        headers={"authorization": f"Bearer {TOKEN}"},
        timeout=120,
        limits=httpx.Limits(max_connections=CLIENTS),
    ) as client:
        return await asyncio.gather(*(one(client, f"client-{n}") for n in range(CLIENTS)))


@pytest.mark.slow
def test_fifty_clients_at_once_get_their_own_result_each_in_bounded_memory(tmp_path):
    made = Made(tmp_path / "state")
    workers = Workers(made.queue, Work(open_marking, at_once=2))
    workers.start()
    server = uvicorn.Server(
        uvicorn.Config(
            made.app, port=0, log_config=None, log_level="critical", lifespan="off", ws="none", interface="asgi3"
        )
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    before, most, watching = held_bytes(), [0], threading.Event()

    def watch():
        while not watching.wait(0.02):
            most[0] = max(most[0], held_bytes())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        while not server.started:
            time.sleep(0.02)
        port = server.servers[0].sockets[0].getsockname()[1]
        found = asyncio.run(served(port))
    finally:
        watching.set()
        server.should_exit = True
        thread.join()
        watcher.join()
        workers.stop()
    assert [marks for _, marks in found] == [[f"client-{n}"] for n in range(CLIENTS)]
    assert len({place for place, _ in found}) == CLIENTS
    assert most[0] - before < MOST_GROWTH
    assert list(made.queue.places.arriving.iterdir()) == []
