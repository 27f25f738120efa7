"""Curves: receiver operating characteristic, free response, and the course of trainings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pnetkit.evaluation.lesions import LesionMatch
from pnetkit.evaluation.roc import auc, auc_interval
from pnetkit.report.figures.svg import (
    Axis,
    Frame,
    Points,
    area,
    dot,
    figure,
    legend,
    line,
    percent_axis,
    round_axis,
    series_css,
    shortened,
    with_legend,
)
from pnetkit.report.page.values import Figure

DRAWS = 400
"""Bootstrap draws of the band around a curve."""

COLORS = 5
"""Colors of lines beside the first, which is ink; more lines than that begin anew."""

PER_ROW = 4
"""Short entries of a legend beside each other."""

LEGEND_LETTERS = 26
"""Letters of a name that fit into a legend beside an area and its interval."""

BAND_AT = 51
"""Places along the axis at which the band is computed."""


@dataclass(frozen=True, slots=True)
class Scored:
    """Hold the scores of some cases in units of the threshold, their diagnoses and calls, and their patients."""

    name: str
    scores: tuple[float, ...]
    abnormal: tuple[bool, ...]
    called: tuple[bool, ...]
    patients: tuple[int, ...]


def roc_figure(series: Sequence[Scored], title: str = "Receiver operating characteristic") -> Figure | None:
    """Draw the curves of views or arms, the operating point of each, a band around the first; None without a curve."""
    drawn = [of for of in series if 0 < sum(of.abnormal) < len(of.abnormal)]
    if not drawn:
        return None
    frame = with_legend(Frame(percent_axis("1 - specificity, %"), percent_axis("Sensitivity, %")), len(drawn))
    body, entries, said = [line(frame, [(0, 0), (1, 1)], "chance")], [], []
    band = roc_band(drawn[0])
    if band is not None:
        body.append(area(frame, band[0], band[1], "c0"))
    for number, of in enumerate(drawn):
        scores, labels = np.array(of.scores), np.array(of.abnormal)
        css = series_css(number)
        body.append(line(frame, roc_points(scores, labels), css))
        value, interval = auc(list(of.scores), list(of.abnormal)), auc_interval(scores, labels)
        words = f"{of.name}: area {value:.3f}" + (f" [{interval[0]:.3f}, {interval[1]:.3f}]" if interval else "")
        entries.append((css, words.replace(of.name, shortened(of.name, LEGEND_LETTERS), 1)))
        called = np.array(of.called)
        x, y = float(called[~labels].mean()), float(called[labels].mean())
        at = f"{of.name}: sensitivity {100 * y:.1f} %, specificity {100 * (1 - x):.1f} %"
        body.append(dot(frame, x, y, css, f"Operating point of {at}", 5))
        said.append(f"{words}; operating point {at.partition(': ')[2]}.")
    body += legend(frame, entries)
    says = (
        " ".join(said) + " Circles are the operating points. The band is the 95 % interval of the first curve's "
        "sensitivity at each specificity, bootstrapped by patient; areas have DeLong's interval."
    )
    return figure(frame, body, title=title, says=says)


def roc_points(scores: NDArray[np.float64], abnormal: NDArray[np.bool_]) -> list[tuple[float, float]]:
    """Give the corners of the curve, from (0, 0) to (1, 1): 1 - specificity and sensitivity of every threshold."""
    thresholds = np.unique(scores)[::-1]
    positives, negatives = np.sort(scores[abnormal]), np.sort(scores[~abnormal])
    above = [(group.size - np.searchsorted(group, thresholds, "left")) / group.size for group in (negatives, positives)]
    points = [(0.0, 0.0), *zip(above[0].tolist(), above[1].tolist(), strict=True)]
    return [p for i, p in enumerate(points) if i in (0, len(points) - 1) or not _between(points[i - 1 : i + 2])]


def roc_band(of: Scored, *, seed: int = 0) -> tuple[list[tuple[float, float]], list[tuple[float, float]]] | None:
    """Give the pointwise 95 % band of the sensitivity by a bootstrap over patients; None where that cannot be drawn."""
    scores, abnormal, patients = np.array(of.scores), np.array(of.abnormal), np.array(of.patients)
    members = [np.flatnonzero(patients == patient) for patient in np.unique(patients)]
    places, rng, found = np.linspace(0, 1, BAND_AT), np.random.default_rng(seed), []
    for _ in range(DRAWS):
        drawn = np.concatenate([members[i] for i in rng.integers(0, len(members), len(members))])
        labels = abnormal[drawn]
        if 0 < labels.sum() < labels.size:
            points = np.array(roc_points(scores[drawn], labels))
            found.append([points[points[:, 0] <= place + 1e-12, 1].max() for place in places])
    if len(found) < DRAWS / 2:
        return None
    low, high = np.quantile(np.array(found), [0.025, 0.975], axis=0)
    return list(zip(places.tolist(), low.tolist(), strict=True)), list(zip(places.tolist(), high.tolist(), strict=True))


def froc_figure(matches: Mapping[str, Sequence[LesionMatch]]) -> Figure | None:
    """Draw sensitivity by lesion over false positives a scan, one curve for each entry; None without a lesion."""
    curves = {name: froc_points(of) for name, of in matches.items() if any(match.lesions for match in of)}
    if not curves:
        return None
    most = max(x for points in curves.values() for x, _ in points)
    axis = round_axis(max(most, 0.5), "False positives a scan")
    frame = with_legend(Frame(axis, percent_axis("Lesions found, %")), len(curves))
    body, entries, said = [], [], []
    for number, (name, points) in enumerate(curves.items()):
        css = f"c{number + 1}"
        body.append(line(frame, points, css))
        body.append(dot(frame, *points[-1], css, f"{name}: all candidates", 4))
        entries.append((css, name))
        said.append(f"{name}: {100 * points[-1][1]:.1f} % of lesions at {points[-1][0]:.2f} false positives a scan.")
    body += legend(frame, entries)
    return figure(frame, body, title="Free response (FROC)", says=" ".join(said))


def froc_points(matches: Sequence[LesionMatch]) -> list[tuple[float, float]]:
    """Give the corners of a free-response curve, from (0, 0): false positives a scan and sensitivity by threshold."""
    hits = np.sort([lesion.confidence for match in matches for lesion in match.lesions])
    wrong = np.sort([confidence for match in matches for confidence in match.false_positives])
    thresholds = np.unique(np.concatenate([hits[hits > 0], wrong]))[::-1]
    points = [(0.0, 0.0)]
    for threshold in thresholds.tolist():
        sensitivity = float((hits >= threshold).sum()) / hits.size
        points.append((float((wrong >= threshold).sum()) / len(matches), sensitivity))
    return points


def losses_figure(name: str, courses: Mapping[str, Sequence[float]], iterations: int) -> Figure | None:
    """Draw the course of the loss of some trainings, one line for each; None without a course."""
    known = {of: smoothed(losses) for of, losses in courses.items() if losses}
    return points_figure(
        name,
        {
            of: [((i + 1) * iterations / len(course), value) for i, value in enumerate(course)]
            for of, course in known.items()
        },
        iterations,
        says="ended at",
    )


def points_figure(name: str, courses: Mapping[str, Points], iterations: int, *, says: str) -> Figure | None:
    """Draw the loss of some trainings at the iterations at which it is known; None where it is at none."""
    known = {of: course for of, course in courses.items() if course}
    if not known:
        return None
    values = [value for course in known.values() for _, value in course]
    low, high = max(min(values), 1e-6), max(values)
    steps = (digit * 10.0**power for power in range(-4, 3) for digit in (1, 2, 5))
    ticks = tuple((step, f"{step:g}") for step in steps if low <= step <= high)
    losses = Axis(low, max(high, low * 1.01), ticks, "Loss (log)", is_log=True)
    frame = with_legend(Frame(round_axis(iterations, "Iteration"), losses, height=260), -(-len(known) // PER_ROW))
    body, entries, said = [], [], []
    for number, (of, points) in enumerate(known.items()):
        color = f"c{number % COLORS + 1}"
        body.append(line(frame, points, color))
        entries.append((color, of))
        said.append(f"{of} {says} {points[-1][1]:.3g}")
    body += legend(frame, entries, per_row=PER_ROW)
    return figure(frame, body, title=f"Training: {name}", says=f"Loss over the iterations: {'; '.join(said)}.")


def dice_figure(name: str, courses: Mapping[str, Points], iterations: int, *, says: str) -> Figure | None:
    """Draw the mean Dice of the cases that trainings hold back, at the iterations at which it is known."""
    known = {of: course for of, course in courses.items() if course}
    if not known:
        return None
    axis = Axis(0.0, 1.0, tuple((n / 5, f"{n / 5:g}") for n in range(6)), "Dice")
    frame = with_legend(Frame(round_axis(iterations, "Iteration"), axis, height=260), -(-len(known) // PER_ROW))
    body, entries, said = [], [], []
    for number, (of, points) in enumerate(known.items()):
        color = f"c{number % COLORS + 1}"
        body.append(line(frame, points, color))
        entries.append((color, of))
        said.append(f"{of} {says} {points[-1][1]:.3f}")
    body += legend(frame, entries, per_row=PER_ROW)
    says = f"Mean Dice of patches of training cases that are held back, on which nothing is trained: {'; '.join(said)}."
    return figure(frame, body, title=f"Held-back cases: {name}", says=says)


def smoothed(losses: Sequence[float], *, points: int = 120) -> list[float]:
    """Give means of neighbors, no more than so many."""
    return [float(np.mean(part)) for part in np.array_split(np.array(losses), min(points, len(losses)))]


def _between(three: Sequence[tuple[float, float]]) -> bool:
    """Tell whether the middle one of three points lies on the straight line through the others, along one axis."""
    (ax, ay), (bx, by), (cx, cy) = three
    return ax == bx == cx or ay == by == cy
