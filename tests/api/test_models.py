"""A model that is asked in memory: what it takes, what it refuses, how its finding shows itself."""

import json
import re
import subprocess
import sys
from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest

from pnetkit.api import models
from pnetkit.api.models import OpenModel
from pnetkit.errors import CohortError
from tests.screening.made_up import AFFINE, DUAL, said_of, screener_of, write_scan


@pytest.fixture
def model(monkeypatch):
    """A made-up model that finds a tumor in the arterial phase of whatever it is given."""
    screener = screener_of(*DUAL)
    content = {**screener.model.content, "phases": ["arterial", "venous"]}
    screener = replace(screener, model=replace(screener.model, content=content))
    monkeypatch.setattr(models, "screen_scans", lambda of, case_id, scans: said_of(case_id, scans, of))
    return OpenModel(screener)


@pytest.fixture
def scans(tmp_path):
    files = {phase: tmp_path / "Doe_John" / f"{phase}.nii.gz" for phase in ("arterial", "venous")}
    for seed, path in enumerate(files.values()):
        write_scan(path, seed=seed)
    return files


def test_a_finding_says_what_was_found_and_gives_labels_in_the_axes_of_the_scan(model, scans, tmp_path):
    flipped = nib.load(scans["venous"])
    turned = (
        np.asarray(flipped.dataobj)[::-1],
        AFFINE @ np.array([[-1, 0, 0, 39], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]]),
    )
    found = model.screen({"arterial": scans["arterial"], "venous": turned}, gates="off")
    assert (found.abnormal, found.fired) == (True, ("arterial",))
    assert found.score == pytest.approx(48 / 20)
    assert found.inputs["arterial"]["component_count"]["tumor"] == 1
    of_file = model.screen(scans, gates="off")
    np.testing.assert_array_equal(found.labels("venous")[::-1], of_file.labels("venous"))
    found.save_labels("arterial", tmp_path / "labels.nii.gz")
    np.testing.assert_array_equal(np.asarray(nib.load(tmp_path / "labels.nii.gz").dataobj), found.labels("arterial"))
    assert found.record["images"]["venous"]["kind"] == "array"
    assert repr(found) == "Finding(abnormal, score 2.40, fired arterial, 1 flag; research use only)"


def test_a_notebook_shows_pictures_and_no_id_no_file_and_no_script(model, scans):
    found = model.screen(scans, case_id="DOE-7", gates="off")
    html = found._repr_html_()
    assert html.count('href="data:image/webp;base64,') == 2
    assert html.count('class="tumor"') == 1
    assert "case: abnormal" in html
    assert "48 voxels" in html
    assert "Research use only, not for diagnosis." in html
    for word in ("DOE", "Doe", "arterial.nii", "<script", "None"):
        assert word not in html
    assert "DOE-7: abnormal" in found.to_html(with_case_id=True)


def test_what_a_page_shows_is_escaped(model, scans):
    found = model.screen(scans, gates="off")
    strange = replace(found, record={**found.record, "flags": ["venous: <img src=x onerror=alert(1)>"]})
    html = strange.to_html()
    assert "<img" not in html
    assert "&lt;img src=x onerror=alert(1)&gt;" in html


def test_a_phase_that_is_missing_is_said_and_a_phase_that_is_none_is_refused(model, scans):
    found = model.screen({"arterial": scans["arterial"]}, gates="off")
    assert found.flags[-1] == "venous is missing"
    assert "Phase missing" in found.to_html()
    with pytest.raises(CohortError, match=r"no phase 'arterail'\. Did you mean 'arterial'"):
        model.screen({"arterail": scans["arterial"]})
    with pytest.raises(CohortError, match="there is none; give those of arterial, venous"):
        model.screen({})
    with pytest.raises(CohortError, match="is no folder of DICOM; give scans by phase"):
        model.screen(str(scans["arterial"]))


@pytest.mark.slow
def test_importing_pnetkit_is_light_and_names_what_it_has():
    code = (
        "import json, sys, pnetkit\n"
        "light = sorted(set(sys.modules) & {'torch', 'numpy', 'pandas', 'nibabel', 'pnetkit.api'})\n"
        "print(json.dumps([light, 'open_model' in dir(pnetkit), pnetkit.open_model.__module__]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [[], True, "pnetkit.api.models"]


def test_a_name_that_pnetkit_does_not_have_is_an_attribute_error():
    import pnetkit

    with pytest.raises(AttributeError, match=re.escape("module 'pnetkit' has no attribute 'load_model'")):
        _ = pnetkit.load_model
