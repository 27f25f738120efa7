"""Cohorts with bad cases, and plugins that fail on some: what is refused, and what costs some cases only."""

import csv
import json

import pytest

from pnetkit.cohort.phantom import PhantomSpec, write_cohort
from pnetkit.errors import CohortError, RecipeError
from pnetkit.pipeline.run import require_success
from tests.system.written import edit, rows


def test_all_bad_cases_are_listed_and_the_run_stops(cohort, tiny):
    images = cohort.parent / "images"
    (images / "P000_venous.nii.gz").write_bytes((images / "P000_venous.nii.gz").read_bytes()[:2000])
    (images / "P002_arterial.nii.gz").unlink()
    with pytest.raises(CohortError) as caught:
        tiny(table=cohort)
    where = " ".join(fault.where for fault in caught.value.faults)
    assert "P000" in where
    assert "P002" in where
    assert not (tiny.folder / "out").exists()


@pytest.mark.slow
def test_bad_cases_can_be_set_aside_and_are_counted(tmp_path, tiny):
    table = write_cohort(tmp_path / "five", PhantomSpec(cases=5, seed=1, shape=(32, 32, 24), difficulty=0))
    (table.parent / "images" / "P000_venous.nii.gz").write_bytes(b"not an image")
    result = tiny(table=table, on_bad_case="skip", sets=["phases=[venous]", "training.iterations=1"])
    assert [row["status"] for row in rows(result.folder)] == ["quarantined", "ok", "ok", "ok", "ok"]
    assert rows(result.folder)[0]["reason"]
    assert result.metrics.quarantined == 1
    assert result.metrics.cases == 5
    assert "0 failed, 1 quarantined" in (result.folder / "tables.md").read_text()
    assert not list((result.folder / "segmentations").glob("P000*"))


@pytest.mark.slow
def test_given_folds_win(cohort, tiny):
    lines = list(csv.DictReader(cohort.read_text().splitlines()))
    folds = {line["case_id"]: str(i // 2) for i, line in enumerate(lines)}
    text = cohort.read_text().splitlines()
    cohort.write_text("\n".join([text[0] + ",fold", *(f"{t},{i // 2}" for i, t in enumerate(text[1:]))]) + "\n")
    result = tiny(table=cohort, sets=["phases=[venous]", "training.iterations=1"])
    assert {row["case_id"]: row["fold"] for row in rows(result.folder)} == folds


def test_a_cohort_without_labels_cannot_be_trained_on(cohort, tiny):
    edit(cohort, lambda line: line.update(arterial_label="", venous_label=""))
    with pytest.raises(RecipeError, match=r"arterial fold 0: no training case has a reference label"):
        tiny(table=cohort)


@pytest.mark.slow
def test_a_plugin_that_fails_on_some_scans_costs_these_only(warm, install):
    source = '''
    """A postprocessor that breaks on one shape."""

    class Picky:
        def __init__(self, *, depth: int = 0) -> None:
            self.depth = depth

        def __call__(self, segmentation):
            if segmentation.labels[0, 0, 0] == 0 and segmentation.labels.shape[2] == self.depth:
                raise RuntimeError("too picky")
            return segmentation
    '''
    install("acme-picky", "acme_picky", source, postprocessor={"picky": "acme_picky:Picky"})
    result = warm(sets=["postprocess.0.plugin=picky", "postprocess.0.params={depth: 27}"])  # arterial scans
    assert {row["status"] for row in rows(result.folder)} == {"failed"}
    assert all("postprocess of P" in row["reason"] and "too picky" in row["reason"] for row in rows(result.folder))
    assert all(row["venous_score"] for row in rows(result.folder))
    assert "acme_picky.py" in json.loads((result.folder / "run.json").read_text())["failed"][0]["traceback"]
    with pytest.raises(Exception, match="4 parts of the run failed"):
        require_success(result)
