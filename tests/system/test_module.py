"""`pnetkit module` with a trained model: it answers as `screen` does, whatever pipeline it is a step of."""

import json

import nibabel as nib
import numpy as np
import pytest
from click.testing import CliRunner

from pnetkit.cli.main import cli
from pnetkit.imaging.nifti import read_labels
from pnetkit.module import grand_challenge
from pnetkit.module.job import Job, loaded, model_in
from pnetkit.module.settings import Settings
from tests.imaging.test_metaimage import write

pytestmark = pytest.mark.slow


def test_grand_challenge_gets_what_the_same_scans_give_as_nifti(model, table, tmp_path):

    images = table.parent / "images"
    sockets = []
    for phase in ("arterial", "venous"):
        image = nib.as_closest_canonical(nib.load(images / f"P001_{phase}.nii.gz"))
        slug = f"{phase}-ct"
        place = tmp_path / "in" / "images" / slug
        place.mkdir(parents=True)
        hu = np.asarray(image.dataobj)
        origin = image.affine[:3, 3] * [-1, -1, 1]
        write(
            place / "a.mha",
            data=hu.astype("<i2").tobytes(order="F"),
            matrix="-1 0 0 0 -1 0 0 0 1",  # stored as RAS, and said in LPS
            DimSize=" ".join(map(str, hu.shape)),
            ElementSpacing=" ".join(map(str, image.header.get_zooms())),
            Offset=" ".join(map(str, origin)),
        )
        sockets.append({"socket": {"slug": slug, "relative_path": f"images/{slug}"}})
    (tmp_path / "in" / "inputs.json").write_text(json.dumps(sockets))
    settings = Settings(on_gate="off", device="cpu")
    grand_challenge.run(Job(tmp_path / "in", tmp_path / "out", settings, model_in(model), lambda _: None, loaded))
    given = [f"{phase}={images}/P001_{phase}.nii.gz" for phase in ("arterial", "venous")]
    options = ["--out", str(tmp_path / "screened"), "--on-gate", "off", "--device", "cpu", "--no-report"]
    assert CliRunner().invoke(cli, ["screen", str(model), *given, *options]).exit_code == 0
    finding = json.loads((tmp_path / "screened" / "case" / "finding.json").read_text())
    said = json.loads((tmp_path / "out" / "finding.json").read_text())
    assert (said["decision"], said["score"], said["fired"]) == (finding["decision"], finding["score"], finding["fired"])
    sitk = pytest.importorskip("SimpleITK")
    for phase in ("arterial", "venous"):
        labels, _ = read_labels(tmp_path / "screened" / "case" / f"{phase}_segmentation.nii.gz")
        path = tmp_path / "out" / "images" / f"{phase}-segmentation" / "output.mha"
        assert np.array_equal(sitk.GetArrayFromImage(sitk.ReadImage(str(path))).T, labels)
