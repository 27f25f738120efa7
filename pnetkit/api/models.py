"""A model that is asked about scans in memory: the same finding as `pnetkit screen` gives."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pnetkit.api.finding import Finding
from pnetkit.api.scans import ScanLike, source_of
from pnetkit.errors import CohortError, Fault, did_you_mean
from pnetkit.model.folder import read_model
from pnetkit.screening.cases import Asked, cases_of
from pnetkit.screening.described import flags_of, images_of
from pnetkit.screening.finding import finding_record
from pnetkit.screening.gates import GatePolicy
from pnetkit.screening.screener import Screener, load_screener, screen_scans
from pnetkit.screening.source import ScreeningCase


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class OpenModel:
    """Hold a model in memory, ready for any number of cases. For research use only."""

    screener: Screener

    @property
    def name(self) -> str:
        """Give the name of the model's recipe."""
        return self.screener.model.name

    @property
    def digest(self) -> str:
        """Give what names the model: findings of one digest are of one model."""
        return self.screener.model.digest

    @property
    def phases(self) -> tuple[str, ...]:
        """Give the phases that it can be asked about."""
        return tuple(self.screener.model.content["phases"])

    @property
    def notes(self) -> tuple[str, ...]:
        """Say in which way what is installed here is not what the model was made with."""
        return self.screener.model.notes

    def __repr__(self) -> str:
        """Say which model it is."""
        return f"OpenModel({self.name}, {self.digest[:12]}, phases {', '.join(self.phases)}, {self.screener.device})"

    def screen(
        self, scans: Mapping[str, ScanLike] | str | Path, *, case_id: str = "case", gates: GatePolicy = "error"
    ) -> Finding:
        """Ask the model about one case: its scans by phase, or the folder of its DICOM study.

        A scan is a NIfTI file, a nibabel image, (array, affine) or (array, spacing_mm); arrays (x, y, z) are in HU.
        `gates` is what becomes of a scan that does not look like its phase, or not like an abdomen. Nothing is written.

        Raises:
            CohortError: a phase that the model does not know, or a folder that does not hold one study.
            ImageError: a scan that cannot be read.
            GateError: a scan that fails a gate.
            MissingPhaseError: the fusion does not do without a phase that is missing.
        """
        given = scans if isinstance(scans, Mapping) else {}
        case = self._case(scans, case_id) if isinstance(scans, Mapping) else self._study(Path(scans), case_id)
        digests = {phase: source.digest() for phase, source in case.scans.items()}
        loaded = {phase: source.load() for phase, source in case.scans.items()}
        flags = flags_of(self.screener, case, loaded, digests, gates)
        there = {phase: found.scan for phase, found in loaded.items()}
        result = screen_scans(self.screener, case.id, there)
        told = [*([case.overruled] if case.overruled else []), *flags]
        record = finding_record(self.screener, result, images_of(case, digests, there), told)
        labels = {name: found.segmentation.labels for name, found in result.inputs.items()}
        first = {seen.name: seen.phases[0] for seen in self.screener.parts.inputs}
        like = {name: loaded[first[name]].like for name in labels}
        return Finding(record, self.screener, there, labels, like, {name: given.get(first[name]) for name in labels})

    def _case(self, scans: Mapping[str, ScanLike], case_id: str) -> ScreeningCase:
        faults = [
            Fault(phase, f"the model knows no phase {phase!r}.{did_you_mean(phase, self.phases)}")
            for phase in scans
            if phase not in self.phases
        ]
        if not scans:
            faults.append(Fault("scans", f"there is none; give those of {', '.join(self.phases)}"))
        if faults:
            raise CohortError("These scans cannot be screened:", faults)
        return ScreeningCase(case_id, {phase: source_of(given, phase) for phase, given in scans.items()})

    def _study(self, folder: Path, case_id: str) -> ScreeningCase:
        if not folder.is_dir():
            said = "is no folder of DICOM; give scans by phase, as {'venous': FILE}"
            raise CohortError("These scans cannot be screened:", [Fault(str(folder), said)])
        seen: Mapping[str, Any] = self.screener.model.content["grid"]["seen"]
        learned = {phase: tuple(of["spacing_mm"][2]) for phase, of in seen.items()}
        cases = cases_of([str(folder)], self.phases, Asked(case_id, learned_mm=learned), lambda _: None)
        if len(cases) != 1 or cases[0].fault:
            said = cases[0].fault if len(cases) == 1 else f"holds {len(cases)} studies; give the folder of one"
            raise CohortError("These scans cannot be screened:", [Fault(str(folder), said)])
        return cases[0]


def open_model(folder: str | Path, *, device: str = "auto", folds: Sequence[int] | None = None) -> OpenModel:
    """Load a model folder, as `pnetkit export` writes it, with the networks of all folds or of some.

    Raises ModelError for what is no model, is damaged, or needs plugins that are not installed.
    """
    return OpenModel(load_screener(read_model(Path(folder)), device=device, folds=folds))
