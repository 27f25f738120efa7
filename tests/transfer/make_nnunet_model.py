"""Make the fixture `nnunet_model` with the real nnU-Net: a tiny trained folder, a scan, and what nnU-Net says of it.

Run by hand, in an environment of its own, where nnunetv2 2.8.1 is installed:

    python tests/transfer/make_nnunet_model.py tests/transfer/nnunet_model

Scans are oblique and stored as LPS, their thick slices lie along x, so that nnU-Net moves that axis to the front
(`transpose_forward`); everything is synthetic. The optimizer's state is left out of the checkpoint, as sites that share
models do, and nothing else is.
"""

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

WORK = Path(tempfile.mkdtemp(prefix="nnunet-fixture-"))
for name in ("raw", "preprocessed", "results"):
    os.environ[f"nnUNet_{name}"] = str(WORK / name)
    (WORK / name).mkdir()
os.environ |= {"nnUNet_compile": "f", "nnUNet_n_proc_DA": "1", "OMP_NUM_THREADS": "1"}

import numpy as np  # noqa: E402  # nnU-Net reads the environment when it is imported
import SimpleITK  # noqa: E402
import torch  # noqa: E402
from nnunetv2.experiment_planning.plan_and_preprocess_api import (  # noqa: E402
    extract_fingerprints,
    plan_experiments,
    preprocess,
)
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor  # noqa: E402
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer  # noqa: E402
from safetensors.numpy import save_file  # noqa: E402

DATASET, NUMBER = "Dataset501_Tiny", 501
SPACING_XYZ = (2.5, 0.9, 1.0)
SIZE_XYZ = (24, 36, 48)
LABELS = {"background": 0, "pancreas": 1, "lesion": 2, "vessel": 3}
STEPS = 400
ARCHITECTURE = {
    "n_stages": 3,
    "features_per_stage": [4, 8, 12],
    "kernel_sizes": [[1, 3, 3], [3, 3, 3], [3, 3, 3]],
    "strides": [[1, 1, 1], [1, 2, 2], [2, 2, 2]],
    "n_conv_per_stage": [2, 1, 2],
    "n_conv_per_stage_decoder": [2, 1],
}


def main(out: Path) -> None:
    """Train, predict, and write the fixture."""
    torch.set_num_threads(1)
    raw = WORK / "raw" / DATASET
    for folder in ("imagesTr", "labelsTr"):
        (raw / folder).mkdir(parents=True)
    for number in range(5):
        image, label = a_scan(number)
        SimpleITK.WriteImage(image, str(raw / "imagesTr" / f"case_{number}_0000.nii.gz"))
        SimpleITK.WriteImage(label, str(raw / "labelsTr" / f"case_{number}.nii.gz"))
    described = {"channel_names": {"0": "CT"}, "labels": LABELS, "numTraining": 5, "file_ending": ".nii.gz"}
    (raw / "dataset.json").write_text(json.dumps(described))
    trained = train()
    out.mkdir(parents=True, exist_ok=True)
    keep(trained, out / trained.name)
    expect(trained, out)
    shutil.rmtree(WORK)


def a_scan(seed: int) -> tuple["SimpleITK.Image", "SimpleITK.Image"]:
    """Draw blobs of three tissues in a noisy body, on an oblique grid stored as LPS."""
    rng = np.random.default_rng(seed)
    z, y, x = np.meshgrid(*(np.arange(n) for n in SIZE_XYZ[::-1]), indexing="ij")
    labels = np.zeros(SIZE_XYZ[::-1], np.uint8)
    middle = rng.uniform(0.4, 0.6, 3) * SIZE_XYZ

    def ball(center: "np.ndarray", radius_mm: float) -> "np.ndarray":
        far = [((axis - c) * mm) ** 2 for axis, c, mm in zip((x, y, z), center, SPACING_XYZ, strict=True)]
        return sum(far) < radius_mm**2

    labels[ball(middle, 11)] = 1
    labels[ball(middle + rng.uniform(-1.5, 1.5, 3), 5)] = 2
    labels[ball(middle + np.array([3, 8, -6]), 4)] = 3
    hu = np.array([40.0, 95.0, 170.0, 240.0])[labels] + rng.normal(0, 15, labels.shape)
    hu[~ball(np.array(SIZE_XYZ) / 2, 23)] = -1000
    turn = np.deg2rad(8)
    cosine, sine = np.cos(turn), np.sin(turn)
    image, label = SimpleITK.GetImageFromArray(np.round(hu).astype(np.int16)), SimpleITK.GetImageFromArray(labels)
    for of in (image, label):
        of.SetSpacing(SPACING_XYZ)
        of.SetOrigin((-31.0, 17.5, 260.0))
        of.SetDirection((1, 0, 0, 0, cosine, -sine, 0, sine, cosine))  # in LPS, turned about the patient's x
    return image, label


def train() -> Path:
    """Plan with nnU-Net's own planner, make the plan tiny, train a few steps; give the trained folder."""
    extract_fingerprints([NUMBER], num_processes=1)
    plan_experiments([NUMBER])
    file = WORK / "preprocessed" / DATASET / "nnUNetPlans.json"
    plans = json.loads(file.read_text())
    found = plans["configurations"]["3d_fullres"]
    found["patch_size"], found["batch_size"] = [12, 24, 24], 2
    found["architecture"]["arch_kwargs"] |= ARCHITECTURE
    plans["configurations"] = {"3d_fullres": found}
    file.write_text(json.dumps(plans, indent=1))
    preprocess([NUMBER], configurations=("3d_fullres",), num_processes=(1,))
    dataset = json.loads((WORK / "preprocessed" / DATASET / "dataset.json").read_text())
    os.environ |= {"nnUNet_n_proc_DA": "0"}  # the planner asks for one at the least
    torch.manual_seed(0)
    trainer = nnUNetTrainer(plans | {"continue_training": False}, "3d_fullres", 0, dataset, device=torch.device("cpu"))
    trainer.num_epochs, trainer.num_iterations_per_epoch, trainer.num_val_iterations_per_epoch = 2, STEPS // 2, 1
    trainer.run_training()
    return Path(trainer.output_folder_base)


def keep(trained: Path, out: Path) -> None:
    """Copy what describes a trained folder, and the checkpoint without the optimizer's state."""
    (out / "fold_0").mkdir(parents=True, exist_ok=True)
    for name in ("plans.json", "dataset.json"):
        shutil.copyfile(trained / name, out / name)
    checkpoint = torch.load(trained / "fold_0" / "checkpoint_final.pth", map_location="cpu", weights_only=False)
    checkpoint["optimizer_state"] = None
    torch.save(checkpoint, out / "fold_0" / "checkpoint_final.pth")


def expect(trained: Path, out: Path) -> None:
    """Write a scan that was not trained on, nnU-Net's logits of one patch of it, and its label map.

    Windows are weighted alike and not mirrored. `labels_default` is with nnU-Net's own settings of both.
    """
    image, _ = a_scan(99)
    SimpleITK.WriteImage(image, str(out / "scan.nii.gz"))
    found = {}
    for name, gaussian, mirroring in (("labels", False, False), ("labels_default", True, True)):
        predictor = nnUNetPredictor(
            tile_step_size=0.5,
            use_gaussian=gaussian,
            use_mirroring=mirroring,
            device=torch.device("cpu"),
            allow_tqdm=False,
        )
        predictor.initialize_from_trained_model_folder(str(trained), (0,), "checkpoint_final.pth")
        data, properties = predictor.plans_manager.image_reader_writer_class().read_images([str(out / "scan.nii.gz")])
        found[name] = predictor.predict_single_npy_array(data, properties, None, None, False).astype(np.uint8)
    preprocessor = predictor.configuration_manager.preprocessor_class(verbose=False)
    ready, _, _ = preprocessor.run_case_npy(
        data, None, properties, predictor.plans_manager, predictor.configuration_manager, predictor.dataset_json
    )
    patch = torch.as_tensor(np.asarray(ready))[None, :, 6:18, 8:32, 4:28].contiguous()
    predictor.network.load_state_dict(predictor.list_of_parameters[0])
    predictor.network.eval()
    with torch.inference_mode():
        found["patch_logits"] = predictor.network(patch)[0].numpy()
    found["input"] = np.asarray(ready, np.float32)[:, 6:18, 8:32, 4:28].copy()
    save_file({name: np.ascontiguousarray(of) for name, of in found.items()}, out / "expected.safetensors")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
