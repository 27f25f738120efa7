"""What the service says of a job in JSON; a refusal or failure has a reason and no decision."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from pnetkit.serve.http.refused import RequestError
from pnetkit.serve.queue import Queue
from pnetkit.serve.values import Finding, Job

FINDING, REPORT = "finding.json", "report.html"

TYPES = {".json": "application/json", ".gz": "application/gzip", ".dcm": "application/dicom", ".pdf": "application/pdf",
         ".html": "text/html; charset=utf-8"}  # fmt: skip

_STEP = 2**18


def job_of(queue: Queue, number: int) -> Job:
    """Give a job by its number. Raises RequestError where there is none, or none any more."""
    found = queue.get(number) if number < 2**63 else None
    if found is None:
        raise RequestError(404, "there is no such study, or its time is over")
    return found


def described(queue: Queue, job: Job) -> dict[str, Any]:
    """Say how far a job is, and what became of it."""
    outcome = job.outcome
    said: dict[str, Any] = {
        "number": job.number,
        "state": job.state,
        "images": job.images,
        "received_at": datetime.fromtimestamp(job.received_at, UTC).isoformat(timespec="seconds"),
        "replaces": job.earlier,
        "decision": outcome.decision if isinstance(outcome, Finding) else None,
        "reason": None if outcome is None or isinstance(outcome, Finding) else outcome.reason,
        "files": sorted(path.name for path in _results(queue, job)) if outcome is not None else [],
    }
    return said | {"research_use_only": True}


def finding_path(queue: Queue, job: Job) -> Path:
    """Give the file of a job's finding. Raises RequestError as `file_path`."""
    return file_path(queue, job, FINDING)


def file_path(queue: Queue, job: Job, name: str) -> Path:
    """Give a file of a job's results by its name, which is looked for among those that are there.

    Raises:
        RequestError: the job has no outcome yet, it was refused or failed, or there is no such file.
    """
    if job.outcome is None:
        raise RequestError(409, f"the study has no result yet; it is {job.state}")
    if not isinstance(job.outcome, Finding) and name in (FINDING, REPORT):
        raise RequestError(409, "the study has no finding, which is no negative; its reason says why")
    for path in _results(queue, job):
        if path.name == name:
            return path
    raise RequestError(404, "the results have no such file")


def blocks(stream: BinaryIO) -> Iterator[bytes]:
    """Give an open file block by block, and close it."""
    with stream:
        while block := stream.read(_STEP):
            yield block


def _results(queue: Queue, job: Job) -> list[Path]:
    folder = queue.places.results(job.number)
    return [path for path in folder.iterdir() if path.is_file()] if folder.is_dir() else []
