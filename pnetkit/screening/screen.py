"""Screen case after case with a model that is loaded once: nothing stops the others, nothing is left half written.

out/findings.csv                  one line a case, also for those that failed
out/screening.json                which model, on what, how many
out/CASE/finding.json             the decision and its reasons
out/CASE/PHASE_segmentation.nii.gz    on the scan's own grid
out/CASE/failed.json              instead of all these, where a case could not be screened
"""

import json
import shutil
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from pnetkit.ahead import one_ahead
from pnetkit.errors import ImageError, PnetkitError, ScreeningError, StoreError
from pnetkit.files import digest, disk_errors_in_words, write_atomically, write_json
from pnetkit.imaging.nifti import write_labels
from pnetkit.process_memory import peak_memory_mib
from pnetkit.provenance import hardware
from pnetkit.screening.finding import finding_record
from pnetkit.screening.findings_table import TABLE, earlier_rows, row, table
from pnetkit.screening.gates import GatePolicy, held_to_gates
from pnetkit.screening.screener import CaseResult, Screener, screen_scans
from pnetkit.screening.source import Answer, Loaded, ScreeningCase
from pnetkit.types import CLASSES

FINDING, FAILED, SCREENING = "finding.json", "failed.json", "screening.json"

Status = Literal["ok", "failed"]


@dataclass(frozen=True, slots=True)
class Screened:
    """Say what became of one case: its finding as in `finding.json`, or why there is none; `reused` from before."""

    case_id: str
    status: Status
    record: Mapping[str, Any]
    reused: bool = False

    @property
    def in_words(self) -> str:
        """Give one line about the case."""
        if self.status == "failed":
            return f"{self.case_id}: failed. {self.record['reason']}"
        fired = f" ({', '.join(self.record['fired'])})" if self.record["fired"] else ""
        flags = f"; {len(self.record['flags'])} flags" if self.record["flags"] else ""
        return f"{self.case_id}: {self.record['decision']}{fired}{flags}{' (done before)' if self.reused else ''}"


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
) -> list[Screened]:
    """Screen cases one after the other and give what became of each; findings of an interrupted call are taken over.

    The scans of one case are read and held to the gates while the networks run on those of the case before.

    Raises:
        StoreError: `out` holds something else, or cannot be written.
    """
    _claim(out, screener)
    rows: list[Mapping[str, str]] = [*earlier_rows(out, {case.id for case in cases})]
    inputs = [seen.name for seen in screener.parts.inputs]
    started, done = time.perf_counter(), []

    def read(case: ScreeningCase) -> _Read | None:
        return None if case.fault else _read(screener, case, out / case.id, gates)

    with closing(one_ahead(read, cases, ahead=True)) as coming:
        for case, scans in coming:
            found = _screened(screener, case, out / case.id, scans)
            done.append(found)
            rows.append(row(case.id, found.status, found.record))
            say(found.in_words)
            with disk_errors_in_words(out):
                write_atomically(out / TABLE, table(inputs, rows))
    record = _head(screener) | {
        "cases": len(done),
        "failed": [found.case_id for found in done if found.status == "failed"],
        "reused": sum(found.reused for found in done),
        "scans_searched_as_a_whole": _searched_as_a_whole(screener, done),
        "seconds": round(time.perf_counter() - started, 1),
        "peak_memory_mib": peak_memory_mib(),
        "hardware": hardware(screener.device),
    }
    with disk_errors_in_words(out):
        write_json(out / SCREENING, record)
    return done


def require_all_screened(done: Sequence[Screened], out: Path) -> None:
    """Raise ScreeningError naming the cases without a finding, if there are any."""
    failed = [found for found in done if found.status == "failed"]
    if failed:
        lines = [f"{len(failed)} of {len(done)} cases could not be screened; the others are in {out}:"]
        lines += [f"  {found.case_id}: {found.record['reason']}" for found in failed]
        raise ScreeningError("\n".join(lines))


def _searched_as_a_whole(screener: Screener, done: Sequence[Screened]) -> int | None:
    """Count the scans whose coarse-to-fine search was not kept to a region; None where there is no such search."""
    if "coarse" not in screener.parts.inference:
        return None
    inputs = [found for case in done if case.status == "ok" for found in case.record["inputs"].values()]
    return sum(found["fallback"] is not None for found in inputs)


def _read(screener: Screener, case: ScreeningCase, folder: Path, gates: GatePolicy) -> _Read:
    """Read a case's scans and hold them to the gates, unless its finding is known. Writes nothing."""
    digests = {phase: source.digest() for phase, source in case.scans.items()}
    key = _key(screener, case, digests, gates)
    known = _known(folder, key)
    if known is not None:
        return _Read(key, known, {}, digests, ())
    loaded = {phase: source.load() for phase, source in case.scans.items()}
    flags = [f"{phase}: {flag}" for phase, found in loaded.items() for flag in found.flags]
    scans = {phase: found.scan for phase, found in loaded.items()}
    flags += held_to_gates(scans, digests, screener.model.content["grid"]["seen"], gates)
    return _Read(key, None, loaded, digests, flags)


def _screened(screener: Screener, case: ScreeningCase, folder: Path, scans: Callable[[], _Read | None]) -> Screened:
    """Screen one case; `scans` gives what was read of it, or raises why it cannot be: that is this case's error."""
    try:
        read = scans()
        if read is None:
            return _failed(case, folder, {"reason": case.fault})
        if read.known is not None:
            return Screened(case.id, "ok", read.known, reused=True)
        work = folder.with_name(f".{folder.name}.part")
        with disk_errors_in_words(folder):
            _cleared(folder)
            work.mkdir()
        record = _screen(screener, case, work, read)
        with disk_errors_in_words(folder):
            write_json(work / FINDING, record | {"key": read.key})
            work.rename(folder)
        return Screened(case.id, "ok", record)
    except StoreError:
        raise  # the place of the results, not the case, is at fault
    except PnetkitError as error:
        return _failed(case, folder, {"reason": str(error)})
    except (MemoryError, torch.OutOfMemoryError) as error:
        what = str(error).partition(". ")[0] or type(error).__name__
        return _failed(case, folder, {"reason": f"memory ran out ({what}). Free some, or choose another --device."})
    except Exception as error:  # noqa: BLE001  # a plugin may raise anything; one case must not stop the others
        reason = f"{type(error).__name__}: {error} (an error of a plugin or of pnetkit; see {FAILED})"
        return _failed(case, folder, {"reason": reason, "traceback": traceback.format_exc()})


def _screen(screener: Screener, case: ScreeningCase, folder: Path, read: _Read) -> dict[str, Any]:
    scans = {phase: found.scan for phase, found in read.loaded.items()}
    result = screen_scans(screener, case.id, scans)
    with disk_errors_in_words(folder):
        _write_results(screener, case, read.loaded, result, folder)
    _require_unchanged(case, read.digests)  # results are written by the files' own headers, so not any sooner
    images = {
        phase: {
            **case.scans[phase].about,
            "sha256": read.digests[phase],
            "shape": list(scan.grid.shape),
            "spacing_mm": [round(edge, 4) for edge in scan.grid.spacing_mm],
        }
        for phase, scan in scans.items()
    }
    return finding_record(screener, result, images, read.flags)


def _require_unchanged(case: ScreeningCase, digests: Mapping[str, str]) -> None:
    """Raise ImageError where a scan is not the one any more whose digest stands in the finding's key."""
    for phase, source in case.scans.items():
        if source.digest() != digests[phase]:
            raise ImageError(
                f"{phase}: the scan was changed while the case was screened. Wait until nothing writes it any more, "
                f"and run the same command again."
            )


def _write_results(
    screener: Screener, case: ScreeningCase, loaded: Mapping[str, Loaded], result: CaseResult, folder: Path
) -> None:
    for seen in screener.parts.inputs:
        if seen.name not in result.inputs:
            continue
        found, first = result.inputs[seen.name], seen.phases[0]
        labels, grid = found.segmentation.labels, found.segmentation.grid
        write_labels(folder / f"{seen.name}_segmentation.nii.gz", labels, like=loaded[first].like)
        write = case.scans[first].write_results
        if write is not None:
            counts = np.bincount(labels.reshape(-1), minlength=len(CLASSES))
            volumes = {label: float(counts[label] * grid.voxel_mm3) for label in range(1, len(CLASSES))}
            model = screener.model
            abnormal = found.finding.abnormal
            write(
                folder / seen.name, labels, Answer(abnormal, result.finding.abnormal, volumes, model.name, model.digest)
            )


def _failed(case: ScreeningCase, folder: Path, record: Mapping[str, Any]) -> Screened:
    with disk_errors_in_words(folder):
        _cleared(folder)
        folder.mkdir()
        write_json(folder / FAILED, {"case_id": case.id, **record})
    return Screened(case.id, "failed", record)


def _cleared(folder: Path) -> None:
    """Remove what an earlier call left of a case: its folder and a half-written one, right below the claimed folder."""
    if not (folder.parent / SCREENING).is_file():
        raise StoreError(f"{folder}: does not lie in a folder of findings; nothing is removed.")
    for earlier in (folder.with_name(f".{folder.name}.part"), folder):
        if earlier.is_symlink() or earlier.is_file():
            raise StoreError(f"{earlier}: is no folder of findings; move it away.")
        if earlier.exists():
            shutil.rmtree(earlier)


def _key(screener: Screener, case: ScreeningCase, images: Mapping[str, str], gates: GatePolicy) -> str:
    """Name what decides a case's finding, so that it is made again when any of it has changed."""
    return digest(
        {
            "model": screener.model.digest,
            "plugins": screener.parts.plugins,
            "inference": screener.parts.inference,  # with the precision that `auto` is on this device
            "folds": list(screener.folds),
            "images": dict(images),
            "gates": gates,
            "results": {phase: source.write_results is not None for phase, source in case.scans.items()},
        }
    )


def _known(folder: Path, key: str) -> dict[str, Any] | None:
    try:
        record: dict[str, Any] = json.loads((folder / FINDING).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None  # not there yet, or damaged: it is made anew
    return record if record.get("key") == key else None


def _claim(out: Path, screener: Screener) -> None:
    """Make sure that findings may be written here: a new or empty folder, or one of findings of the same model."""
    with disk_errors_in_words(out):
        if out.exists() and (not out.is_dir() or (any(out.iterdir()) and not (out / SCREENING).is_file())):
            raise StoreError(f"{out}: is not empty and holds no findings. Choose another --out.")
        if (out / SCREENING).is_file():
            try:
                known = json.loads((out / SCREENING).read_text(encoding="utf-8"))["model"]["digest"]
            except (OSError, ValueError, KeyError, TypeError):
                known = None
            if known != screener.model.digest:
                raise StoreError(f"{out}: holds findings of another model. Choose another --out.")
        out.mkdir(parents=True, exist_ok=True)
        write_json(out / SCREENING, _head(screener))


def _head(screener: Screener) -> dict[str, Any]:
    return {
        "research_use_only": True,
        "model": {"name": screener.model.name, "digest": screener.model.digest, "folds": list(screener.folds)},
        "device": screener.device,
    }
