"""A processing module of mercure: settings come in `task.json`, DICOM goes out flat, and a summary in `result.json`.

mercure sends on what lies in OUT and keeps `result.json`. Files are called `SERIESUID#NAME.dcm`, as mercure does.
A study that is refused goes out as a report that says so and why. What has neither a finding nor such a report ends the
module with an error, so that mercure reports it: it never looks like a normal one.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pnetkit.errors import Fault, ImageError
from pnetkit.extras import require_extra
from pnetkit.files import disk_errors_in_words, write_json
from pnetkit.module.answers import RESULT, answer, in_words, no_result, result
from pnetkit.module.job import Job, cases_in, screened
from pnetkit.module.settings import Settings, SettingsError, read_object, settings_of
from pnetkit.screening.screen import Screened, require_all_screened

TASK = "task.json"


def settings_in(folder: Path) -> Settings:
    """Give what mercure's task says (`process.settings`); all as it is by default where there is no task.

    Raises:
        SettingsError: the task is damaged, is of several steps at once, or its settings say what settings cannot.
    """
    path = folder / TASK
    if not path.is_file():
        return Settings()
    process = read_object(path).get("process") or {}
    if isinstance(process, list) and len(process) == 1:
        process = process[0]
    if not isinstance(process, dict):
        faults = [Fault("process", "wanted the one step that this module is")]
        raise SettingsError(f"{path}: does not say how this module is set:", faults)
    said = process.get("settings") or {}
    if not isinstance(said, dict):
        raise SettingsError(f"{path}: does not say how this module is set:", [Fault("settings", "wanted an object")])
    return settings_of(said, f"{path}, process.settings")


def run(job: Job) -> None:
    """Screen what mercure handed over, and leave what is to be sent on.

    Raises:
        ScreeningError: a case has neither a finding nor a report that refuses it; `result.json` says so, and asks
            mercure to tell people.
        CohortError: there is no case.
    """
    require_extra("dicom", "a module of mercure")
    cases = cases_in(job)
    screener = job.load(job.model, job.settings)
    with TemporaryDirectory(prefix="pnetkit-") as work:
        findings = Path(work) / "findings"
        done = screened(job, screener, cases, findings)
        with disk_errors_in_words(job.out):
            _hand_over(findings, done, job.out)
            refused = _refused(job, done, Path(work))
    abnormal = any(found.status == "ok" and found.record["decision"] == "abnormal" for found in done)
    without = any(found.status != "ok" for found in done)
    _write(job.out, result(screener, done), in_words(done), requested=abnormal or without)
    if not refused:
        require_all_screened(done, job.out)


def _refused(job: Job, done: Sequence[Screened], work: Path) -> bool:
    """Write a report that refuses the one study that there is, where it is refused; tell whether there is one now."""
    from pnetkit.dicom.refusal import write_refusal  # noqa: PLC0415  # needs the extra
    from pnetkit.dicom.source_headers import Author  # noqa: PLC0415

    if len(done) != 1 or answer(done[0])["status"] != "refused":
        return False
    author, path = Author(job.model.name, job.model.digest), work / "refusal.dcm"
    try:
        written = write_refusal(path, job.given, done[0].record["reason"], author)
    except ImageError as error:
        job.say(f"note: {error}")
        return False
    shutil.copyfile(path, job.out / f"{written.SeriesInstanceUID}#{done[0].case_id}_refusal.dcm")
    return True


def say_that_nothing_was_screened(out: Path, reason: str) -> None:
    """Leave word of what went wrong before there was a case. Raises StoreError where that cannot be written."""
    _write(out, no_result(reason), f"pnetkit (research use only): NOT SCREENED, see {RESULT}", requested=True)


def _hand_over(findings: Path, done: Sequence[Screened], out: Path) -> None:
    from pnetkit.dicom.files import read_file  # noqa: PLC0415  # needs the extra

    out.mkdir(parents=True, exist_ok=True)
    for found in done:
        for path in sorted((findings / found.case_id).glob("*.dcm")):
            uid = read_file(path, voxels=False).SeriesInstanceUID
            shutil.copyfile(path, out / f"{uid}#{found.case_id}_{path.name}")


def _write(out: Path, said: dict[str, Any], text: str, *, requested: bool) -> None:
    """Write the summary; its notice goes out by mail, so it names nobody."""
    with disk_errors_in_words(out):
        out.mkdir(parents=True, exist_ok=True)
        write_json(out / RESULT, said | {"__mercure_notification": {"text": text, "requested": requested}})
