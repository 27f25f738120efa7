"""A run's folder: claimed for one run, filled with segmentations, and last with the record that makes it a run's."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pnetkit.cohort.file_names import AGREEMENT as BESIDE
from pnetkit.cohort.file_names import segmentation_name
from pnetkit.errors import StoreError
from pnetkit.evaluation.summary import Metrics
from pnetkit.files import is_leftover_of, read_json, write_atomically, write_first, write_json
from pnetkit.pipeline.plan.graph import Graph
from pnetkit.pipeline.stages.segment import AGREEMENT
from pnetkit.pipeline.stages.segmentation import LABELS
from pnetkit.store.holders import CLAIM
from pnetkit.store.store import RUN_RECORD, Store

RECIPE, METRICS, TABLES, SEGMENTATIONS = "recipe.yaml", "metrics.json", "tables.md", "segmentations"
"""What else lies in it."""


def claim_folder(folder: Path, run_key: str, recipe_yaml: str) -> None:
    """Take a folder for a run: a new or empty one, or one that the very same run has taken before.

    The claim is the first file in it, and the first of two runs to write it has the folder; then the recipe is written.

    Raises:
        StoreError: the folder holds something else, or another run; nothing is overwritten.
    """
    if folder.exists() and not folder.is_dir():
        raise StoreError(f"{folder}: is a file; choose another --out.")
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / CLAIM).exists() and _holds_anything(folder) and _key_in(folder / RUN_RECORD) != run_key:
        what = "holds another run" if (folder / RUN_RECORD).is_file() else "is not empty, and no run has claimed it"
        raise StoreError(f"{folder}: {what}. Choose another --out, or delete the folder.")
    claim = (json.dumps({"run_key": run_key}) + "\n").encode()
    if not write_first(folder / CLAIM, claim) and _key_in(folder / CLAIM) != run_key:
        raise StoreError(f"{folder}: holds another run. Choose another --out, or delete the folder.")
    write_atomically(folder / RECIPE, recipe_yaml.encode())


def _holds_anything(folder: Path) -> bool:
    return not all(is_leftover_of(CLAIM, path) for path in folder.iterdir())


def _key_in(path: Path) -> str | None:
    """Read the key of the run that a file is of; None where it is not there or says none."""
    try:
        key: str | None = read_json(path).get("run_key")
    except (OSError, ValueError, AttributeError):
        return None
    return key


def write_segmentations(folder: Path, graph: Graph, store: Store) -> None:
    """Put every cleaned segmentation (and agreement map) beside the results, named by case and phase."""
    target = folder / SEGMENTATIONS
    target.mkdir(parents=True, exist_ok=True)
    for (case_id, phase), nodes in sorted(graph.cases.items()):
        kept = {
            segmentation_name(case_id, phase): store.of(nodes.postprocess.ref) / LABELS,
            segmentation_name(case_id, phase, BESIDE): store.of(nodes.segment.ref) / AGREEMENT,
        }
        for name, source in kept.items():
            if source.is_file() and not _is_copy(target / name, source):
                temporary = target / f".{name}.tmp"
                shutil.copy2(source, temporary)
                temporary.replace(target / name)


def _is_copy(path: Path, source: Path) -> bool:
    """Tell whether a file is the copy that an earlier call made: of the same size and time, as copies keep it."""
    try:
        there, wanted = path.stat(), source.stat()
    except FileNotFoundError:
        return False
    return (there.st_size, there.st_mtime_ns) == (wanted.st_size, wanted.st_mtime_ns)


def write_figures(folder: Path, metrics: Metrics, tables: str) -> None:
    """Write the figures, and the tables that are made of them."""
    write_json(folder / METRICS, metrics.to_json())
    write_atomically(folder / TABLES, tables.encode())


def write_record(folder: Path, record: Mapping[str, Any]) -> None:
    """Write the record that makes the folder a run's: the last file of a run.

    Of what is there for each case and stage, each has a line.
    """
    parts = [f"  {_dumped(name)}: {_one_a_line(value)}" for name, value in record.items()]
    write_atomically(folder / RUN_RECORD, ("{\n" + ",\n".join(parts) + "\n}\n").encode())


def _one_a_line(value: Any) -> str:
    """Give JSON with a line for each member; of tens of thousands, this is many times as fast as indenting all."""
    if isinstance(value, dict) and value:
        inner = [f"    {_dumped(name)}: {_dumped(of)}" for name, of in value.items()]
        return "{\n" + ",\n".join(inner) + "\n  }"
    if isinstance(value, list) and value:
        return "[\n" + ",\n".join(f"    {_dumped(of)}" for of in value) + "\n  ]"
    return _dumped(value)


def _dumped(value: Any) -> str:
    return json.dumps(value, allow_nan=False, ensure_ascii=False)
