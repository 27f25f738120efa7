"""Tests of pnetkit.report.methods."""

from pnetkit.report.methods import facts, is_phantom, methods_paragraph, recipe_in_a_sentence

RECIPE = {
    "cohort": {"folds": 4},
    "intensity": {"window_hu": [-100.0, 240.0], "normalization": "z-score"},
    "backbone": {"plugin": "s4c"},
    "training": {"iterations": 2500, "batch_size": 4, "patch_size": [16, 16, 16], "learning_rate": 0.05,
                 "momentum": 0.9, "weight_decay": 0.0005, "seed": 0},
    "inference": {"stride": 16, "combine": "vote", "search": "exhaustive"},
    "postprocess": [{"plugin": "components", "params": {"gap_voxels": 5.0, "gap_mm": None}}],
    "classifier": {"plugin": "voxel-count", "params": {"tumor_voxels": 100}},
    "fusion": {"plugin": "or"},
}  # fmt: skip
RECORD = {
    "recipe": "s4c_dual",
    "cohort": "cohort.csv of study",
    "inputs": {"arterial": ["arterial"], "venous": ["venous"]},
    "stages": [{"stage": "train", "label": "venous fold 0", "key": "0"}],
    "cases": {"P1": {"fold": 0}, "P2": {"fold": 1}, "P3": {"fold": 1}, "P4": {"fold": None}},
    "backbone_parameters": 476212,
    "thresholds": "Thresholds: the recipe's.",
}
COUNTS = {"cases": 4, "abnormal": 2, "normal": 2, "patients": 3}


def test_a_recipe_is_one_sentence():
    assert recipe_in_a_sentence(RECIPE, RECORD) == (
        "s4c segments pancreas, tumor and dilated duct (one network each for the arterial and venous phase); the "
        "result is cleaned by components, each phase is decided by voxel-count (tumor_voxels 100), and the phases are "
        "fused by or."
    )


def test_a_paragraph_of_methods_says_what_the_run_did():
    said = methods_paragraph(RECIPE, RECORD, COUNTS)
    for words in (
        "The cohort, cohort.csv of study, held 4 cases of 3 patients: 2 abnormal, 2 normal.",
        "2-fold cross-validation by patient",  # as the cases were dealt, whatever the recipe's number
        "s4c with 476,212 parameters, trained for 2,500 steps of 4 patches of 16 x 16 x 16 voxels",
        "cleaned by components (gap_voxels 5.0)",
        "Thresholds: the recipe's.",
    ):
        assert words in said, words


def test_augmentation_is_told_where_it_is_not_the_papers():
    paper, strong, none = (
        methods_paragraph(RECIPE | {"training": RECIPE["training"] | {"augmentation": of}}, RECORD, COUNTS)
        for of in ("paper", "strong", "none")
    )
    assert paper == methods_paragraph(RECIPE, RECORD, COUNTS)
    assert "augmented as in nnU-Net: random rotation, scaling and mirroring" in strong
    assert "Patches were not augmented." in none


def test_the_spacing_that_networks_see_is_told_and_nothing_without_one():
    record = RECORD | {"networks": [{"spacing_mm": [0.8, 0.8, 2.5]}, {"spacing_mm": [0.75, 0.75, 2.5]}]}
    said = methods_paragraph(RECIPE | {"preprocess": {"spacing_mm": "median", "rules_on": "network"}}, record, COUNTS)
    assert (
        "Scans were resampled linearly to 0.8 x 0.8 x 2.5 mm and 0.75 x 0.75 x 2.5 mm, the median of each training's "
        "own cases, for the networks; labels were brought back to each scan's own grid by the shares of the classes, "
        "and rules counted the network's voxels."
    ) in said
    native = methods_paragraph(RECIPE | {"preprocess": {"spacing_mm": None, "rules_on": "scan"}}, RECORD, COUNTS)
    assert native == methods_paragraph(RECIPE, RECORD, COUNTS)


def test_mirrored_views_and_weights_are_told_with_how_windows_are_combined():
    more = {"combine": "mean-softmax", "window_weights": "gaussian", "test_time": "mirror"}
    said = methods_paragraph(RECIPE | {"inference": RECIPE["inference"] | more}, RECORD, COUNTS)
    assert "combined by mean-softmax with Gaussian weights (each window the mean of its eight mirrored views)," in said


def test_a_paragraph_says_by_what_a_recipe_trains_and_nothing_more_where_that_is_the_paper_s_way():
    by_sgd = "voxels by SGD (first learning rate 0.05, momentum 0.9, weight decay 0.0005, seed 0). Scans"
    assert by_sgd in methods_paragraph(RECIPE, RECORD, COUNTS)
    modern = {
        "optimizer": "adamw",
        "schedule": "cosine",
        "warmup_iterations": 1200,
        "decay": "weights",
        "loss": "dice-cross-entropy",
        "dice_over": "batch",
    }
    said = methods_paragraph(RECIPE | {"training": RECIPE["training"] | modern}, RECORD, COUNTS)
    assert (
        "by AdamW (largest learning rate 0.05, weight decay 0.0005 (none of norms and biases), seed 0). The learning "
        "rate rose for 1,200 steps and then fell as half a cosine. The loss was cross-entropy and soft Dice (of each "
        "batch). Scans"
    ) in said


def test_where_segmentations_were_made_elsewhere_nothing_is_said_of_networks():
    adopted = RECORD | {"stages": [{"stage": "adopt", "label": "P1 venous", "key": "0"}]}
    said = methods_paragraph(RECIPE, adopted, COUNTS) + recipe_in_a_sentence(RECIPE, adopted)
    assert "made elsewhere" in said
    for words in ("s4c", "cross-validation", "trained", "sliding windows", "clipped"):
        assert words not in said, words


def test_a_run_whose_recipe_is_gone_says_less_and_does_not_guess():
    said = methods_paragraph({}, RECORD, COUNTS)
    assert "steps" not in said
    assert "an unnamed classifier" in said


def test_facts_leave_out_what_a_record_of_an_earlier_release_does_not_say():
    assert [name for name, _ in facts({}, RECORD)] == ["Recipe", "Cohort", "Folds"]
    assert dict(facts({}, RECORD))["Folds"] == "2, of 1 and 2 cases"


def test_phantoms_are_told_by_their_cohort():
    assert not is_phantom(RECORD)
    assert is_phantom(RECORD | {"cohort": "generated phantoms, seed 0 (synthetic, not clinical data)"})
