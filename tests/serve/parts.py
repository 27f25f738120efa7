"""Stand-ins for what screens, quick and in a process of its own, and a queue whose clock a test turns."""

import hashlib
import json
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from pnetkit.errors import StoreError
from pnetkit.serve.intake import receive
from pnetkit.serve.queue import Queue
from pnetkit.serve.values import Finding, Limits, Refusal

ROOMY = Limits(spare_bytes=0)


@dataclass
class Clock:
    """A clock that stands until a test turns it."""

    now: float = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def send(queue, study, *contents):
    """Let images of these contents come, one after the other."""
    received = []
    for content in contents:
        path = queue.new_arrival()
        path.write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        received.append(receive(queue, study, path, name="image.dcm", digest=digest))
    return received[-1]


def open_quick():
    """What `Opener` is: nothing to load."""
    return quick


def quick(task):
    """Answer with what came; contents ask for trouble."""
    contents = sorted(path.read_bytes() for path in task.study.iterdir())
    said = b" ".join(contents)
    if b"DIE" in said:
        os.kill(os.getpid(), signal.SIGKILL)
    if b"HANG" in said:
        time.sleep(600)
    if b"RAISE" in said:
        raise ValueError(said.decode())
    if b"DISK" in said:
        raise StoreError("the disk is full")
    if b"GREEDY" in said:
        held = bytearray(800 * 2**20)
        held[::4096] = b"x" * len(held[::4096])
        time.sleep(600)
    if b"REFUSE" in said:
        (task.out / "refusal.dcm").write_bytes(said)
        return Refusal("no pancreas", ("refusal.dcm",))
    (task.out / "seg.dcm").write_bytes(said)
    return Finding("normal", ("seg.dcm",), {"earlier": None if task.earlier is None else task.earlier.name})


def open_broken():
    raise StoreError("no model here")


def wait_until(said, patience_s=30.0):
    """Wait until a function gives something true, and give it."""
    end = time.monotonic() + patience_s
    while not (found := said()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)
    return found


def lines(path: Path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def open_queue(folder, clock=None, limits=ROOMY, model="a model"):
    return Queue(folder, model=model, limits=limits, clock=clock or Clock())
