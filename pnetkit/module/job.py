"""What all ways in share: find the model, make cases of a folder, screen them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pnetkit.errors import CohortError, Fault, ModelError
from pnetkit.model.folder import SUMS, Model, read_model
from pnetkit.module.settings import Settings
from pnetkit.screening.cases import Asked, cases_of
from pnetkit.screening.images_by_phase import case_of_images, images_in
from pnetkit.screening.pages import Pages
from pnetkit.screening.screen import Screened, screen_cases
from pnetkit.screening.screener import Screener, load_screener
from pnetkit.screening.source import ScreeningCase

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Job:
    """One call of a module: what is read, where it writes, what it was told, and what loads the model."""

    given: Path
    out: Path
    settings: Settings
    model: Model
    say: Say
    load: Callable[[Model, Settings], Screener]

    @property
    def phases(self) -> tuple[str, ...]:
        """Name the model's phases."""
        return tuple(self.model.content["phases"])


def model_in(folder: Path) -> Model:
    """Read the model that lies in a folder, or in the only folder in it, as archives are unpacked.

    Raises:
        ModelError: there is none, or it is damaged.
    """
    if (folder / SUMS).is_file() or not folder.is_dir():
        return read_model(folder)
    inner = [path for path in sorted(folder.iterdir()) if (path / SUMS).is_file()]
    if len(inner) != 1:
        raise ModelError(f"{folder}: holds {len(inner)} models; wanted one that `pnetkit export` wrote. Put it there.")
    return read_model(inner[0])


def loaded(model: Model, settings: Settings) -> Screener:
    """Load a model as settings say."""
    return load_screener(model, device=settings.device, folds=settings.folds)


def cases_in(job: Job) -> list[ScreeningCase]:
    """Make cases of what lies in a folder: one of images that are named by phase, or one of each study of DICOM.

    Raises:
        CohortError: it holds neither, or images that name no phase.
    """
    if not job.given.is_dir():
        raise CohortError("These inputs cannot be screened:", [Fault(str(job.given), "there is no such folder")])
    if images_in(job.given):
        return [case_of_images(job.given, job.phases, "case")]
    settings = job.settings
    learned_mm = {phase: tuple(seen["spacing_mm"][2]) for phase, seen in job.model.content["grid"]["seen"].items()}
    asked = Asked(
        uids=settings.series,
        descriptions=settings.description,
        by=settings.by,
        write_dicom=True,
        same_patient=settings.same_patient,
        learned_mm=learned_mm,
    )
    return cases_of([str(job.given)], job.phases, asked, job.say)


def screened(job: Job, screener: Screener, cases: Sequence[ScreeningCase], out: Path) -> list[Screened]:
    """Screen cases into a folder of findings, with a page of each."""
    pages = Pages(job.settings.pdf)
    return screen_cases(screener, cases, out, gates=job.settings.on_gate, say=job.say, pages=pages)
