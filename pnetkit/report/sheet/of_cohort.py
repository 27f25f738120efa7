"""What a run's files say of its cases: how many, from where, of which scans, with which references, dealt how."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import Any

from pnetkit.errors import counted
from pnetkit.label_sets import ANNOTATABLE, IGNORED, not_annotated
from pnetkit.report.sheet.values import CASES, LESIONS, RECIPE, RECORD, RunValues, Said


def source(run: RunValues) -> Sequence[Said]:
    """Say where the cases come from; of phantoms, that they are synthetic."""
    cohort = run.record.get("cohort")
    if not cohort:
        return ()
    found = [Said(f"Cohort: {cohort}.", RECORD, "cohort")]
    if run.is_phantom:
        found.append(Said("All cases are generated phantoms: synthetic pictures, no patients.", RECORD, "cohort"))
        made = run.recipe.get("cohort", {}).get("phantom") or {}
        if made:
            said = ", ".join(f"{name} {value}" for name, value in made.items())
            found.append(Said(f"Phantoms: {said}.", RECIPE, "cohort.phantom"))
    return found


def size(run: RunValues) -> Sequence[Said]:
    """Say how many cases and patients there were, of which diagnosis."""
    if not run.cases:
        return ()
    diagnoses = Counter(case["abnormal"] for case in run.cases.values())
    names = {True: "abnormal", False: "normal", None: "of unknown diagnosis"}
    by_name = ", ".join(f"{diagnoses[of]} {name}" for of, name in names.items() if diagnoses[of])
    patients = len({case["patient"] for case in run.cases.values()})
    who = counted(patients, "phantom" if run.is_phantom else "patient")
    said = f"{counted(len(run.cases), 'case')} of {who}: {by_name}."
    return [Said(said, RECORD, "cases.*.abnormal, cases.*.patient")]


def sites(run: RunValues) -> Sequence[Said]:
    """Say from how many sites cases come; nothing where the cohort's table does not tell."""
    numbers = Counter(case.get("site") for case in run.cases.values())
    known = sorted((count for site, count in numbers.items() if site is not None), reverse=True)
    if not known:
        return ()
    unknown = f"; of {numbers[None]} it is not told" if numbers[None] else ""
    said = f"{counted(len(known), 'site')}, with {', '.join(map(str, known))} cases{unknown}."
    return [Said(said, RECORD, "cases.*.site")]


def flow(run: RunValues) -> Sequence[Said]:
    """Say how many cases were given, set aside, failed, decided and counted, with the reasons."""
    found = []
    for step in run.flow:
        details = f" ({', '.join(step.details)})" if step.details else ""
        left = ""
        if step.left:
            reasons = "; ".join(f"{reason}: {count}" for reason, count in step.reasons)
            left = f" {step.left_title}: {step.left} ({reasons})."
        found.append(Said(f"{step.title}: {step.count}{details}.{left}", CASES, "status, reason, abnormal"))
    return found


def set_aside(run: RunValues) -> Sequence[Said]:
    """Say how many cases the checks of their files set aside, and why."""
    return [
        Said(
            f"Set aside by the checks of files: {step.left}"
            + (f" ({'; '.join(f'{reason}: {count}' for reason, count in step.reasons)})." if step.left else "."),
            CASES,
            "status, reason",
        )
        for step in run.flow
        if step.left_title == "Set aside"
    ]


def folds(run: RunValues) -> Sequence[Said]:
    """Say how cases were dealt into folds, and from which nothing was learned."""
    sizes: dict[Any, Counter[Any]] = defaultdict(Counter)
    for case in run.cases.values():
        if case["fold"] is not None:
            sizes[case["fold"]][case["abnormal"]] += 1
    if not sizes:
        return ()
    each = "; ".join(f"fold {fold}: {of.total()} cases, {of[True]} abnormal" for fold, of in sorted(sizes.items()))
    found = [Said(f"{len(sizes)}-fold cross-validation. {each}.", RECORD, "cases.*.fold, cases.*.abnormal")]
    held_out = sum(bool(case.get("held_out")) for case in run.cases.values())
    if held_out:
        said = f"Held out, so that nothing is learned from them in any fold: {counted(held_out, 'case')}."
        found.append(Said(said, RECORD, "cases.*.held_out"))
    seed = run.record.get("seeds", {}).get("cohort")
    return [*found, *([Said(f"Seed of the folds: {seed}.", RECORD, "seeds.cohort")] if seed is not None else [])]


def disjoint(run: RunValues) -> Sequence[Said]:
    """Say at which level folds are disjoint, counted anew from the cases."""
    of_patient: dict[Any, set[Any]] = defaultdict(set)
    for case in run.cases.values():
        if case["fold"] is not None:
            of_patient[case["patient"]].add(case["fold"])
    if not of_patient:
        return ()
    split = sum(len(of) > 1 for of in of_patient.values())
    said = (
        f"Folds are disjoint by patient: each of {len(of_patient)} has all cases in one fold."
        if not split
        else f"{split} of {len(of_patient)} patients have cases in more than one fold."
    )
    return [Said(said, RECORD, "cases.*.patient, cases.*.fold")]


def scans(run: RunValues) -> Sequence[Said]:
    """Say how many scans of each phase there were, and how large their voxels and grids."""
    found = []
    for phase, files in _by_phase(run).items():
        spacings = [of["spacing_mm"] for of in files if of.get("spacing_mm")]
        shapes = [of["shape"] for of in files if of.get("shape")]
        said = [f"{phase}: {counted(len(files), 'scan')}"]
        if spacings:
            in_plane = _span([edge for of in spacings for edge in of[:2]])
            said.append(f"voxels of {in_plane} mm in the first two axes and {_span([of[2] for of in spacings])} mm")
        if shapes:
            said.append("grids of " + " x ".join(_span([shape[axis] for shape in shapes]) for axis in range(3)))
        found.append(Said(f"{', '.join(said)}.", RECORD, "cases.*.files.*.spacing_mm, cases.*.files.*.shape"))
    return found


def missing_phases(run: RunValues) -> Sequence[Said]:
    """Say how many cases lack which phase, and what the fusion does about it."""
    there = _by_phase(run)
    found = []
    if there:
        phases = run.record.get("phases", list(there))
        said = "; ".join(f"{phase}: {len(run.cases) - len(there.get(phase, ()))}" for phase in phases)
        found.append(Said(f"Cases of {len(run.cases)} without a scan of a phase: {said}.", RECORD, "cases.*.files"))
    fusion = run.recipe.get("fusion", {})
    how = fusion.get("params", {}).get("missing")
    words = {"present": "decided by the phases that are there", "refuse": "refused"}
    if how is not None:
        said = f"With a phase missing a case is {words.get(how, f'handled by the rule {how!r}')}. No image was imputed."
        found.append(Said(said, RECIPE, "fusion.params.missing"))
    return found


def references(run: RunValues) -> Sequence[Said]:
    """Say how many scans have a reference label, and how its values were read."""
    there = _by_phase(run)
    if not there:
        return ()
    each = "; ".join(
        f"{phase}: {sum(of['label'] is not None for of in files)} of {len(files)}" for phase, files in there.items()
    )
    found = [Said(f"Scans with a reference label map: {each}.", RECORD, "cases.*.files.*.label")]
    policy = run.record.get("labels")
    if policy:
        mapping = policy.get("mapping")
        values = "taken as they are" if mapping is None else ", ".join(f"{k} {_meaning(v)}" for k, v in mapping.items())
        said = f"Label values: {values}; any other: {policy.get('unmapped')}."
        found.append(Said(said, RECORD, "labels.mapping, labels.unmapped"))
    absent = Counter(name for case in run.cases.values() for name in not_annotated(case.get("labeled")))
    if absent:
        each = ", ".join(f"{name} {counted(absent[name], 'case')}" for name in ANNOTATABLE if absent[name])
        said = f"Classes that were not annotated in all cases, and are in no loss and no figure there: {each}."
        found.append(Said(said, RECORD, "cases.*.labeled"))
    return found


def _meaning(label: int) -> str:
    return "ignored" if label == IGNORED else f"as {label}"


def tumor_sizes(run: RunValues) -> Sequence[Said]:
    """Say how large the reference's tumors are, by phase."""
    return [
        Said(
            f"{phase}: {counted(len(of), 'reference tumor')}, diameter {_span(of)} mm, median {median(of):.1f} mm.",
            LESIONS,
            "kind, diameter_mm (criterion any)",
        )
        for phase, of in run.diameters_mm.items()
        if of
    ]


def _by_phase(run: RunValues) -> Mapping[str, list[Mapping[str, Any]]]:
    found: dict[str, list[Mapping[str, Any]]] = {}
    for case in run.cases.values():
        for phase, files in case.get("files", {}).items():
            found.setdefault(phase, []).append(files)
    return found


def _span(values: Iterable[float]) -> str:
    """Give the least and the largest of some numbers, or the one that they all are."""
    ordered = sorted(values)
    low, high = (f"{round(of, 2):g}" for of in (ordered[0], ordered[-1]))
    return low if low == high else f"{low} to {high}"
