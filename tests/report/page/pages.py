"""A small page for tests: cases with two phases, of which everything is known."""

import numpy as np

from pnetkit.report.page.budget import CaseMaker
from pnetkit.report.page.pictures import Crop, packed, still
from pnetkit.report.page.values import CaseView, FlowStep, Group, Matrix, MatrixGroup, MatrixRow, Page, Panel, Part
from pnetkit.report.tables import Table

SHAPE = (16, 12, 8)


def crop_of(seed=0):
    """Noise, a reference pancreas with a predicted tumor that is another in every slice."""
    rng = np.random.default_rng(seed)
    hu = rng.normal(60, 60, SHAPE).astype(np.float32)
    found, truth = np.zeros(SHAPE, dtype=np.uint8), np.zeros(SHAPE, dtype=np.uint8)
    truth[3:12, 3:9, 1:7] = 1
    for z in range(1, 7):
        found[4 : 5 + z, 4:7, z] = 2
    return Crop(hu, found, truth, (2.0, 2.0, 3.0), -9.0)


def case_of(number, name, *, volumes, group="missed"):
    panels = []
    for place, phase in enumerate(("arterial", "venous")):
        of = crop_of(10 * number + place)
        panels.append(
            Panel(phase, "Not called: 0.39 times the threshold.", (("Tumor", "39 voxels"),), ("Below the threshold.",),
                  still(of, 3), packed(of, 3) if volumes else None)
        )  # fmt: skip
    facts = (("Diagnosis", "abnormal"), ("Decision", "not called"))
    return CaseView(number, name, group, "abnormal", "not called", "Fused by or.", 0.39, facts, tuple(panels))


def maker(number, name, group="missed"):
    return CaseMaker(group, lambda volumes: case_of(number, name, volumes=volumes, group=group))


def page(groups=("missed",)):
    table = Table("Table 1", ("Phase", "Sensitivity"), (("arterial", "81.25 [57.0, 93.4]"),), ("A note.",))
    marks = (
        MatrixRow("P1", "abnormal", ("right", "wrong"), "case-1"),
        MatrixRow("P2", "normal", ("undecided", "right")),
    )
    matrix = Matrix(
        "Who gets it right", (("a", "1 of 1 right"), ("b", "1 of 2 right")), (MatrixGroup("All", marks),), "A note."
    )
    return Page(
        title="A page",
        subtitle="generated phantoms",
        warning="They are synthetic.",
        summary=(("Sensitivity", "81.25 %", "13 of 16"),),
        parts=(
            Part("what", "What was run", ("A sentence.",)),
            Part("results", "How well it did", tables=(table,), matrices=(matrix,)),
        ),
        flow=(FlowStep("Given", 3, ("2 abnormal",), 1, "Set aside", (("unreadable", 1),)), FlowStep("Decided", 2)),
        groups=tuple(Group(name.capitalize(), "Cases.", ()) for name in groups),
        closing=(),
        notes=("Research use only, not for diagnosis.",),
    )
