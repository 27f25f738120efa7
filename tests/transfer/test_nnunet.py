"""Tests of pnetkit.transfer.nnunet on a folder that the real nnU-Net 2.8.1 trained into (make_nnunet_model.py)."""

import json
import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file

from pnetkit.errors import WeightsError
from pnetkit.transfer.nnunet import describe
from pnetkit.transfer.reading import read

TRAINED = Path(__file__).parent / "nnunet_model" / "nnUNetTrainer__nnUNetPlans__3d_fullres"


@pytest.fixture
def changed(tmp_path):
    """Copy the trained folder with its plans or data set changed."""

    def change(file, edit):
        folder = tmp_path / TRAINED.name
        if not folder.exists():
            shutil.copytree(TRAINED, folder)
        content = json.loads((folder / file).read_text())
        edit(content)
        (folder / file).write_text(json.dumps(content))
        return folder

    return change


def full(plans):
    return plans["configurations"]["3d_fullres"]


def test_a_trained_folder_gives_network_outputs_axes_voxels_and_intensity(tmp_path):
    found = read(TRAINED, tmp_path, {})
    assert (found["kind"], found["name"]) == ("nnunet", "Dataset501_Tiny")
    assert found["labels"] == ["background", "pancreas", "lesion", "vessel"]
    # arrays are z, y, x of an LPS image; the thick slices along x came to the front: x, z, y
    assert found["axes"] == "LSP"
    assert found["spacing_mm"] == pytest.approx([2.5, 0.9, 1.0])
    assert found["recipe"]["training"]["patch_size"] == [12, 24, 24]
    assert found["recipe"]["inference"] == {
        "window_size": [12, 24, 24],
        "stride": [6, 12, 12],
        "window_center": [5, 11, 12],  # x and y run back in the network
        "test_time": "mirror",
    }
    params = found["architecture"]["params"]
    assert params["features"] == [4, 8, 12]
    assert params["strides"] == [[1, 1, 1], [1, 2, 2], [2, 2, 2]]
    assert params["kernels"][0] == [1, 3, 3]
    assert (params["convolutions"], params["decoder_convolutions"]) == ([2, 1, 2], [2, 1])
    assert params["outputs"] == [0, 1, 2, 0]  # a lesion is a tumor, a vessel nothing of ours
    of = json.loads((TRAINED / "plans.json").read_text())["foreground_intensity_properties_per_channel"]["0"]
    assert found["intensity"] == {
        "window_hu": [of["percentile_00_5"], of["percentile_99_5"]],
        "normalization": "fixed",
        "mean_hu": of["mean"],
        "deviation_hu": of["std"],
    }
    assert found["license"] == "not stated"


def test_names_under_which_nnu_net_keeps_a_tensor_again_are_left_out(tmp_path):
    read(TRAINED, tmp_path, {})
    names = set(load_file(tmp_path / "weights.safetensors"))
    assert "encoder.stages.0.0.convs.0.conv.weight" in names
    assert not [name for name in names if "all_modules" in name or name.startswith("decoder.encoder")]


def test_a_reader_that_turns_images_to_ras_and_an_orientation_that_is_said_give_the_axes(changed):
    folder = changed("plans.json", lambda plans: plans.update(image_reader_writer="NibabelIOWithReorient"))
    assert describe(folder, None, None)["axes"] == "RSA"
    assert describe(TRAINED, None, "RAI")["axes"] == "RIA"
    assert describe(TRAINED, None, "RAI")["notes"] == []
    with pytest.raises(WeightsError, match="'LLS' is none"):
        describe(TRAINED, None, "LLS")


def test_plans_of_before_2_4_which_name_no_class_give_the_same_network(changed):
    def older(plans):
        del full(plans)["architecture"]
        full(plans).update(
            UNet_class_name="PlainConvUNet",
            UNet_base_num_features=4,
            unet_max_num_features=12,
            conv_kernel_sizes=[[1, 3, 3], [3, 3, 3], [3, 3, 3]],
            pool_op_kernel_sizes=[[1, 1, 1], [1, 2, 2], [2, 2, 2]],
            n_conv_per_stage_encoder=[2, 1, 2],
            n_conv_per_stage_decoder=[2, 1],
        )

    wanted = describe(TRAINED, None, None)["architecture"]
    assert describe(changed("plans.json", older), None, None)["architecture"] == wanted


def test_what_a_configuration_inherits_is_found(changed):
    def inherit(plans):
        plans["configurations"]["mine"] = {"inherits_from": "3d_fullres", "patch_size": [12, 16, 8]}

    found = describe(changed("plans.json", inherit), "mine", None)
    assert found["recipe"]["training"]["patch_size"] == [12, 8, 16]
    assert found["architecture"]["params"]["features"] == [4, 8, 12]


@pytest.mark.parametrize(
    ("file", "edit", "said"),
    [
        ("dataset.json", lambda d: d["labels"].update(whole=[1, 2]), "learned regions that overlap"),
        ("dataset.json", lambda d: d["labels"].update(vessel=7), "wanted 0, 1, 2"),
        ("plans.json", lambda p: full(p)["architecture"].update(network_class_name="x.Primus"), "is a Primus"),
        (
            "plans.json",
            lambda p: full(p)["architecture"]["arch_kwargs"].update(conv_op="torch.nn.modules.conv.Conv2d"),
            r"conv_op is torch\.nn\.modules\.conv\.Conv2d",
        ),
        ("plans.json", lambda p: full(p)["architecture"]["arch_kwargs"].update(dropout_op="x"), "has dropout"),
        ("plans.json", lambda p: full(p).update(previous_stage="3d_lowres"), "is a cascade"),
        ("plans.json", lambda p: p.pop("transpose_forward"), r"not those of nnU-Net v2 \(KeyError"),
        ("plans.json", lambda p: p.update(image_reader_writer="TiffIO"), "TiffIO, whose axes are not known"),
        ("plans.json", lambda p: full(p).update(inherits_from="3d_fullres"), "inherits from '3d_fullres'"),
    ],
)
def test_models_that_cannot_be_run_here_are_refused_in_words(changed, file, edit, said):
    with pytest.raises(WeightsError, match=said):
        describe(changed(file, edit), None, None)


def test_several_folds_have_to_be_chosen_from_and_an_unknown_one_is_named(tmp_path):
    folder = tmp_path / TRAINED.name
    shutil.copytree(TRAINED, folder)
    shutil.copytree(folder / "fold_0", folder / "fold_all")
    with pytest.raises(WeightsError, match=r"has the folds 0, all.*--fold 0"):
        read(folder, tmp_path, {})
    with pytest.raises(WeightsError, match=r"has no fold 3\. Known: 0, all"):
        read(folder, tmp_path, {"fold": "3"})
    assert read(folder, tmp_path, {"fold": "all"})["kind"] == "nnunet"
    with pytest.raises(WeightsError, match="no configuration '3d_lowres'"):
        read(folder, tmp_path, {"fold": "all", "configuration": "3d_lowres"})
