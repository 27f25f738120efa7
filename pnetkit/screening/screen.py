"""Screen case after case with a model that is loaded once: nothing stops the others, nothing is left half written.

out/findings.csv                  one line a case, also for those that failed
out/screening.json                which model, on what, how many
out/CASE/finding.json             the decision and its reasons
out/CASE/PHASE_segmentation.nii.gz    on the scan's own grid
out/CASE/failed.json              instead of all these, where a case could not be screened
Pages to be looked at lie beside these: see `pages`.

Calls that write into one folder at once end as one after the other would: see `findings_folder`.
"""

import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from pnetkit.ahead import made_ahead
from pnetkit.errors import ImageError, PnetkitError, ScreeningError, StoreError
from pnetkit.files import digest, disk_errors_in_words, write_json
from pnetkit.imaging.hounsfield import READING
from pnetkit.imaging.spacing import RESAMPLING
from pnetkit.process_memory import peak_memory_mib
from pnetkit.provenance import hardware
from pnetkit.screening.described import flags_of, images_of
from pnetkit.screening.finding import finding_record
from pnetkit.screening.findings_folder import FAILED, FINDING, FindingsFolder
from pnetkit.screening.gates import GatePolicy
from pnetkit.screening.pages import Pages, lacking, paged, seen_again, seen_now, write_index
from pnetkit.screening.results import write_results
from pnetkit.screening.screener import CaseResult, Screener, screen_scans
from pnetkit.screening.source import Loaded, ScreeningCase

Status = Literal["ok", "failed"]


@dataclass(frozen=True, slots=True)
class Screened:
    """Say what became of one case: its finding as in `finding.json`, or why there is none; `reused` from before.

    `no_page` says why a page that was wanted could not be made.
    """

    case_id: str
    status: Status
    record: Mapping[str, Any]
    reused: bool = False
    no_page: str = ""

    @property
    def in_words(self) -> str:
        """Give one line about the case."""
        if self.status == "failed":
            return f"{self.case_id}: failed. {self.record['reason']}"
        fired = f" ({', '.join(self.record['fired'])})" if self.record["fired"] else ""
        flags = f"; {len(self.record['flags'])} flags" if self.record["flags"] else ""
        before = " (done before)" if self.reused else ""
        page = f"; no page: {self.no_page}" if self.no_page else ""
        return f"{self.case_id}: {self.record['decision']}{fired}{flags}{before}{page}"


@dataclass(frozen=True, slots=True, eq=False)
class _Read:
    """Hold a case before a network sees it: its key, and its finding if known, else scans that passed the gates.

    `digests` were taken before the scans were read.
    """

    key: str
    known: dict[str, Any] | None
    loaded: Mapping[str, Loaded]
    digests: Mapping[str, str]
    flags: Sequence[str]


def screen_cases(
    screener: Screener,
    cases: Sequence[ScreeningCase],
    out: Path,
    *,
    gates: GatePolicy,
    say: Callable[[str], None],
    pages: Pages | None = None,
) -> list[Screened]:
    """Screen cases one after the other and give what became of each; findings of an interrupted call are taken over.

    With `pages` each case has a page, and the folder an index; pages that are not there yet are made of findings that
    are. The scans of one case are read and held to the gates while the networks run on those of the case before.

    Raises:
        StoreError: `out` holds something else, or cannot be written.
    """
    findings = FindingsFolder(out, [seen.name for seen in screener.parts.inputs])
    findings.claim(_head(screener))
    started, done = time.perf_counter(), []

    def read(case: ScreeningCase) -> _Read | None:
        return None if case.fault else _read(screener, case, findings, gates)

    try:
        with closing(made_ahead(read, cases, threads=1)) as coming:
            for case, scans in coming:
                with findings.held(case.id, say):
                    found = _screened(screener, case, findings, scans, gates, pages)
                done.append(found)
                say(found.in_words)
    finally:
        if pages is not None:
            write_index(findings, screener.model.name)
    record = _head(screener) | {
        "cases": len(done),
        "failed": [found.case_id for found in done if found.status == "failed"],
        "reused": sum(found.reused for found in done),
        **({"without_page": without} if (without := {of.case_id: of.no_page for of in done if of.no_page}) else {}),
        "scans_searched_as_a_whole": _searched_as_a_whole(screener, done),
        "seconds": round(time.perf_counter() - started, 1),
        "peak_memory_mib": peak_memory_mib(),
        "hardware": hardware(screener.device),
    }
    findings.note(record)
    return done


def require_all_screened(done: Sequence[Screened], out: Path) -> None:
    """Raise ScreeningError naming the cases without a finding, or without all of its results or its page, if any."""
    failed = [found for found in done if found.status == "failed"]
    part = [found for found in done if found.status == "ok" and found.record.get("unwritten")]
    lines = []
    if failed:
        lines = [f"{len(failed)} of {len(done)} cases could not be screened; the others are in {out}:"]
        lines += [f"  {found.case_id}: {found.record['reason']}" for found in failed]
    if part:
        lines += [f"{len(part)} of {len(done)} cases have a finding, but not all of its results, in {out}:"]
        lines += [f"  {of.case_id}, {name}: {why}" for of in part for name, why in of.record["unwritten"].items()]
    pageless = [found for found in done if found.no_page]
    if pageless:
        lines += [f"{len(pageless)} of {len(done)} cases have a finding, but no page, in {out}:"]
        lines += [f"  {of.case_id}: {of.no_page}" for of in pageless]
    if lines:
        raise ScreeningError("\n".join(lines))


def _searched_as_a_whole(screener: Screener, done: Sequence[Screened]) -> int | None:
    """Count the scans whose coarse-to-fine search was not kept to a region; None where there is no such search."""
    if "coarse" not in screener.parts.inference:
        return None
    inputs = [found for case in done if case.status == "ok" for found in case.record["inputs"].values()]
    return sum(found["fallback"] is not None for found in inputs)


def _read(screener: Screener, case: ScreeningCase, findings: FindingsFolder, gates: GatePolicy) -> _Read:
    """Read a case's scans and hold them to the gates, unless its finding is known. Writes nothing."""
    digests = {phase: source.digest() for phase, source in case.scans.items()}
    key = _key(screener, case, digests, gates)
    known = findings.known(case.id, key)
    if known is not None:
        return _Read(key, known, {}, digests, ())
    loaded = {phase: source.load() for phase, source in case.scans.items()}
    return _Read(key, None, loaded, digests, flags_of(screener, case, loaded, digests, gates))


def _screened(
    screener: Screener,
    case: ScreeningCase,
    findings: FindingsFolder,
    scans: Callable[[], _Read | None],
    gates: GatePolicy,
    pages: Pages | None,
) -> Screened:
    """Screen a case that is held; `scans` gives what was read of it, or raises why it cannot be: that is its error.

    What was read ahead was read before the case was held: another call may have been at it since.
    """
    try:
        read = scans()
        if read is None:
            return _failed(case, findings, {"reason": case.fault})
        known = findings.known(case.id, read.key)
        if known is not None:
            folder, no_page = findings.out / case.id, ""
            if lacking(pages, case, folder):
                no_page = paged(pages, case, screener, folder, lambda: seen_again(case, known, screener, folder))
            return Screened(case.id, "ok", known, reused=True, no_page=no_page)
        if read.known is not None:  # its finding was replaced, so its scans are needed after all
            read = _read(screener, case, findings, gates)
        work = findings.begin(case.id)
        result, record = _screen(screener, case, work, read)
        with disk_errors_in_words(work):
            write_json(work / FINDING, record | {"key": read.key})
        no_page = paged(pages, case, screener, work, lambda: seen_now(read.loaded, result, record))
        findings.place(case.id)
        return Screened(case.id, "ok", record, no_page=no_page)
    except StoreError:
        raise  # the place of the results, not the case, is at fault
    except PnetkitError as error:
        return _failed(case, findings, {"reason": str(error)})
    except (MemoryError, torch.OutOfMemoryError) as error:
        what = str(error).partition(". ")[0] or type(error).__name__
        return _failed(case, findings, {"reason": f"memory ran out ({what}). Free some, or choose another --device."})
    except Exception as error:  # noqa: BLE001  # a plugin may raise anything; one case must not stop the others
        reason = f"{type(error).__name__}: {error} (an error of a plugin or of pnetkit; see {FAILED})"
        return _failed(case, findings, {"reason": reason, "traceback": traceback.format_exc()})


def _screen(screener: Screener, case: ScreeningCase, folder: Path, read: _Read) -> tuple[CaseResult, dict[str, Any]]:
    scans = {phase: found.scan for phase, found in read.loaded.items()}
    result = screen_scans(screener, case.id, scans)
    with disk_errors_in_words(folder):
        unwritten = write_results(screener, case, read.loaded, result, folder)
    _require_unchanged(case, read.digests)  # results are written by the files' own headers, so not any sooner
    flags = [*([case.overruled] if case.overruled else []), *read.flags]
    flags += [f"{name}: {reason}" for name, reason in unwritten.items()]
    images = images_of(case, read.digests, scans)
    record = finding_record(screener, result, images, flags) | ({"unwritten": unwritten} if unwritten else {})
    return result, record


def _require_unchanged(case: ScreeningCase, digests: Mapping[str, str]) -> None:
    """Raise ImageError where a scan is not the one any more whose digest stands in the finding's key."""
    for phase, source in case.scans.items():
        if source.digest() != digests[phase]:
            raise ImageError(
                f"{phase}: the scan was changed while the case was screened. Wait until nothing writes it any more, "
                f"and run the same command again."
            )


def _failed(case: ScreeningCase, findings: FindingsFolder, record: Mapping[str, Any]) -> Screened:
    work = findings.begin(case.id)
    with disk_errors_in_words(work):
        write_json(work / FAILED, {"case_id": case.id, **record})
    findings.place(case.id)
    return Screened(case.id, "failed", record)


def _key(screener: Screener, case: ScreeningCase, images: Mapping[str, str], gates: GatePolicy) -> str:
    """Name what decides a case's finding, so that it is made again when any of it has changed."""
    return digest(
        {
            "model": screener.model.digest,
            "plugins": screener.parts.plugins,
            "inference": screener.parts.inference,  # with the precision that `auto` is on this device
            "folds": list(screener.folds),
            "images": dict(images),
            "reading": READING,
            "gates": gates,
            "results": {phase: source.write_results is not None for phase, source in case.scans.items()},
            **({"flags": case.flags} if case.flags else {}),
        }
        | ({"overruled": case.overruled} if case.overruled else {})
        | ({"resampling": RESAMPLING, "rules_on": screener.parts.rules_on} if screener.model.resamples else {})
    )


def _head(screener: Screener) -> dict[str, Any]:
    return {
        "research_use_only": True,
        "model": {"name": screener.model.name, "digest": screener.model.digest, "folds": list(screener.folds)},
        "device": screener.device,
    }
