"""What a model says of a case, in memory: its record, its labels, and how it shows itself in a notebook."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pnetkit.api.scans import as_given
from pnetkit.errors import counted
from pnetkit.imaging.nifti import write_labels
from pnetkit.report.page.card import rendered_card
from pnetkit.screening.case_page import Seen, case_view, shown_flags
from pnetkit.screening.screener import Screener
from pnetkit.types import Grid, Scan

NAMELESS = "case"
"""What a case is called where its id is not to be shown."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Finding:
    """Hold what was found in a case. For research use only, not for diagnosis.

    `record` is what `pnetkit screen` writes as `finding.json`: decision, score, flags, each input's measurements, and
    which model said it of which images.
    """

    record: Mapping[str, Any]
    _screener: Screener
    _scans: Mapping[str, Scan]
    _labels: Mapping[str, NDArray[np.uint8]]
    _like: Mapping[str, Path | Grid]
    _given: Mapping[str, Any]

    @property
    def abnormal(self) -> bool:
        """Tell whether the case is called abnormal."""
        return bool(self.record["decision"] == "abnormal")

    @property
    def score(self) -> float:
        """Give the fused score in units of its threshold: abnormal from 1 on."""
        return float(self.record["score"])

    @property
    def fired(self) -> tuple[str, ...]:
        """Name the phases that are called abnormal."""
        return tuple(self.record["fired"])

    @property
    def flags(self) -> tuple[str, ...]:
        """Say what a reader has to know."""
        return tuple(self.record["flags"])

    @property
    def inputs(self) -> Mapping[str, Mapping[str, Any]]:
        """Give by phase what was measured: score, threshold, voxels, mm³, the pieces of tumor and duct and where."""
        found: Mapping[str, Mapping[str, Any]] = self.record["inputs"]
        return found

    def labels(self, phase: str) -> NDArray[np.uint8]:
        """Give the label of each voxel: 0 background, 1 pancreas, 2 tumor, 3 duct.

        The axes are those of the scan as it was given; of a DICOM study they are RAS+. Raises KeyError for a phase
        without a finding.
        """
        given = self._given[phase]
        return self._labels[phase] if given is None else as_given(self._labels[phase], given)

    def save_labels(self, phase: str, path: str | Path) -> None:
        """Write the labels as NIfTI, on the grid of the scan: the file that `pnetkit screen` writes.

        Raises KeyError for a phase without a finding.
        """
        write_labels(Path(path), self._labels[phase], like=self._like[phase])

    def to_html(self, *, with_case_id: bool = False) -> str:
        """Give a fragment of HTML: the decision, what was measured, a picture of each phase with outlines.

        The case's id is shown only on wish; nothing of file names or DICOM headers is.
        """
        name = str(self.record["case_id"]) if with_case_id else NAMELESS
        view = case_view(Seen(self.record, self._scans, self._labels), self._screener, volumes=False)
        model = f"{self.record['model']['name']}, {str(self.record['model']['digest'])[:12]}"
        return rendered_card(replace(view, name=name), shown_flags(self.record), model=model)

    def _repr_html_(self) -> str:
        """Show the finding in a notebook, without the case's id."""
        return self.to_html()

    def __repr__(self) -> str:
        """Say what was found, without the case's id."""
        fired = f", fired {' and '.join(self.fired)}" if self.fired else ""
        flags = f", {counted(len(self.flags), 'flag')}" if self.flags else ""
        return f"Finding({self.record['decision']}, score {self.score:.2f}{fired}{flags}; research use only)"
