"""A finished run in memory: its cases and lesions as tables, its figures."""

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pnetkit.extras import require_extra
from pnetkit.files import read_json
from pnetkit.pipeline.outcome.cases_csv import UNDEFINED
from pnetkit.pipeline.outcome.finished import FinishedRun, find_run, read_run
from pnetkit.pipeline.outcome.folder import METRICS
from pnetkit.pipeline.outcome.lesions_csv import LESIONS

if TYPE_CHECKING:
    from pandas import DataFrame
else:  # an extra, which is imported when it is asked for
    DataFrame = Any

Row = dict[str, Any]

FLAGS, WHOLE = ("abnormal", "called_abnormal"), ("fold", "voxels")
REAL = ("score", "probability", "dice", "nsd", "hd95_mm", "diameter_mm", "confidence", "iou", "volume_mm3")
LISTS = ("fired", "missing", "flags")
"""How columns are typed, by how they end: yes or no, whole numbers, numbers, lists of texts. All others are texts."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Run:
    """Hold a finished run. `rows` are its cases and `lesion_rows` its lesions as plain dicts.

    What is not known or not defined is None. An HD95 is infinite where only one of prediction and reference has the
    structure. `metrics` is the run's `metrics.json`, `record` its `run.json`.
    """

    folder: Path
    rows: list[Row]
    lesion_rows: list[Row]
    metrics: Mapping[str, Any]
    record: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Give the name of its recipe."""
        return str(self.record["recipe"])

    @property
    def cohort(self) -> str:
        """Give its cohort in words: figures of phantoms are never shown without that word."""
        return str(self.record["cohort"])

    @property
    def cases(self) -> DataFrame:
        """Give the cases as a DataFrame, by case id. Raises MissingExtraError without pandas: `rows` needs none."""
        return _frame(self.rows, "cases").set_index("case_id")

    @property
    def lesions(self) -> DataFrame:
        """Give the lesions and false positives as a DataFrame. Raises MissingExtraError without pandas."""
        return _frame(self.lesion_rows, "lesions")

    def __repr__(self) -> str:
        """Say which run it is."""
        return f"Run({self.name}, {len(self.rows)} cases; {self.cohort})"


def load_run(folder: str | Path) -> Run:
    """Read a finished run: its folder, its name in the folder `runs`, or the beginning of one name there.

    Raises StoreError for what is no finished run, or is damaged.
    """
    run = read_run(find_run(Path(folder)))
    lesions = csv.DictReader(io.StringIO((run.folder / LESIONS).read_text(encoding="utf-8")))
    return Run(
        run.folder, [typed_row(of) for of in run.lines], [typed_row(of) for of in lesions], _metrics(run), run.record
    )


def _metrics(run: FinishedRun) -> Mapping[str, Any]:
    path = run.folder / METRICS
    found: Mapping[str, Any] = read_json(path) if path.is_file() else {}
    return found


def typed_row(line: Mapping[str, str]) -> Row:
    """Give a line of a CSV with its values typed by the names of their columns."""
    return {name: _value(name, text) for name, text in line.items()}


def _value(name: str, text: str) -> Any:
    if _ends(name, LISTS):
        return text.split(";") if text else []
    if _ends(name, FLAGS):
        return {"1": True, "0": False}.get(text)
    if not text and not _ends(name, (*WHOLE, *REAL)):
        return text
    if text in ("", UNDEFINED):
        return None
    if _ends(name, WHOLE):
        return int(text)
    return float(text) if _ends(name, REAL) else text


def _ends(name: str, endings: tuple[str, ...]) -> bool:
    return name in endings or any(name.endswith(f"_{ending}") for ending in endings)


def _frame(rows: list[Row], what: str) -> DataFrame:
    require_extra("notebook", f"{what} as a DataFrame ({'rows' if what == 'cases' else 'lesion_rows'} has the same)")
    import pandas as pd  # noqa: PLC0415  # needs the extra

    frame = pd.DataFrame(rows)
    return frame.astype({name: float for name in frame.columns if _ends(name, REAL)})  # also where none has a value
