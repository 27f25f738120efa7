"""Take a study in: bounded before it is read, written block by block, and in the queue when the client is answered."""

import asyncio
import hashlib
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from anyio import to_thread

from pnetkit.files import file_digest, sync_folder
from pnetkit.serve.http.archive import unpack
from pnetkit.serve.http.bounds import Bounds, NewFile
from pnetkit.serve.http.parts import Parts, form_into
from pnetkit.serve.http.refused import RequestError
from pnetkit.serve.http.sources import Source, fetch
from pnetkit.serve.intake import Received, submit
from pnetkit.serve.queue import Queue
from pnetkit.serve.values import FullError

ZIP, FORM, JSON = ("application/zip", "application/x-zip-compressed"), "multipart/form-data", "application/json"

BLOCK = 2**20
"""What is gathered before it is written: the most of a study that lies in memory."""

CAME_FROM = "http"


@runtime_checkable
class _Taking(Protocol):
    """What takes a body block by block."""

    def feed(self, block: bytes) -> None:
        """Take a block."""

    def finish(self) -> None:
        """Say that nothing more comes."""

    def abandon(self) -> None:
        """Close what is open."""


@dataclass(frozen=True, slots=True)
class Intake:
    """Hold what studies are taken in with; `phases` are the model's, `gate` lets so many through at a time."""

    queue: Queue
    phases: Sequence[str]
    bounds: Bounds
    sources: Mapping[str, Source]
    gate: asyncio.Semaphore


async def taken(intake: Intake, kind: str, length: int | None, body: AsyncIterator[bytes]) -> Received:
    """Take in a body of `kind` (its Content-Type), of which `length` bytes are announced, or nobody knows how many.

    Raises:
        RequestError: it is too large, too slow, damaged, or no study.
        FullError: the service takes nothing more for now.
    """
    media = kind.partition(";")[0].strip().lower()
    if media not in (*ZIP, FORM):
        raise RequestError(415, f"wanted Content-Type {ZIP[0]}, {FORM} or {JSON}")
    intake.bounds.require_size(length or 0)
    await to_thread.run_sync(_require_room, intake.queue, length or 0)
    if media == FORM:

        def form(folder: Path) -> _Taking:
            return Parts(kind, form_into(folder, intake.phases), intake.phases, intake.bounds)

        return await _with_folder(intake, lambda folder: _written(intake, body, form(folder)))

    async def archive(folder: Path) -> None:
        packed = intake.queue.new_arrival(".zip")
        try:
            await _written(intake, body, _Archive(packed, intake.bounds))
            await to_thread.run_sync(unpack, packed, folder, intake.phases, intake.bounds)
        finally:
            packed.unlink(missing_ok=True)

    return await _with_folder(intake, archive)


async def fetched(intake: Intake, source: str, uid: str) -> Received:
    """Take in a study of a DICOMweb source. Raises RequestError as `fetch`, FullError as `taken`."""
    await to_thread.run_sync(_require_room, intake.queue, 0)

    async def from_source(folder: Path) -> None:
        await to_thread.run_sync(fetch, intake.sources, source, uid, folder, intake.bounds)

    known_as = hashlib.sha256(f"{source} {uid}".encode()).hexdigest()
    return await _with_folder(intake, from_source, known_as)


async def _with_folder(intake: Intake, fill: Callable[[Path], Awaitable[None]], known_as: str = "") -> Received:
    """Let a new folder be filled and submit it; nothing is left of one that is not."""
    folder = intake.queue.new_arrival()
    async with intake.gate:
        folder.mkdir(mode=0o700)
        try:
            await fill(folder)
            return await to_thread.run_sync(_submitted, intake.queue, folder, known_as)
        finally:
            await to_thread.run_sync(shutil.rmtree, folder, True)


def _submitted(queue: Queue, folder: Path, known_as: str) -> Received:
    """Put a complete folder into the queue; a study that has no other name is known by what it holds."""
    digests = sorted(file_digest(path) for path in folder.iterdir())
    sync_folder(folder)
    return submit(queue, known_as or hashlib.sha256("".join(digests).encode()).hexdigest(), folder, came_from=CAME_FROM)


async def _written(intake: Intake, body: AsyncIterator[bytes], taking: _Taking) -> None:
    """Give a body to what takes it, block by block. Raises RequestError where the client falls silent."""
    gathered, size = bytearray(), 0
    try:
        while True:
            try:
                chunk = await asyncio.wait_for(anext(body), intake.bounds.idle_s)
            except StopAsyncIteration:
                break
            except TimeoutError:
                raise RequestError(408, f"nothing came for {intake.bounds.idle_s:g} s") from None
            size += len(chunk)
            intake.bounds.require_size(size)
            gathered += chunk
            if len(gathered) >= BLOCK:
                await to_thread.run_sync(taking.feed, bytes(gathered))
                gathered.clear()
        await to_thread.run_sync(taking.feed, bytes(gathered))
        await to_thread.run_sync(taking.finish)
    finally:
        taking.abandon()


class _Archive:
    """A body that is an archive, and is written as it comes."""

    def __init__(self, path: Path, bounds: Bounds) -> None:
        self._file, self._bounds = NewFile(path), bounds

    def feed(self, block: bytes) -> None:
        """Take a block."""
        self._file.write(block)

    def finish(self) -> None:
        """Say that nothing more comes."""

    def abandon(self) -> None:
        """Close the file."""
        self._file.abandon()


def _require_room(queue: Queue, size: int) -> None:
    """Raise FullError where what is announced does not fit, before any of it is read."""
    if queue.used_bytes() + size > queue.limits.most_bytes:
        raise FullError(f"{queue.limits.most_bytes / 1e9:.3g} GB are used")
    if shutil.disk_usage(queue.places.root).free - size < queue.limits.spare_bytes:
        raise FullError(f"the disk has less than {queue.limits.spare_bytes / 1e9:.3g} GB left")
    if sum(queue.counts().get(state, 0) for state in ("receiving", "waiting", "running")) >= queue.limits.most_waiting:
        raise FullError(f"{queue.limits.most_waiting} studies wait")
