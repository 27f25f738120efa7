"""A folder that the real nnU-Net trained, used as it is: its own logits, and its own label map.

The scan is oblique, anisotropic and stored as LPS, and its thick slices lie along x, so that nnU-Net has that axis
first. `make_nnunet_model.py` made the folder and what nnU-Net 2.8.1 says; nothing of nnU-Net is needed here.
"""

from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from pnetkit.imaging.nifti import read_scan
from pnetkit.inference.segment import segment
from pnetkit.method.inference import inference_settings
from pnetkit.method.network_input import as_network_input
from pnetkit.method.parts import take_apart
from pnetkit.method.starting import begin
from pnetkit.method.trained_network import new_backbone
from pnetkit.recipe.check import load_recipe
from pnetkit.recipe.models import Recipe
from pnetkit.transfer import importing
from pnetkit.transfer.importing import import_weights
from pnetkit.transfer.reading import read
from pnetkit.transfer.recipes import recipe_of

MADE = Path(__file__).parent / "nnunet_model"
TRAINED = MADE / "nnUNetTrainer__nnUNetPlans__3d_fullres"
PATCH = (slice(6, 18), slice(8, 32), slice(4, 28))
"""Which patch nnU-Net was asked of, in its own axes: left, superior, posterior."""


@pytest.fixture(scope="module")
def expected():
    return load_file(MADE / "expected.safetensors")


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """The recipe that `pnetkit weights show --recipe` writes for the folder, taken apart."""
    folder = tmp_path_factory.mktemp("imported")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(importing, "read_apart", read)
        card = import_weights(TRAINED, folder / "theirs")
    (folder / "mine.yaml").write_text(recipe_of(card, Path("theirs"), Recipe.model_fields))  # found beside the recipe
    return take_apart(load_recipe(folder / "mine.yaml").recipe, {})


@pytest.fixture(scope="module")
def network(parts):
    made = new_backbone(parts.backbone, in_channels=1, seed=1)
    assert begin(made, parts.backbone, 1, parts.start.weights, parts.training["start_from"]).is_complete
    return made.eval()


@pytest.fixture(scope="module")
def seen(parts):
    scan = read_scan(MADE / "scan.nii.gz")
    assert nibabel.aff2axcodes(nibabel.load(MADE / "scan.nii.gz").affine) == ("L", "P", "S")
    return as_network_input([scan], parts.intensity)


def in_theirs(volume):
    """x, y, z to right, anterior, superior become left, superior, posterior."""
    return np.ascontiguousarray(volume[..., ::-1, ::-1, :].swapaxes(-1, -2))


def in_ours(volume):
    return np.ascontiguousarray(volume.swapaxes(-1, -2)[..., ::-1, ::-1, :])


def test_the_network_sees_the_numbers_that_it_saw_there(seen, expected):
    assert np.abs(in_theirs(seen.volume)[(slice(None), *PATCH)] - expected["input"]).max() < 1e-5


def test_logits_of_a_patch_are_nnu_net_s_own(network, seen, expected):
    patch = in_ours(in_theirs(seen.volume)[(slice(None), *PATCH)])
    theirs = in_ours(expected["patch_logits"])
    with torch.inference_mode():
        found = network(torch.from_numpy(patch)[None]).logits[0].numpy()
    assert np.abs(found[1] - theirs[1]).max() < 1e-4  # of 19 at most
    assert np.abs(found[2] - theirs[2]).max() < 1e-4
    assert np.abs(found[0] - np.maximum(theirs[0], theirs[3])).max() < 1e-4  # a vessel is nothing of ours
    assert (found[3] == -1e4).all()  # they know no duct


@pytest.mark.parametrize(
    ("name", "weights", "test_time"), [("labels", "uniform", "none"), ("labels_default", None, None)]
)
def test_the_whole_label_map_is_nnu_net_s_own(network, parts, seen, expected, name, weights, test_time):
    """With windows weighed alike and not mirrored, and as both do it by themselves: by a Gaussian, mirrored."""
    settings = inference_settings(parts.inference, batch_size=4, fill=seen.air, device="cpu")
    if weights is not None:
        settings = replace(settings, window_weights=weights, test_time=test_time, window_center=None)
    found = segment(network, seen.volume, seen.grid, settings, body=None).segmentation.labels
    stored = expected[name].transpose(2, 1, 0)[::-1, ::-1]  # z, y, x of the file, which is LPS
    theirs = np.array([0, 1, 2, 0], np.uint8)[stored]
    for label in (1, 2):
        both = np.logical_and(found == label, theirs == label).sum()
        assert 2 * both / ((found == label).sum() + (theirs == label).sum()) > 0.999
    assert set(np.unique(theirs)) == {0, 1, 2}


def test_sizes_and_steps_are_those_of_the_plans_in_our_axes(parts, network):
    assert network.spec.divisor == (2, 4, 4)
    assert parts.inference["window_size"] == [12, 24, 24]
    assert parts.inference["stride"] == [6, 12, 12]
