"""What a sheet says of a run, checked by hand."""

from dataclasses import replace

from pnetkit.report.sheet import of_cohort as cohort
from pnetkit.report.sheet import of_method as method
from pnetkit.report.sheet import of_results as results
from pnetkit.report.sheet.values import Said
from pnetkit.report.sheet.write import CHECKLISTS, filled_in
from tests.report.sheet.runs import CASES, RECIPE, a_run


def texts(answer, **changes):
    return [said.text for said in answer(a_run(**changes))]


def test_cases_and_patients_are_counted_by_diagnosis():
    assert texts(cohort.size) == ["4 cases of 3 patients: 2 abnormal, 1 normal, 1 of unknown diagnosis."]
    (said,) = cohort.size(a_run())
    assert (said.file, said.key) == ("run.json", "cases.*.abnormal, cases.*.patient")


def test_folds_are_told_with_their_sizes_and_their_seed():
    assert texts(cohort.folds) == [
        "2-fold cross-validation. fold 0: 2 cases, 2 abnormal; fold 1: 1 cases, 0 abnormal.",
        "Seed of the folds: 3.",
    ]


def test_cases_from_which_nothing_was_learned_are_told():
    held_out = CASES | {"B": CASES["B"] | {"held_out": True}}
    assert "Held out, so that nothing is learned from them in any fold: 1 case." in texts(cohort.folds, cases=held_out)


def test_a_patient_in_two_folds_is_told():
    assert texts(cohort.disjoint) == ["Folds are disjoint by patient: each of 2 has all cases in one fold."]
    broken = CASES | {"C": CASES["C"] | {"fold": 1}}
    assert texts(cohort.disjoint, cases=broken) == ["1 of 2 patients have cases in more than one fold."]


def test_sites_are_counted_and_a_run_that_knows_none_says_open():
    assert texts(cohort.sites) == ["2 sites, with 2, 1 cases; of 1 it is not told."]
    nowhere = {case: {name: value for name, value in of.items() if name != "site"} for case, of in CASES.items()}
    run = a_run(cases=nowhere)
    assert cohort.sites(run) == ()
    text = filled_in(CHECKLISTS["tripod-ai"], run, made="Made now").text
    assert "**6a · Setting and centers**\n\n- *open: for the authors*: setting, and places of the centers\n" in text


def test_scans_are_told_by_phase_with_their_spread():
    arterial, venous = texts(cohort.scans)
    assert arterial == (
        "arterial: 3 scans, voxels of 0.7 to 0.8 mm in the first two axes and 1 mm, grids of 512 x 512 x 90."
    )
    assert venous == "venous: 2 scans, voxels of 0.7 mm in the first two axes and 1 mm, grids of 512 x 512 x 90."


def test_missing_phases_and_references_are_counted():
    assert texts(cohort.missing_phases)[0] == "Cases of 4 without a scan of a phase: arterial: 1; venous: 2."
    assert texts(cohort.references) == [
        "Scans with a reference label map: arterial: 2 of 3; venous: 1 of 2.",
        "Label values: 9 as 2; any other: error.",
    ]


def test_classes_that_were_not_annotated_and_values_that_are_ignored_are_told():
    partly = CASES | {"B": CASES["B"] | {"labeled": ["pancreas", "tumor"]}}
    said = texts(cohort.references, cases=partly)
    assert said[-1].endswith("in no loss and no figure there: duct 1 case.")
    labels = {"mapping": {"1": 1, "7": 255}, "unmapped": "error"}
    assert "Label values: 1 as 1, 7 ignored; any other: error." in texts(cohort.references, labels=labels)


def test_who_was_set_aside_is_told_with_the_reason():
    assert texts(cohort.set_aside) == ["Set aside by the checks of files: 1 (the file is cut short: 1)."]


def test_tumors_are_told_by_size():
    assert texts(cohort.tumor_sizes) == ["arterial: 3 reference tumors, diameter 8 to 31 mm, median 20.0 mm."]


def test_missed_tumors_and_false_alarms_are_counted_and_no_case_is_named():
    said = texts(results.failures)
    assert said[:3] == [
        "Missed abnormal cases: 1.",
        "False alarms: 1 (fired by arterial: 1).",
        "Cases without a decision because something failed: 0.",
    ]
    assert texts(results.cross_table) == [
        "Abnormal cases: 1 called abnormal, 1 not. Normal cases: 0 called abnormal, 1 not."
    ]


def test_figures_stand_with_counts_and_intervals():
    (said,) = texts(results.fused)
    assert said.startswith("Fused decision: sensitivity 50.0% (1 of 2; 25.0% to 75.0%), specificity 100.0% (1 of 1; ")
    assert said.endswith("area under the curve 0.500.")
    assert texts(results.spread) == ["Fused sensitivity by fold: 50.0% to 100.0% (2 folds)."]


def test_training_is_told_with_all_its_settings_but_those_that_are_off():
    assert texts(method.training)[0] == (
        "Stochastic gradient descent: iterations 80000, patch size 64 x 64 x 64, flips yes."
    )
    assert texts(method.selection) == ["The weights after the last of 80,000 steps; no step was chosen by a figure."]


STARTED = {"name": "theirs", "kind": "nnunet", "sha256": "ab", "share": 0.95, "license": "CC BY-NC 4.0"}


def test_training_is_told_as_it_was_and_not_as_the_paper_s():
    chosen = a_run(started_from=[STARTED])
    settings = {"optimizer": "adamw", "average_decay": 0.999, "start_from": {"weights": "/home/me/theirs"}}
    run = replace(chosen, recipe=RECIPE | {"training": RECIPE["training"] | settings})
    assert method.training(run)[0].text.startswith("AdamW: iterations 80000, ")
    assert "/home/me" not in method.training(run)[0].text
    assert method.selection(run)[0].text.startswith("An exponential moving average of the weights (decay 0.999) after ")
    first, *others = [said.text for said in method.initialization(run)]
    assert first == ("Networks took 95.0% of their parameters from theirs (nnunet, SHA-256 ab; license: CC BY-NC 4.0).")
    assert others[0] == "First weights of what was not taken: kaiming."


def test_a_network_that_was_there_has_no_training_no_seed_and_no_fold_of_its_own():
    run = a_run(started_from=[STARTED])
    run = replace(run, recipe=RECIPE | {"training": RECIPE["training"] | {"iterations": 0}})
    assert [said.text for said in method.training(run)] == [
        "Nothing was trained: every input and fold has the network that was there."
    ]
    assert [said.text for said in method.initialization(run)] == [
        "Networks are theirs (nnunet, SHA-256 ab; license: CC BY-NC 4.0), as they are."
    ]
    assert method.selection(run) == ()
    assert "of its own fold" not in method.ensemble(run)[0].text


def test_segmentations_made_elsewhere_have_no_network_and_no_training():
    made_elsewhere = {"stages": [{"stage": "adopt"}]}
    assert texts(method.network, **made_elsewhere)[0] == (
        "Segmentations were made elsewhere; this run trained no network."
    )
    for answer in (method.training, method.initialization, method.selection, method.ensemble, method.inference):
        assert texts(answer, **made_elsewhere) == []


def test_code_is_told_by_distribution_version_and_source():
    assert (
        Said("s4c: distribution dist-s4c 1.2, source ffffffffffffffff (SHA-256).", "run.json", "plugins.backbone")
        in method.code(a_run())
    )  # fmt: skip


def test_phantoms_are_said_to_be_phantoms():
    run = a_run(cohort="generated phantoms, seed 0 (synthetic, not clinical data)")
    for checklist in CHECKLISTS.values():
        text = filled_in(checklist, run, made="Made now").text
        assert "**The cases are generated phantoms: synthetic pictures, not patients." in text
        assert "All cases are generated phantoms: synthetic pictures, no patients. (`run.json`: cohort)" in text
        assert "patients" not in next(line for line in text.splitlines() if "4 cases of" in line)
        assert "generated phantoms" not in filled_in(checklist, a_run(), made="Made now").text


def test_texts_of_a_cohort_are_no_markup():
    text = filled_in(CHECKLISTS["claim"], a_run(cohort="<b>x</b> [a](b)\n# c *d*"), made="Made now").text
    assert r"Cohort: \<b\>x\</b\> \[a\](b) # c \*d\*." in text
