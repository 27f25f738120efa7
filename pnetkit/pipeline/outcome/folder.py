"""A run's folder: claimed for one run, filled with segmentations, and last with the record that makes it a run's."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pnetkit.errors import StoreError
from pnetkit.evaluation.summary import Metrics
from pnetkit.files import read_json, write_atomically, write_json
from pnetkit.pipeline.plan.graph import Graph
from pnetkit.pipeline.stages.segment import AGREEMENT
from pnetkit.pipeline.stages.segmentation import LABELS
from pnetkit.store.store import RUN_RECORD, Store

RECIPE, METRICS, TABLES, SEGMENTATIONS = "recipe.yaml", "metrics.json", "tables.md", "segmentations"
"""What else lies in it."""


def claim_folder(folder: Path, run_key: str, recipe_yaml: str) -> None:
    """Take a folder for a run and write its recipe into it: a new or empty folder, or one of the very same run.

    Raises:
        StoreError: the folder holds something else; nothing is overwritten.
    """
    if folder.exists() and not folder.is_dir():
        raise StoreError(f"{folder}: is a file; choose another --out.")
    record = folder / RUN_RECORD
    if record.is_file():
        try:
            known = read_json(record).get("run_key")
        except (OSError, ValueError):
            known = None
        if known != run_key:
            raise StoreError(f"{folder}: holds another run. Choose another --out, or delete the folder.")
    elif folder.exists() and any(folder.iterdir()) and not (folder / RECIPE).is_file():
        raise StoreError(f"{folder}: is not empty and holds no run. Choose another --out.")
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / RECIPE, recipe_yaml.encode())


def write_segmentations(folder: Path, graph: Graph, store: Store) -> None:
    """Put every cleaned segmentation (and agreement map) beside the results, named by case and phase."""
    target = folder / SEGMENTATIONS
    target.mkdir(parents=True, exist_ok=True)
    for (case_id, phase), nodes in sorted(graph.cases.items()):
        kept = {
            f"{case_id}_{phase}.nii.gz": store.of(nodes.postprocess.ref) / LABELS,
            f"{case_id}_{phase}_agreement.nii.gz": store.of(nodes.segment.ref) / AGREEMENT,
        }
        for name, source in kept.items():
            if source.is_file():
                temporary = target / f".{name}.tmp"
                shutil.copyfile(source, temporary)
                temporary.replace(target / name)


def write_figures(folder: Path, metrics: Metrics, tables: str) -> None:
    """Write the figures, and the tables that are made of them."""
    write_json(folder / METRICS, metrics.to_json())
    write_atomically(folder / TABLES, tables.encode())


def write_record(folder: Path, record: Mapping[str, Any]) -> None:
    """Write the record that makes the folder a run's: the last file of a run."""
    write_json(folder / RUN_RECORD, dict(record))
