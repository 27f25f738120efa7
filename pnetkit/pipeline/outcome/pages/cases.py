"""The cases of a finished run as its page shows them: sorted by what matters, pictured, and why they were missed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pnetkit.errors import PnetkitError
from pnetkit.imaging.spacing import labels_on
from pnetkit.label_sets import not_annotated
from pnetkit.method.parts import RulesOn
from pnetkit.method.rules import cleaned
from pnetkit.pipeline.outcome.finished import FinishedRun
from pnetkit.pipeline.outcome.pages.names import Names
from pnetkit.pipeline.outcome.pages.phases import phase_found
from pnetkit.pipeline.outcome.pages.scans import Files, Shown, shown
from pnetkit.pipeline.outcome.pages.stored import Stored
from pnetkit.pipeline.stages import adopt, segment
from pnetkit.pipeline.stages.segmentation import read_segmentation
from pnetkit.report.page.findings import PhaseFound, measured_rows, phase_sentence
from pnetkit.report.page.missed import Traced, shortfall, why_alarmed, why_missed
from pnetkit.report.page.pictures import Crop, chosen_position_mm, packed, still
from pnetkit.report.page.values import CaseView, Panel
from pnetkit.store.node import Subject
from pnetkit.types import TUMOR

Line = Mapping[str, str]
"""A case's line of `cases.csv`."""

MISSED, ALARM, UNDECIDED, ONE_PHASE, UNKNOWN, ABNORMAL, NORMAL = (
    "missed", "false alarm", "not decided", "one phase only", "unknown", "found", "left alone",
)  # fmt: skip

GROUPS = {
    MISSED: ("Missed tumors", "Abnormal cases that were not called. Nearest to the threshold first."),
    ALARM: ("False alarms", "Normal cases that were called abnormal. Highest score first."),
    UNDECIDED: ("Cases without a decision", "Set aside or failed; they are in no figure."),
    ONE_PHASE: ("Found in some phases only", "Abnormal cases that were called, though not in every phase."),
    UNKNOWN: ("Diagnosis unknown", "In no rate. Highest score first."),
    ABNORMAL: ("Tumors found", "Abnormal cases that every phase called. Nearest to the threshold first."),
    NORMAL: ("Normal cases left alone", "Normal cases that were not called. Nearest to the threshold first."),
}
"""What is shown, in this order: titles, and what they mean."""

NOT_LOOKED_FOR = "Nobody has labeled tumors in this scan, so what became of one cannot be told."

NO_PANCREAS = "Neither reference nor prediction shows a pancreas here: the middle of the scan."


@dataclass(frozen=True, slots=True)
class Told:
    """Hold what a case is told from: the run, its results, its files, its recipe's chain, and what cases are called."""

    run: FinishedRun
    found: Stored
    files: Files
    names: Names

    @property
    def chain(self) -> list[dict[str, Any]]:
        """Give the rules that cleaned the segmentations."""
        return list(self.run.record["plugins"].get("postprocess") or [])

    @property
    def rules_on(self) -> RulesOn:
        """Say whose voxels these rules see."""
        return "network" if self.run.record.get("rules_on") == "network" else "scan"  # only where it is not the scan

    @property
    def classifier(self) -> Mapping[str, Any]:
        """Give the identity of the classifier."""
        found: Mapping[str, Any] = self.run.record["plugins"].get("classifier") or {}
        return found


def sorted_cases(run: FinishedRun) -> list[tuple[str, Line]]:
    """Give every case with its group, in the order in which they are shown."""
    names, inputs = list(GROUPS), list(run.record["inputs"])
    grouped = [(group_of(line, inputs), line) for line in run.lines]
    falling = (MISSED, ALARM, UNKNOWN, NORMAL)

    def order(item: tuple[str, Line]) -> tuple[int, float, str]:
        group, line = item
        score = float(line["score"] or 0)
        return names.index(group), -score if group in falling else score, line["case_id"]

    return sorted(grouped, key=order)


def case_view(told: Told, group: str, line: Line, number: int, volumes: bool) -> CaseView:
    """Make one case: its panels with stills, and with `volumes` all slices; one case is read at a time."""
    case_id, record = line["case_id"], told.run.record
    panels: list[Panel] = []
    crops: dict[tuple[str, str], Crop] = {}
    for name, phases in record["inputs"].items():
        if line["status"] == "quarantined":
            continue
        found = phase_found(told.run, told.found, line, name)
        if found is None:
            panels.append(Panel(name, absent(told, line, name)))
            continue
        pictures = shown(told.run, told.found, told.files, case_id, name)
        panel = Panel(
            " + ".join(phases) if phases != [name] else name,
            phase_sentence(found, told.classifier),
            measured_rows(found, told.classifier),
            why_of(told, group, found, pictures, case_id, name),
        )
        if isinstance(pictures, str):
            panels.append(replace(panel, lacks=told.names.safe(pictures)))
            continue
        for phase, of in pictures.items():
            crops[name, phase] = of.crop
            panels.append(replace(panel, phase=phase) if phase == phases[0] else Panel(phase, f"Stacked in {name}."))
    return CaseView(
        number=number,
        name=told.names.of(case_id),
        group=group,
        truth=_truth(line),
        call=_call(line),
        verdict=_verdict(told, line),
        score=float(line["score"]) if line["score"] else None,
        facts=_facts(line),
        panels=tuple(_pictured(panels, crops, volumes=volumes)),
        why=tuple(case_why(told, line)),
    )


def group_of(line: Line, inputs: Sequence[str]) -> str:
    """Say to which group of a run's page a case belongs."""
    if line["status"] != "ok":
        return UNDECIDED
    called = line["called_abnormal"] == "1"
    if line["abnormal"] == "":
        return UNKNOWN
    if line["abnormal"] == "0":
        return ALARM if called else NORMAL
    if not called:
        return MISSED
    fired = [line[f"{name}_called_abnormal"] == "1" for name in inputs]
    return ABNORMAL if all(fired) else ONE_PHASE


def _pictured(panels: Sequence[Panel], crops: Mapping[tuple[str, str], Crop], *, volumes: bool) -> list[Panel]:
    """Add the pictures, all at one place along the patient's axis."""
    place = chosen_position_mm({f"{name} {phase}": crop for (name, phase), crop in crops.items()})
    pictured, left = [], list(crops.items())
    for panel in panels:
        if not left or panel.lacks or left[0][0][1] != panel.phase:
            pictured.append(panel)
            continue
        _, crop = left.pop(0)
        index = crop.hu.shape[2] // 2 if place is None else crop.slice_at(place)
        volume = packed(crop, index) if volumes else None
        lacks = NO_PANCREAS if crop.is_whole else ""
        pictured.append(replace(panel, still=still(crop, index), volume=volume, lacks=lacks))
    return pictured


def why_of(
    told: Told, group: str, found: PhaseFound, pictures: dict[str, Shown] | str, case_id: str, name: str
) -> tuple[str, ...]:
    """Say why a phase of an abnormal case was not called, or of what a false alarm is made."""
    first = None if isinstance(pictures, str) else next(iter(pictures.values()))
    if first is None or first.crop.truth is None or first.crop.found is None:
        return ()
    truth, left = first.crop.truth, first.crop.found
    unlabeled = not_annotated(told.run.record["cases"][case_id].get("labeled"))
    if group == ALARM and found.called and "pancreas" not in unlabeled:
        return tuple(filter(None, [why_alarmed(truth, left)]))
    if group not in (MISSED, ONE_PHASE) or found.called:
        return ()
    needed = shortfall(found.measurements, found.wanted(told.classifier))
    if "tumor" in unlabeled and not (truth >= TUMOR).any():
        return (*needed, NOT_LOOKED_FOR)
    lacks = "is not in the store"
    try:
        traced = _traced(told, first, case_id, name)
    except (PnetkitError, OSError, ValueError):
        traced, lacks = None, "cannot be read"
    if traced is None:
        return (*needed, f"What the network itself said {lacks}, so what the rules removed cannot be told.")
    return why_missed(traced, needed=needed or (f"Its score is {found.relative:.2f} of the threshold.",)).sentences


def _traced(told: Told, of: Shown, case_id: str, name: str) -> Traced | None:
    """Follow a segmentation from the network's own through every rule; None where the network's own is gone."""
    subject = Subject(name, case_id)
    ref = told.found.first((segment.STAGE.name, adopt.STAGE.name), subject)
    if ref is None or told.found.store is None or of.crop.truth is None or of.crop.found is None:
        return None
    said, part, chain = read_segmentation(told.found.store, ref), of.box.slices, told.chain
    rules = []
    try:
        after = read_segmentation(told.found.store, ref, told.rules_on)
        for rule in chain[:-1]:  # the last one's result is what is stored
            after = cleaned(after, [rule])
            on_scan = after.labels if told.rules_on == "scan" else labels_on(after.labels, after.grid, said.grid)
            rules.append((str(rule["plugin"]), on_scan[part]))
        rules += [(str(rule["plugin"]), of.crop.found) for rule in chain[-1:]]
    except Exception:  # noqa: BLE001  # a plugin that is gone, or raises anything: the rules are told together
        rules = [(", ".join(str(rule["plugin"]) for rule in chain), of.crop.found)]
    region = segment.read_region(told.found.store, ref)
    return Traced(of.crop.truth, said.labels[part], tuple(rules), None if region is None else region[part])


def absent(told: Told, line: Line, name: str) -> str:
    """Say why a case has no finding of an input."""
    files = told.run.record["cases"][line["case_id"]]["files"]
    missing = [phase for phase in told.run.record["inputs"][name] if phase not in files]
    if missing:
        return f"Phase missing: the cohort has no {' and no '.join(missing)} scan of this case."
    return "No finding of this phase."


def case_why(told: Told, line: Line) -> list[str]:
    """Say why a case has no decision."""
    if line["status"] == "quarantined":
        return [f"Set aside before the run: {told.names.safe(line['reason'])}"]
    if line["status"] == "failed":
        return [f"Failed: {told.names.safe(line['reason'])}"]
    return []


def _verdict(told: Told, line: Line) -> str:
    if line["status"] != "ok":
        return "No decision."
    plugin = (told.run.record["plugins"].get("fusion") or {}).get("plugin", "the fusion")
    fired = [name for name in line["fired"].split(";") if name]
    which = f", because {' and '.join(fired)} fired" if fired else "; no phase fired"
    missing = f"; {line['missing'].replace(';', ' and ')} was missing" if line["missing"] else ""
    return f"Fused by {plugin}: {_call(line)}{which}{missing}. {float(line['score']):.2f} times the threshold."


def _truth(line: Line) -> str:
    return {"1": "abnormal", "0": "normal"}.get(line["abnormal"], "diagnosis unknown")


def _call(line: Line) -> str:
    if line["status"] != "ok":
        return "not decided"
    return "called abnormal" if line["called_abnormal"] == "1" else "not called"


def _facts(line: Line) -> tuple[tuple[str, str], ...]:
    fold = (("Fold", line["fold"]),) if line["fold"] else ()
    return (("Diagnosis", _truth(line)), ("Decision", _call(line)), *fold)
