"""Screening: a model leaves its run, is moved, and answers as the run did; damage is named, nothing is lost."""

import csv
import json
import shutil
import threading
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from click.testing import CliRunner

from pnetkit import onnx_export
from pnetkit.cli.main import cli
from pnetkit.errors import CohortError, ModelError, ScreeningError, StoreError
from pnetkit.model.folder import SUMS, read_model, write_sums
from pnetkit.pipeline.outcome.export import export_model
from pnetkit.screening import screen, screener
from pnetkit.screening.cases import Asked, cases_of
from pnetkit.screening.screen import require_all_screened, screen_cases
from pnetkit.screening.screener import load_screener, mean_finding
from pnetkit.store.store import Store
from pnetkit.types import PhaseFinding


@pytest.fixture
def copy(model, tmp_path) -> Path:
    return Path(shutil.copytree(model, tmp_path / "model"))


def screened(model, table, out, *, folds=None, gates="off", phases=("arterial", "venous")):
    said = []
    loaded = load_screener(read_model(model), device="cpu", folds=folds)
    cases = cases_of([str(table)], list(phases), Asked(), print)
    return screen_cases(loaded, cases, out, gates=gates, say=said.append), said


def ids_of(table):
    return [row["case_id"] for row in csv.DictReader(table.read_text().splitlines())]


def rows(out):
    return {row["case_id"]: row for row in csv.DictReader((out / "findings.csv").read_text().splitlines())}


def written(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def edit_table(table, folder, change):
    """Write the table's first two cases with absolute paths after a change of their cells."""
    cases = list(csv.DictReader(table.read_text().splitlines()))[:2]
    for case in cases:
        case |= {key: str(table.parent / value) for key, value in case.items() if key.endswith("_image")}
        change(case)
    with (folder / "cases.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, cases[0])
        writer.writeheader()
        writer.writerows(cases)
    return folder / "cases.csv"


def untouched(_case):
    """Change nothing."""


@pytest.fixture
def two(table, tmp_path) -> Path:
    """The table's first two cases: more of them show no more in most tests."""
    (tmp_path / "two").mkdir()
    return edit_table(table, tmp_path / "two", untouched)


@pytest.mark.slow
def test_the_network_of_a_fold_answers_as_it_did_in_the_run(finished, model, table, tmp_path):
    run = finished[1].folder
    expected = {row["case_id"]: row for row in csv.DictReader((run / "cases.csv").read_text().splitlines())}
    for fold in (0, 1):
        out = tmp_path / str(fold)
        screened(model, table, out, folds=[fold])
        of_fold = [case for case, row in expected.items() if row["fold"] == str(fold)]
        assert len(of_fold) == 2
        for case in of_fold:
            found = rows(out)[case]
            assert found["decision"] == ("abnormal" if expected[case]["called_abnormal"] == "1" else "normal")
            assert found["score"] == expected[case]["score"]
            for phase in ("arterial", "venous"):
                segmentation = (out / case / f"{phase}_segmentation.nii.gz").read_bytes()
                assert segmentation == (run / "segmentations" / f"{case}_{phase}.nii.gz").read_bytes()


@pytest.mark.slow
def test_all_folds_vote_and_the_finding_says_what_it_rests_on(model, table, tmp_path):
    done, said = screened(model, table, tmp_path / "out")
    assert [found.status for found in done] == ["ok"] * 4
    assert len(said) == 4
    record = json.loads((tmp_path / "out" / "P001" / "finding.json").read_text())
    assert record["research_use_only"] is True
    assert record["model"]["folds"] == [0, 1]
    assert record["decision"] == ("abnormal" if record["score"] >= 1 else "normal")
    assert {"arterial", "venous"} == record["inputs"].keys() == record["images"].keys()
    for phase, found in record["inputs"].items():
        labels = np.asarray(nib.load(tmp_path / "out" / "P001" / f"{phase}_segmentation.nii.gz").dataobj)
        assert found["voxels"] == {"pancreas": (labels == 1).sum(), "tumor": (labels == 2).sum(),
                                   "duct": (labels == 3).sum()}  # fmt: skip
        assert sum(item["voxels"] for item in found["components"]["tumor"]) == found["voxels"]["tumor"] or (
            found["component_count"]["tumor"] > 20
        )
    screening = json.loads((tmp_path / "out" / "screening.json").read_text())
    assert (screening["cases"], screening["failed"], screening["reused"]) == (4, [], 0)
    assert screening["peak_memory_mib"] > 0


@pytest.mark.slow
def test_a_model_is_loaded_once_however_many_cases_there_are(model, two, tmp_path, monkeypatch):
    loaded = []
    real = screener.load_weights
    monkeypatch.setattr(screener, "load_weights", lambda *a, **k: loaded.append(a[0]) or real(*a, **k))
    screened(model, two, tmp_path / "out")
    assert len(loaded) == len(set(loaded)) == 4  # two folds of two phases, for two cases


@pytest.mark.slow
def test_screening_twice_gives_the_same_bytes_and_an_interrupted_call_is_taken_up(model, two, tmp_path, monkeypatch):
    screened(model, two, tmp_path / "one", folds=[0])
    calls = []
    real = screen.screen_scans

    def interrupted(loaded, case_id, scans):
        calls.append(case_id)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(loaded, case_id, scans)

    monkeypatch.setattr(screen, "screen_scans", interrupted)
    with pytest.raises(KeyboardInterrupt):
        screened(model, two, tmp_path / "again", folds=[0])
    done, _ = screened(model, two, tmp_path / "again", folds=[0])
    assert [found.reused for found in done] == [True, False]
    assert calls == ["P000", "P001", "P001"]
    one, again = written(tmp_path / "one"), written(tmp_path / "again")
    assert one.keys() == again.keys()
    assert all(one[name] == again[name] for name in one if name != "screening.json")


def test_a_case_that_cannot_be_read_is_recorded_and_the_others_go_on(model, table, tmp_path):
    damaged = tmp_path / "damaged.nii.gz"
    damaged.write_bytes((table.parent / "images" / "P000_venous.nii.gz").read_bytes()[:3000])
    broken = edit_table(table, tmp_path, lambda c: c.update(venous_image=damaged) if c["case_id"] == "P000" else None)
    done, _ = screened(model, broken, tmp_path / "out")
    assert [(found.case_id, found.status) for found in done] == [("P000", "failed"), ("P001", "ok")]
    assert [p.name for p in (tmp_path / "out" / "P000").iterdir()] == ["failed.json"]
    assert "damaged.nii.gz" in rows(tmp_path / "out")["P000"]["reason"]
    with pytest.raises(ScreeningError, match=r"1 of 2 cases could not be screened.*\n.*P000.*truncated"):
        require_all_screened(done, tmp_path / "out")


def test_a_scan_in_stored_values_has_no_finding_whatever_the_gates_let_through(model, table, tmp_path):
    image = nib.load(table.parent / "images" / "P000_venous.nii.gz")
    raw = np.asanyarray(image.dataobj).astype(np.int16) + np.int16(1024)
    raw[0] = -2000
    nib.save(nib.Nifti1Image(raw, image.affine), tmp_path / "raw.nii.gz")
    wrong = edit_table(table, tmp_path, lambda c: c.update(venous_image=str(tmp_path / "raw.nii.gz")))
    done, _ = screened(model, wrong, tmp_path / "out", folds=[0])
    assert [found.status for found in done] == ["failed", "failed"]
    assert "raw.nii.gz: its body is not where Hounsfield units put bodies" in done[0].record["reason"]


def test_the_next_case_is_read_while_the_networks_run_and_never_more_than_one(model, table, tmp_path, monkeypatch):
    order, started = [], {}
    read, ask = screen._read, screen.screen_scans

    def reading(screener_, case, *rest):
        order.append(case.id)
        started.setdefault(case.id, threading.Event()).set()
        return read(screener_, case, *rest)

    def asking(screener_, case_id, scans):
        ids = sorted(ids_of(table))
        following = ids[ids.index(case_id) + 1 :][:1]
        for other in following:
            assert started.setdefault(other, threading.Event()).wait(timeout=60)
        assert order == ids[: ids.index(case_id) + 1 + len(following)]
        return ask(screener_, case_id, scans)

    monkeypatch.setattr(screen, "_read", reading)
    monkeypatch.setattr(screen, "screen_scans", asking)
    done, _ = screened(model, table, tmp_path / "out", folds=[0])
    assert [found.status for found in done] == ["ok"] * 4


def test_the_error_of_a_case_read_ahead_is_that_case_s(model, table, tmp_path):
    def spoil(case):
        if case["case_id"] == "P001":
            case["venous_image"] = str(tmp_path / "nowhere.nii.gz")

    done, _ = screened(model, edit_table(table, tmp_path, spoil), tmp_path / "out", folds=[0])
    assert [(found.case_id, found.status) for found in done] == [("P000", "ok"), ("P001", "failed")]
    assert "there is no such file" in done[1].record["reason"] or "cannot be read" in done[1].record["reason"]


def test_an_interrupt_leaves_no_thread_behind(model, table, tmp_path, monkeypatch):
    def interrupt(*_args):
        raise KeyboardInterrupt

    monkeypatch.setattr(screen, "screen_scans", interrupt)
    with pytest.raises(KeyboardInterrupt):
        screened(model, table, tmp_path / "out", folds=[0])
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ahead")]


@pytest.mark.slow
def test_a_finding_is_made_anew_when_a_scan_has_changed(model, table, tmp_path):
    cases = edit_table(table, tmp_path, untouched)
    screened(model, cases, tmp_path / "out", folds=[0])
    edit_table(table, tmp_path, lambda c: c.update(venous_image=str(table.parent / "images" / "P003_venous.nii.gz")))
    done, _ = screened(model, cases, tmp_path / "out", folds=[0])
    assert [found.reused for found in done] == [False, False]


@pytest.mark.slow
def test_a_scan_that_changes_while_its_case_is_screened_has_no_finding(model, table, tmp_path, monkeypatch):
    """Else a finding would lie under the digest of a scan that it is not of, and be taken over by the next call."""
    images = table.parent / "images"
    scan = Path(shutil.copy(images / "P000_venous.nii.gz", tmp_path))
    cases = edit_table(table, tmp_path, lambda c: c.update(venous_image=scan) if c["case_id"] == "P000" else None)
    real = screen.screen_scans

    def changed_meanwhile(loaded, case_id, scans):
        shutil.copy(images / "P003_venous.nii.gz", scan)
        return real(loaded, case_id, scans)

    monkeypatch.setattr(screen, "screen_scans", changed_meanwhile)
    done, _ = screened(model, cases, tmp_path / "out", folds=[0])
    assert [(found.case_id, found.status) for found in done] == [("P000", "failed"), ("P001", "ok")]
    assert done[0].record["reason"].startswith("venous: the scan was changed while the case was screened. Wait")
    assert [p.name for p in (tmp_path / "out" / "P000").iterdir()] == ["failed.json"]


def test_a_model_that_changes_while_it_is_loaded_is_refused(copy, monkeypatch):
    model, real = read_model(copy), screener.load_weights

    def replaced_meanwhile(path, identity, **how):
        loaded = real(path, identity, **how)
        path.write_bytes(path.read_bytes() + b" ")
        return loaded

    monkeypatch.setattr(screener, "load_weights", replaced_meanwhile)
    with pytest.raises(ModelError, match="is not what was exported"):
        load_screener(model, device="cpu")


@pytest.mark.slow
def test_a_plugin_s_error_in_one_case_is_kept_with_its_traceback(model, two, tmp_path, monkeypatch):
    real = screen.screen_scans

    def failing(loaded, case_id, scans):
        if case_id == "P000":
            raise ZeroDivisionError("a plugin's mistake")
        return real(loaded, case_id, scans)

    monkeypatch.setattr(screen, "screen_scans", failing)
    done, _ = screened(model, two, tmp_path / "out", folds=[0])
    assert [found.status for found in done] == ["failed", "ok"]
    failed = json.loads((tmp_path / "out" / "P000" / "failed.json").read_text())
    assert "ZeroDivisionError: a plugin's mistake" in failed["reason"]
    assert "Traceback" in failed["traceback"]


@pytest.mark.slow
@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory. Tried to"), MemoryError()])
def test_a_case_that_memory_does_not_hold_is_said_in_words_and_the_others_go_on(
    model, two, tmp_path, monkeypatch, error
):
    real = screen.screen_scans

    def failing(loaded, case_id, scans):
        if case_id == "P000":
            raise error
        return real(loaded, case_id, scans)

    monkeypatch.setattr(screen, "screen_scans", failing)
    done, _ = screened(model, two, tmp_path / "out", folds=[0])
    assert [found.status for found in done] == ["failed", "ok"]
    failed = json.loads((tmp_path / "out" / "P000" / "failed.json").read_text())
    assert failed["reason"].startswith("memory ran out (")
    assert "traceback" not in failed


@pytest.mark.slow
def test_findings_that_other_inference_settings_made_are_made_again(model, two, tmp_path):
    def screened_in(*overrides):
        loaded = load_screener(read_model(model), device="cpu", folds=[0], overrides=overrides)
        cases = cases_of([str(two)], ["arterial", "venous"], Asked(), print)
        return screen_cases(loaded, cases, tmp_path / "out", gates="off", say=str)

    screened_in()
    assert all(found.reused for found in screened_in())
    assert not any(found.reused for found in screened_in("inference.stride=8"))


@pytest.mark.slow
def test_findings_that_other_gates_let_through_are_made_again(model, table, tmp_path):
    images = table.parent / "images"
    copy = shutil.copyfile(images / "P000_arterial.nii.gz", tmp_path / "copy.nii.gz")
    given = [f"arterial={images / 'P000_arterial.nii.gz'}", f"venous={copy}"]
    loaded = load_screener(read_model(model), device="cpu", folds=[0])
    cases = cases_of(given, ["arterial", "venous"], Asked("X"), print)

    def under(gates):
        (found,) = screen_cases(loaded, cases, tmp_path / "out", gates=gates, say=str)
        return found

    twice = "venous is the same scan as arterial"
    assert twice in under("flag").record["flags"]
    assert under("flag").reused
    assert twice not in under("off").record["flags"]
    assert under("error").status == "failed"


@pytest.mark.slow
def test_scans_that_were_searched_as_a_whole_are_counted(model, two, tmp_path):
    sets = ("inference.search=coarse-to-fine", "inference.coarse.largest_share=0.000001")
    loaded = load_screener(read_model(model), device="cpu", folds=[0], overrides=sets)
    cases = cases_of([str(two)], ["arterial", "venous"], Asked(), print)
    done = screen_cases(loaded, cases, tmp_path / "coarse", gates="off", say=str)
    record = json.loads((tmp_path / "coarse" / "screening.json").read_text())
    assert record["scans_searched_as_a_whole"] == 2 * len(done) == 4
    screened(model, two, tmp_path / "all", folds=[0])
    assert json.loads((tmp_path / "all" / "screening.json").read_text())["scans_searched_as_a_whole"] is None


def test_a_missing_phase_is_left_to_the_fusion_and_flagged(model, table, tmp_path):
    cases = edit_table(table, tmp_path, lambda case: case.update(arterial_image=""))
    done, _ = screened(model, cases, tmp_path / "out")
    if done[0].status == "ok":
        assert done[0].record["missing"] == ["arterial"]
        assert "arterial is missing" in done[0].record["flags"]
    else:
        assert "arterial" in done[0].record["reason"]


def files_of(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file() and p.name != SUMS)


def test_every_file_that_was_damaged_cut_or_lost_is_named(model, copy):
    for name in files_of(model):
        path = copy / name
        whole = path.read_bytes()
        middle = len(whole) // 2
        for damage in (whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :], whole[:-1], b"", None):
            path.unlink()
            if damage is not None:
                path.write_bytes(damage)
            with pytest.raises(ModelError, match=name.replace(".", r"\.")):
                read_model(copy)
            path.write_bytes(whole)
    assert read_model(copy).name == "tiny"


def test_a_folder_that_is_no_model_is_said_to_be_none(tmp_path):
    with pytest.raises(ModelError, match="is no model folder"):
        read_model(tmp_path)


@pytest.mark.parametrize(
    "sums", [b"", b"nonsense\n", b"\xff\xfe", b"0" * 64 + b"  ../../etc/passwd\n", b"0" * 64 + b"  README.md\n"]
)
def test_damaged_digests_are_refused(copy, sums):
    (copy / SUMS).write_bytes(sums)
    with pytest.raises(ModelError, match="SHA256SUMS"):
        read_model(copy)


def rewrite(folder, change):
    """Change model.json and its digest, as somebody who means to."""
    content = json.loads((folder / "model.json").read_text())
    change(content)
    (folder / "model.json").write_text(json.dumps(content))
    (folder / SUMS).write_bytes(write_sums(folder))


def test_a_missing_plugin_is_named_with_what_to_install(copy):
    rewrite(copy, lambda c: c["plugins"]["backbone"].update(plugin="acme-net", distribution="acme", version="1.2"))
    with pytest.raises(ModelError, match=r"'acme-net' of acme 1\.2.*install acme 1\.2 from where the model came from"):
        read_model(copy)


def test_a_plugin_of_another_version_or_source_is_said(copy):
    rewrite(
        copy, lambda c: (c["plugins"]["backbone"].update(version="0.0.1"), c["plugins"]["fusion"].update(source="x"))
    )
    notes = read_model(copy).notes
    assert len(notes) == 2
    assert "pnetkit-s4c 0.0.1 was used in training; here it is pnetkit-s4c" in notes[0]
    assert "has changed since the training" in notes[1]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda c: c.update(format="something"), "wanted a 'pnetkit-model'"),
        (lambda c: c.update(format_version=99), "reads up to 2"),
        (lambda c: c.pop("networks"), "cannot be read as a model"),
        (lambda c: c.update(plugins=[]), "cannot be read as a model"),
    ],
)
def test_a_model_of_another_format_is_refused(copy, change, reason):
    rewrite(copy, change)
    with pytest.raises(ModelError, match=reason):
        read_model(copy)


def test_weights_that_fit_another_network_are_refused_with_their_file(copy):
    other = copy / "networks" / "venous" / "fold_0.safetensors"
    recipe = copy / "recipe.yaml"
    recipe.write_text(recipe.read_text().replace("width: 2", "width: 3"))
    (copy / SUMS).write_bytes(write_sums(copy))
    with pytest.raises(ModelError, match=r"fold_0\.safetensors: cannot be loaded into s4c"):
        load_screener(read_model(copy), device="cpu")
    assert other.is_file()


def test_a_fold_that_is_not_there_is_refused(model):
    with pytest.raises(ModelError, match="no network of fold 7"):
        load_screener(read_model(model), device="cpu", folds=[7])


@pytest.mark.slow
def test_findings_of_another_model_are_not_overwritten(model, copy, two, tmp_path):
    screened(model, two, tmp_path / "out", folds=[0])
    rewrite(copy, lambda content: content.update(description="another"))
    with pytest.raises(StoreError, match="another model"):
        screened(copy, two, tmp_path / "out")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("all of it")
    with pytest.raises(StoreError, match="holds no findings"):
        screened(model, two, tmp_path / "mine")


def test_inputs_are_tables_or_phases_of_one_case_and_every_fault_is_listed(table, tmp_path):
    images = table.parent / "images"
    given = [f"arterial={images / 'P000_arterial.nii.gz'}", f"venous={images / 'P000_venous.nii.gz'}"]
    assert [case.id for case in cases_of(given, ["arterial", "venous"], Asked("P7"), print)] == ["P7"]
    (tmp_path / "notes.txt").write_text("")
    wrong = [given[0], given[0], "venuos=x.nii", "nowhere.csv", str(tmp_path / "notes.txt")]
    with pytest.raises(CohortError) as caught:
        cases_of(wrong, ["arterial", "venous"], Asked(), print)
    text = str(caught.value)
    assert len(caught.value.faults) == 4
    assert "arterial is given twice" in text
    assert "Did you mean 'venous'?" in text
    assert "nowhere.csv: there is no such file" in text


def test_a_table_for_screening_needs_no_diagnosis_and_no_patient(table, tmp_path):
    bare = tmp_path / "bare.csv"
    bare.write_text(f"case_id,venous_image\nA,{table.parent / 'images' / 'P000_venous.nii.gz'}\n")
    (case,) = cases_of([str(bare)], ["arterial", "venous"], Asked(), print)
    assert case.scans.keys() == {"venous"}
    bare.write_text("case_id,vein_image\nA,x.nii\n")
    with pytest.raises(CohortError, match="there is no column 'arterial_image'"):
        cases_of([str(bare)], ["arterial", "venous"], Asked(), print)


def test_a_run_without_its_store_or_into_a_full_folder_is_not_exported(finished, tmp_path):
    runner, result = finished
    with pytest.raises(StoreError, match="lacks 4 of 4 trained parts"):
        export_model(result.folder, tmp_path / "model", Store(tmp_path / "nothing"))
    assert not (tmp_path / "model").exists()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("")
    with pytest.raises(ModelError, match="not empty"):
        export_model(result.folder, tmp_path / "full", Store(runner.folder / "store"))


@pytest.mark.slow
def test_the_operating_point_that_a_recipe_asks_for_is_chosen_on_all_cases_and_goes_with_the_model(
    finished, two, tmp_path
):
    runner, _ = finished
    point = ["operating_point={target: sensitivity, at_least: 1.0}"]
    result = runner("tuned", sets=point)
    folder = export_model(result.folder, tmp_path / "model", Store(runner.folder / "store"))
    content = json.loads((folder / "model.json").read_text())
    chosen = content["operating_point"]
    assert chosen["reached"] is (chosen["sensitivity"] >= 1)
    assert ("was not reached" in (folder / "README.md").read_text()) is not chosen["reached"]
    done, _ = screened(folder, two, tmp_path / "out")
    assert len(done) == 2
    for found in done:
        for name, of in found.record["inputs"].items():
            assert of["threshold"] == pytest.approx(chosen["factors"][name])


@pytest.mark.slow
def test_a_trained_classifier_goes_with_the_model_and_folds_give_the_mean_of_their_scores(finished, table, tmp_path):
    runner, _ = finished
    sets = [
        "phases=[venous]",
        "classifier.plugin=roi-classifier",
        "classifier.params={channels: [8], groups: 4, iterations: 4, margin_voxels: 2}",
    ]
    result = runner("roi", sets=sets)
    folder = export_model(result.folder, tmp_path / "model", Store(runner.folder / "store"))
    assert (folder / "classifiers" / "venous" / "fold_1").is_dir()
    alone = {
        fold: {
            c.case_id: c.record
            for c in screened(folder, table, tmp_path / str(fold), folds=[fold], phases=["venous"])[0]
        }
        for fold in (0, 1)
    }
    expected = {row["case_id"]: row for row in csv.DictReader((result.folder / "cases.csv").read_text().splitlines())}
    for case, row in expected.items():
        assert row["venous_score"] == repr(alone[int(row["fold"])][case]["inputs"]["venous"]["score"])


def test_a_mean_finding_weighs_folds_alike():
    findings = [
        PhaseFinding("venous", 1.0, 0.5, {"p": 1.0, "only": 2.0}, ("a",)),
        PhaseFinding("venous", 0.1, 0.5, {"p": 0.0}, ("a", "b")),
    ]
    mean = mean_finding(findings)
    assert mean.score == pytest.approx(0.55)
    assert mean.abnormal
    assert mean.measurements == {"p": 0.5}
    assert mean.flags == ("a", "b")


@pytest.mark.slow
def test_the_commands_export_and_screen_and_end_with_8_where_a_case_failed(finished, table, tmp_path):
    runner, result = finished
    invoke = CliRunner().invoke
    made = invoke(cli, ["export", str(result.folder), str(tmp_path / "m"), "--store", str(runner.folder / "store")])
    assert made.exit_code == 0, made.output
    assert "Research use only" in made.output
    cases = edit_table(table, tmp_path, untouched)
    args = [
        "screen",
        str(tmp_path / "m"),
        str(cases),
        "--out",
        str(tmp_path / "out"),
        "--device",
        "cpu",
        "--on-gate",
        "off",
    ]
    found = invoke(cli, args)
    assert found.exit_code == 0, found.output
    assert "not for diagnosis" in found.output
    edit_table(table, tmp_path, lambda case: case.update(venous_image="nowhere.nii.gz"))
    failed = invoke(cli, args)
    assert isinstance(failed.exception, ScreeningError)
    assert failed.exception.exit_code == 8


@pytest.mark.slow
def test_networks_go_along_as_onnx_and_say_what_torch_says(finished, two, tmp_path):
    import onnxruntime

    runner, _ = finished
    result = runner("veins", sets=["phases=[venous]"])
    folder = export_model(result.folder, tmp_path / "model", Store(runner.folder / "store"), onnx=True)
    content = json.loads((folder / "model.json").read_text())
    assert content["onnx"]["largest_logit_difference"] < 1e-3
    session = onnxruntime.InferenceSession(folder / "networks" / "venous" / "fold_0.onnx")
    seen = session.get_modelmeta().custom_metadata_map
    assert json.loads(seen["pnetkit.intensity"])["window_hu"] == [-100.0, 240.0]
    assert json.loads(seen["pnetkit.channels"]) == ["venous"]
    backbone = load_screener(read_model(folder), device="cpu", folds=[0]).members["venous"][0].backbone
    x = torch.randn(3, 1, 16, 16, 16, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        wanted = backbone(x).logits.argmax(1).numpy()
    (logits,) = session.run(None, {"x": x.numpy()})
    assert np.array_equal(logits.argmax(1), wanted)
    done, _ = screened(folder, two, tmp_path / "out", phases=["venous"])
    assert [found.status for found in done] == ["ok"] * 2


@pytest.mark.slow
def test_an_onnx_that_says_something_else_is_not_exported(finished, tmp_path, monkeypatch):
    runner, result = finished
    monkeypatch.setattr(onnx_export, "LARGEST_DIFFERENCE", -1.0)
    with pytest.raises(ModelError, match=r"fold_0\.onnx: ONNX and torch differ"):
        export_model(result.folder, tmp_path / "model", Store(runner.folder / "store"), onnx=True)
    assert not (tmp_path / "model").exists()


@pytest.mark.slow
def test_another_call_into_the_same_folder_keeps_the_lines_of_the_first(model, table, two, tmp_path):
    screened(model, two, tmp_path / "out", folds=[0])
    loaded = load_screener(read_model(model), device="cpu", folds=[0])
    images = table.parent / "images"
    given = [f"{phase}={images / f'P000_{phase}.nii.gz'}" for phase in ("arterial", "venous")]
    one_more = cases_of(given, ["arterial", "venous"], Asked("X"), print)
    screen_cases(loaded, one_more, tmp_path / "out", gates="off", say=print)
    found = rows(tmp_path / "out")
    assert list(found) == ["P000", "P001", "X"]
    assert found["X"]["score"] == found["P000"]["score"]


@pytest.mark.parametrize("case_id", ["../precious", "..", ".", "findings.csv", "/tmp/precious"])
def test_an_id_that_leads_out_of_the_findings_deletes_nothing(model, table, tmp_path, case_id):
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "mine.txt").write_text("mine")
    image = table.parent / "images" / "P000_arterial.nii.gz"
    command = ["screen", model, f"arterial={image}", "--out", tmp_path / "out", "--device", "cpu", "--case-id", case_id]
    result = CliRunner().invoke(cli, [str(part) for part in command])
    assert isinstance(result.exception, CohortError), result.output
    assert "--case-id: case_id" in str(result.exception)
    assert (precious / "mine.txt").read_text() == "mine"
    assert not (tmp_path / "out").exists()


def test_an_id_beside_a_table_is_refused(model, table, tmp_path):
    command = ["screen", model, table, "--out", tmp_path / "out", "--device", "cpu", "--case-id", "one"]
    result = CliRunner().invoke(cli, [str(part) for part in command])
    assert isinstance(result.exception, CohortError), result.output
    assert "--case-id: names one case, and a table names its own" in str(result.exception)


@pytest.mark.slow
def test_two_calls_into_one_folder_at_once_end_as_one_after_the_other(model, two, tmp_path, monkeypatch):
    """Both begin on every case together: one makes it, the other waits and takes it over, and the table has all."""
    screened(model, two, tmp_path / "alone", folds=[0])
    both, met = threading.Barrier(2), threading.Event()
    real_ask, real_read, asked = screen.screen_scans, screen._read, []

    def reading(*arguments):
        found = real_read(*arguments)
        if not met.is_set():
            both.wait(timeout=60)  # neither has screened a case yet
            met.set()
        return found

    def asking(loaded, case_id, scans):
        asked.append(case_id)
        return real_ask(loaded, case_id, scans)

    monkeypatch.setattr(screen, "_read", reading)
    monkeypatch.setattr(screen, "screen_scans", asking)
    done = {}

    def call(number):
        done[number] = screened(model, two, tmp_path / "out", folds=[0])[0]

    threads = [threading.Thread(target=call, args=[number]) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=300)
    assert sorted(asked) == ["P000", "P001"]  # each once
    assert [found.status for number in done for found in done[number]] == ["ok"] * 4
    alone, both_made = written(tmp_path / "alone"), written(tmp_path / "out")
    assert alone.keys() == both_made.keys()
    assert all(alone[name] == both_made[name] for name in alone if name != "screening.json")


def test_a_plugin_that_two_distributions_offer_is_not_called_one_that_is_not_offered(model, install):
    install("rival", "rival", "from pnetkit_fusion.rules import Or", phase_fusion={"or": "rival:Or"})
    with pytest.raises(
        ModelError, match=r"Two installed plugins are both called 'or' .* Uninstall one of them"
    ) as said:
        read_model(model)
    assert "does not offer it" not in str(said.value)
