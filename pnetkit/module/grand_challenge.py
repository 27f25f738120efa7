"""An algorithm of Grand-Challenge: one case, its scans in sockets, its outputs where the challenge wants them.

/input/inputs.json           which sockets there are, each with its slug and its place
/input/images/SLUG/*.mha     one scan
/output/images/SLUG/output.mha    an image
/output/NAME.json            a number or an object
/opt/ml/model                the model, from the tarball

A refusal writes nothing at all and ends with an error, which the platform shows: no empty map, no zero stands for it.
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pnetkit.errors import CohortError, Fault
from pnetkit.files import disk_errors_in_words, write_json
from pnetkit.imaging.metaimage import write_metaimage
from pnetkit.imaging.nifti import read_labels
from pnetkit.module.answers import answer, likelihood
from pnetkit.module.job import Job, screened
from pnetkit.module.settings import IMAGES, Output, SettingsError
from pnetkit.screening.contrast_phase import expected_phase
from pnetkit.screening.images_by_phase import metaimage_source
from pnetkit.screening.screen import Screened, require_all_screened
from pnetkit.screening.source import ScreeningCase
from pnetkit.types import TUMOR

INPUTS, IMAGE = "inputs.json", "output.mha"


def run(job: Job) -> None:
    """Screen the one case that the platform handed over.

    Raises:
        CohortError: sockets do not say which scan is of which phase, or hold no scan, or several.
        ScreeningError: the case could not be screened; nothing is written.
        SettingsError: outputs are asked for that the model does not have.
    """
    scans = _scans(job)
    if not scans:
        raise CohortError("This case cannot be screened:", [Fault(INPUTS, "names no image of a phase of the model")])
    screener = job.load(job.model, job.settings)
    outputs = _outputs(job, [seen.name for seen in screener.parts.inputs])
    first = {seen.name: seen.phases[0] for seen in screener.parts.inputs}
    case = ScreeningCase("case", {phase: metaimage_source(path) for phase, path in scans.items()})
    with TemporaryDirectory(prefix="pnetkit-") as work:
        done = screened(job, screener, [case], Path(work) / "findings")
        require_all_screened(done, job.out)
        ready = Path(work) / "out"
        for place, wanted in outputs.items():
            like = scans.get(first[wanted.of]) if wanted.of is not None else None
            _write(ready / place, wanted, done[0], Path(work) / "findings" / "case", like)
        with disk_errors_in_words(job.out):
            shutil.copytree(ready, job.out, dirs_exist_ok=True)


def _scans(job: Job) -> dict[str, Path]:
    """Give the file of each phase's scan, by what its socket is called."""
    found: dict[str, Path] = {}
    faults = []
    for slug, place in _sockets(job.given / INPUTS):
        phase = _phase_of(slug, job)
        if phase is None:
            if place.parts[:1] == ("images",):
                faults.append(Fault(slug, f"is an image of no phase that its name tells ({', '.join(job.phases)})"))
            else:
                job.say(f"note: the socket {slug} is not looked at")
            continue
        images = sorted((job.given / place).glob("*.mha"))
        if phase in found or len(images) != 1:
            what = "is a second socket of its phase" if phase in found else f"holds {len(images)} images of .mha"
            faults.append(Fault(slug, f"{what}; wanted one image of {phase}"))
        else:
            found[phase] = images[0]
    if faults:
        raise CohortError("This case cannot be screened:", faults)
    return {phase: found[phase] for phase in job.phases if phase in found}


def _sockets(path: Path) -> list[tuple[str, PurePosixPath]]:
    """Read slug and place of each socket. Raises CohortError for what is none, or leads elsewhere."""
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        kinds = [entry.get("socket") or entry["interface"] for entry in said]
        sockets = [(str(of["slug"]), PurePosixPath(str(of["relative_path"]))) for of in kinds]
    except (OSError, ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        fault = Fault(str(path), f"is no list of sockets ({type(error).__name__}: {error})")
        raise CohortError("This case cannot be screened:", [fault]) from error
    faults = [Fault(slug, f"lies at {place}, outside of the input") for slug, place in sockets if _leads_away(place)]
    if faults:
        raise CohortError("This case cannot be screened:", faults)
    return sockets


def _leads_away(place: PurePosixPath) -> bool:
    return place.is_absolute() or ".." in place.parts or not place.parts


def _phase_of(slug: str, job: Job) -> str | None:
    """Give the phase that a socket is set to, or whose name it has in it, or whose contrast it names."""
    if job.settings.sockets is not None:
        return job.settings.sockets.get(slug)
    words = slug.lower().split("-")
    by_name = [phase for phase in job.phases if phase.lower() in words]
    said = expected_phase(slug.replace("-", " "))
    by_contrast = [phase for phase in job.phases if said is not None and expected_phase(phase) == said]
    named = by_name or by_contrast
    return named[0] if len(named) == 1 else None


def _outputs(job: Job, inputs: Sequence[str]) -> Mapping[str, Output]:
    """Give what is to be written: what settings ask for, or all segmentations and the finding."""
    asked = job.settings.outputs
    if asked is None:
        images = {f"images/{name}-segmentation": Output(what="segmentation", of=name) for name in inputs}
        return images | {"finding.json": Output(what="finding"), "likelihood.json": Output(what="likelihood")}
    faults = [Fault(place, "leads out of the output") for place in asked if _leads_away(PurePosixPath(place))]
    faults += [
        Fault(place, f"is of {of.of!r}; the model's inputs are {', '.join(inputs)}")
        for place, of in asked.items()
        if of.of is not None and of.of not in inputs
    ]
    if faults:
        raise SettingsError("Outputs cannot be written as the settings ask:", faults)
    return asked


def _write(path: Path, wanted: Output, found: Screened, findings: Path, like: Path | None) -> None:
    """Write one output; an image of an input that has no finding is left out, as nothing was looked at there."""
    if wanted.what not in IMAGES:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, _value(wanted, found))
        return
    labels = findings / f"{wanted.of}_segmentation.nii.gz"
    if like is not None and labels.is_file():
        path.mkdir(parents=True, exist_ok=True)
        write_metaimage(path / IMAGE, _map(wanted, read_labels(labels)[0], found.record["score"]), like=like)


def _map(wanted: Output, labels: NDArray[np.uint8], score: float) -> NDArray[Any]:
    """Give labels, or the case's likelihood where tumor is."""
    if wanted.what == "segmentation":
        return labels
    return np.where(labels == TUMOR, np.float32(likelihood(score)), np.float32(0))


def _value(wanted: Output, found: Screened) -> Any:
    return answer(found) if wanted.what == "finding" else answer(found)[wanted.what]
