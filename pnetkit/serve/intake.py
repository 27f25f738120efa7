"""Take studies into the queue: image after image, or as a whole; what is known already changes nothing."""

import shutil
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from pnetkit.files import file_digest, sync_folder
from pnetkit.serve.queue import Queue, latest_in
from pnetkit.serve.values import WITHOUT_OUTCOME, Failure, FullError, Job, State


@dataclass(frozen=True, slots=True)
class Received:
    """Say which job something that came belongs to, and whether it was new."""

    number: int
    is_new: bool


def receive(queue: Queue, study: str, path: Path, *, name: str, digest: str, came_from: str = "") -> Received:
    """Take an image of a study, which lies complete and synced in the queue's `arriving`; `digest` is its content's.

    The first image makes a job. One that comes before there is an outcome belongs to it, which then waits for
    stability again; one that comes after makes a job that names the earlier and has its images too, of another model
    or other settings as well: a half of a study is none. An image that is known changes nothing, unless what came
    before failed or was given up: then it begins the study again.

    Raises:
        FullError: a limit or the disk is reached. What lies in `arriving` is the caller's to delete.
    """
    with queue.changing() as database:
        job = latest_in(database, study, queue.model)
        if job is not None and _stands(job) and _has(database, job.number, digest):
            path.unlink()
            if job.state == "receiving":
                database.execute("UPDATE jobs SET changed_at = ? WHERE number = ?", (queue.clock(), job.number))
            return Received(job.number, is_new=False)
        size = path.stat().st_size
        begins = job is None or job.state not in WITHOUT_OUTCOME
        _require_room(queue, database, size, begins=begins)
        if job is None or begins:
            earlier = job or latest_in(database, study, None)
            number = _begin(queue, database, study, "receiving", came_from, earlier)
            if earlier is not None:
                _take_over(queue, database, earlier.number, number)
        else:
            number = job.number
        folder, now = queue.places.study(number), queue.clock()
        if _has(database, number, digest):
            path.unlink()
        else:
            path.rename(folder / f"{digest[:24]}-{name}")
            _note(database, number, {digest: f"{digest[:24]}-{name}"}, size)
        sync_folder(folder)
        changed = "UPDATE jobs SET state = 'receiving', received_at = ?, changed_at = ? WHERE number = ?"
        database.execute(changed, (now, now, number))
        return Received(number, is_new=True)


def submit(queue: Queue, study: str, folder: Path, *, came_from: str = "") -> Received:
    """Take a whole study that lies as a folder of files in the queue's `arriving`: it waits at once.

    The same files again are the same job, unless it failed or was given up; others make one that names the earlier.

    Raises:
        FullError: a limit or the disk is reached. What lies in `arriving` is the caller's to delete.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    named = {file_digest(path): path.relative_to(folder).as_posix() for path in files}
    size = sum(path.stat().st_size for path in files)
    with queue.changing() as database:
        job = latest_in(database, study, queue.model)
        if job is not None and _stands(job) and _digests(database, job.number) == set(named):
            shutil.rmtree(folder)
            return Received(job.number, is_new=False)
        _require_room(queue, database, size, begins=True)
        number = _begin(queue, database, study, "waiting", came_from, job)
        place = queue.places.study(number)
        place.rmdir()
        folder.rename(place)
        sync_folder(place.parent)
        _note(database, number, named, size)
        return Received(number, is_new=True)


def _stands(job: Job) -> bool:
    """Tell whether a job makes another of the same images needless: nothing of it went wrong."""
    return job.state != "given up" and not isinstance(job.outcome, Failure)


def _require_room(queue: Queue, database: sqlite3.Connection, size: int, *, begins: bool) -> None:
    """Raise FullError where what is about to come does not fit."""
    limits = queue.limits
    if queue.used_bytes() + size > limits.most_bytes:
        raise FullError(f"{limits.most_bytes / 1e9:.3g} GB are used")
    if shutil.disk_usage(queue.places.root).free - size < limits.spare_bytes:
        raise FullError(f"the disk has less than {limits.spare_bytes / 1e9:.3g} GB left")
    states = ", ".join(f"'{state}'" for state in WITHOUT_OUTCOME)
    (waiting,) = database.execute(f"SELECT count(*) FROM jobs WHERE state IN ({states})").fetchone()
    if begins and waiting >= limits.most_waiting:
        raise FullError(f"{waiting} studies wait")


def _begin(
    queue: Queue, database: sqlite3.Connection, study: str, state: State, came_from: str, earlier: Job | None
) -> int:
    """Make a job, with an empty folder."""
    now = queue.clock()
    (number,) = database.execute(
        "INSERT INTO jobs (study, model, state, earlier, received_at, changed_at, came_from) "
        "VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING number",
        (study, queue.model, state, earlier.number if earlier else None, now, now, came_from),
    ).fetchone()
    folder = queue.places.study(number)
    shutil.rmtree(folder, ignore_errors=True)  # of a transaction that was undone, which had this number too
    folder.mkdir(mode=0o700)
    sync_folder(folder.parent)
    return int(number)


def _take_over(queue: Queue, database: sqlite3.Connection, earlier: int, number: int) -> None:
    """Give a job the images of an earlier one of its study."""
    known = dict(database.execute("SELECT digest, name FROM images WHERE job = ?", (earlier,)).fetchall())
    size = 0
    for name in known.values():
        there, here = queue.places.study(earlier) / name, queue.places.study(number) / name
        try:
            here.hardlink_to(there)
        except OSError:  # a file system without second names
            shutil.copyfile(there, here)
        size += here.stat().st_size
    _note(database, number, known, size)


def _note(database: sqlite3.Connection, number: int, named: dict[str, str], size: int) -> None:
    """Note files of a job, by digest."""
    database.executemany("INSERT INTO images VALUES (?, ?, ?)", [(number, *item) for item in named.items()])
    grow = "UPDATE jobs SET images = images + ?, size_bytes = size_bytes + ? WHERE number = ?"
    database.execute(grow, (len(named), size, number))


def _has(database: sqlite3.Connection, number: int, digest: str) -> bool:
    found = database.execute("SELECT 1 FROM images WHERE job = ? AND digest = ?", (number, digest))
    return found.fetchone() is not None


def _digests(database: sqlite3.Connection, number: int) -> set[str]:
    return {digest for (digest,) in database.execute("SELECT digest FROM images WHERE job = ?", (number,))}
