"""What is shown of a screened case: its record, its scans and what was found there, as the values of a page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pnetkit import __version__
from pnetkit.imaging.boxes import bounding_box
from pnetkit.imaging.resampling import resample
from pnetkit.method.parts import Input
from pnetkit.report.page.cropping import crop_of, shown_box
from pnetkit.report.page.findings import STRUCTURES, PhaseFound, measured_rows, phase_sentence
from pnetkit.report.page.pictures import Crop, chosen_position_mm, packed, still
from pnetkit.report.page.values import RESEARCH, CaseView, Group, Page, Panel, Part
from pnetkit.screening.screener import Screener
from pnetkit.types import BACKGROUND, Grid, Scan

GROUP = "case"
"""The one group of a page of one case."""


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """Hold what is shown of a case: its record as in `finding.json`, scans by phase, what was found by input."""

    record: Mapping[str, Any]
    scans: Mapping[str, Scan]
    labels: Mapping[str, NDArray[np.uint8]]


def case_page(seen: Seen, screener: Screener) -> Page:
    """Give the page about a case, without the case itself. Nothing of a DICOM header is on it."""
    record = seen.record
    fired, names = record["fired"], [of.name for of in screener.parts.inputs]
    flags = shown_flags(record)
    summary = (
        ("Decision", str(record["decision"]), "for research only"),
        ("Score", f"{record['score']:.2f}", "times the threshold"),
        ("Fired", " and ".join(fired) or "none", f"of {' and '.join(names)}"),
        ("Flags", str(len(flags)), "stand below" if flags else "nothing to know"),
    )
    return Page(
        title=str(record["case_id"]),
        subtitle="A finding of pnetkit screen",
        warning="",
        summary=summary,
        parts=(Part("flags", "Flags", lacks=flags),) if flags else (),
        flow=(),
        groups=(Group("What was found", "Outlines are what the networks say; nobody has drawn a reference.", ()),),
        closing=(_images(record), _model(record, screener)),
        notes=(f"{RESEARCH}, not for diagnosis.",),
        made=f"Made by pnetkit {__version__}",
        gallery="Pictures",
    )


def case_view(seen: Seen, screener: Screener, *, volumes: bool) -> CaseView:
    """Give the case: each phase with what was measured, a still, and with `volumes` all slices."""
    record = seen.record
    shown: list[tuple[Panel, Crop | None]] = []
    for of in screener.parts.inputs:
        if of.name not in record["inputs"]:
            shown.append((Panel(of.name, "Phase missing: no such scan was given."), None))
            continue
        panel = _panel(screener, of, record["inputs"][of.name])
        for phase, crop in crops_of(seen, of).items():
            stacked = Panel(phase, f"Stacked in {of.name}.")
            shown.append((replace(panel, phase=phase) if phase == of.phases[0] else stacked, crop))
    place = chosen_position_mm({str(at): crop for at, (_, crop) in enumerate(shown) if crop is not None})
    return CaseView(
        number=1,
        name=str(record["case_id"]),
        group=GROUP,
        truth="",
        call=str(record["decision"]),
        verdict=verdict(record, screener),
        score=float(record["score"]),
        facts=(("Decision", str(record["decision"])),),
        panels=tuple(panel if crop is None else _pictured(panel, crop, place, volumes) for panel, crop in shown),
    )


def verdict(record: Mapping[str, Any], screener: Screener) -> str:
    """Say in a sentence what was decided, by which rule, and because of which phases."""
    plugin, fired, missing = screener.parts.fusion["plugin"], record["fired"], record["missing"]
    called = "called abnormal" if record["decision"] == "abnormal" else "not called"
    which = f", because {' and '.join(fired)} fired" if fired else "; no phase fired"
    without = f"; {' and '.join(missing)} was missing" if missing else ""
    return f"Fused by {plugin}: {called}{which}{without}. {record['score']:.2f} times the threshold."


def shown_flags(record: Mapping[str, Any]) -> tuple[str, ...]:
    """Give the flags of a case; why a DICOM result was not written may quote a header, so that is only told of."""
    quoting = {f"{name}: {why}" for name, why in record.get("unwritten", {}).items()}
    told = tuple(f"{name}: not all results are written; see finding.json" for name in record.get("unwritten", {}))
    return (*(flag for flag in record["flags"] if flag not in quoting), *told)


def _panel(screener: Screener, of: Input, said: Mapping[str, Any]) -> Panel:
    point = screener.model.content["operating_point"]
    counted = {f"{name}_voxels": float(said["voxels"][name]) for name in STRUCTURES}
    counted |= {f"{name}_mm3": float(said["volume_mm3"][name]) for name in STRUCTURES}
    found = PhaseFound(
        name=of.name,
        called=bool(said["abnormal"]),
        score=float(said["score"]),
        threshold=float(said["threshold"]),
        factor=float(point["factors"].get(of.name, 1.0)) if point else 1.0,
        measurements=counted | dict(said["measurements"]),
        dice={},
        flags=tuple(said["flags"]),
    )
    classifier = screener.parts.classifier
    rows = [*measured_rows(found, classifier), *_pieces(said)]
    if said["mean_foreground_agreement"] is not None:
        rows.append(("Agreement", f"{said['mean_foreground_agreement']:.0%} of the votes, on average, where found"))
    return Panel(of.name, phase_sentence(found, classifier), tuple(rows))


def _pieces(said: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Say of tumor and duct how many pieces there are, and how large the largest is and where."""
    rows = []
    for name, listed in said["components"].items():
        if listed:
            first, count = listed[0], said["component_count"][name]
            size = " × ".join(f"{edge:.0f}" for edge in first["size_mm"])  # noqa: RUF001  # the sign of a product
            rows.append((f"{name.capitalize()} at", f"{_where(first['center_mm'])} ({size} mm), {_nth(count)}"))
    return rows


def _where(center_mm: Sequence[float]) -> str:
    """Give a place in the scanner's coordinates, by the patient's sides: right or left, front or back, up or down."""
    sides = (("R", "L"), ("A", "P"), ("S", "I"))
    named = (f"{side[at < 0]} {abs(at):.0f}" for side, at in zip(sides, center_mm, strict=True))
    return f"{' '.join(named)} mm"


def _nth(count: int) -> str:
    return "the only piece" if count == 1 else f"the largest of {count} pieces"


def crops_of(seen: Seen, of: Input) -> dict[str, Crop]:
    """Cut out what is shown of one input; phases that are stacked on it are brought onto its grid."""
    first, labels = seen.scans[of.phases[0]], seen.labels[of.name]
    box, is_whole = shown_box([bounding_box(labels > BACKGROUND)], first.grid)
    shown = crop_of(first.hu[box.slices], labels[box.slices], None, first.grid, box, is_whole=is_whole)
    crops = {of.phases[0]: shown}
    corner = np.eye(4)
    corner[:3, 3] = box.start
    part = Grid(box.shape, first.grid.affine @ corner)
    for phase in of.phases[1:]:
        hu = resample(seen.scans[phase], part).hu
        crops[phase] = replace(shown, hu=hu)
    return crops


def _pictured(panel: Panel, crop: Crop, place: float | None, volumes: bool) -> Panel:
    index = crop.hu.shape[2] // 2 if place is None else crop.slice_at(place)
    lacks = "No pancreas was found here: the middle of the scan." if crop.is_whole else ""
    return replace(panel, still=still(crop, index), volume=packed(crop, index) if volumes else None, lacks=lacks)


def _images(record: Mapping[str, Any]) -> Part:
    facts = []
    for phase, of in record["images"].items():
        voxels = " × ".join(map(str, of["shape"]))  # noqa: RUF001  # the sign of a product
        edges = " × ".join(f"{edge:.3g}" for edge in of["spacing_mm"])  # noqa: RUF001
        chosen = f", chosen by {of['chosen_by']}" if "chosen_by" in of else ""
        facts.append((phase.capitalize(), f"{of['kind']}, {voxels} voxels of {edges} mm{chosen}"))
    return Part("images", "Images", facts=tuple(facts))


def _model(record: Mapping[str, Any], screener: Screener) -> Part:
    model, parts = record["model"], screener.parts
    rules = ", ".join(str(of["plugin"]) for of in (*parts.chain, parts.classifier, parts.fusion))
    facts = [
        ("Name", f"{model['name']}, {str(model['digest'])[:12]}"),
        ("Folds", ", ".join(map(str, model["folds"]))),
        ("Rules", rules),
        ("pnetkit", str(record["versions"]["pnetkit"])),
    ]
    return Part("model", "Model", facts=tuple(facts), lacks=tuple(model["differences"]))
