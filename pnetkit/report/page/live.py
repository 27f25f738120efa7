"""The page of a run that goes on: how far it is, loss by loss. It loads itself anew, from its file, without a server.

A script of a few lines does it, so that a reader can stop it; without scripts the browser does.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from markupsafe import Markup

from pnetkit.report.figures.curves import dice_figure, points_figure
from pnetkit.report.figures.svg import Points
from pnetkit.report.page.render import by_digest, environment, resource
from pnetkit.report.page.values import RESEARCH, Figure

RELOAD_S = 3
"""Seconds after which the page loads itself anew."""


@dataclass(frozen=True, slots=True)
class LiveStage:
    """Hold how far a stage is, and how long it takes, in words."""

    words: str
    done: int
    total: int
    took: str
    left: str


@dataclass(frozen=True, slots=True)
class LiveTraining:
    """Hold how far a training is: its name, iterations, state in a word, and the losses known.

    `dice` is the mean Dice of the cases that it holds back, where it holds any back.
    """

    input: str
    name: str
    done: int
    total: int
    state: str
    losses: Points
    dice: Points = ()


@dataclass(frozen=True, slots=True)
class Live:
    """Hold a run at a moment. `goes_on` lets the page load itself anew."""

    title: str
    state: str
    goes_on: bool
    moment: str
    summary: tuple[tuple[str, str, str], ...]
    stages: tuple[LiveStage, ...]
    trainings: tuple[LiveTraining, ...]
    failed: tuple[tuple[str, str], ...] = ()
    links: tuple[tuple[str, str], ...] = ()


def live_page(live: Live) -> bytes:
    """Give the page as one HTML file."""
    style, script = resource("page.css") + resource("live.css"), resource("live.js")
    policy = (
        f"default-src 'none'; style-src {by_digest(style)}; script-src {by_digest(script)}; base-uri 'none'; "
        "form-action 'none'"
    )
    text = (
        environment()
        .get_template("live.html.j2")
        .render(
            live=live,
            policy=policy,
            style=Markup(style),  # ours, of the package
            script=Markup(script),  # ours, of the package
            reload_s=RELOAD_S,
            research=RESEARCH,
            watched=any(training.dice for training in live.trainings),
            figures=_figures(live),
        )
    )
    return text.encode()


def _figures(live: Live) -> list[Figure]:
    by_input: dict[str, list[LiveTraining]] = {}
    for training in live.trainings:
        by_input.setdefault(training.input, []).append(training)
    found: list[Figure] = []
    for name, of in by_input.items():
        courses: Mapping[str, Points] = {training.name: training.losses for training in of}
        figure = points_figure(name, courses, max(training.total for training in of), says="is at")
        seen: Mapping[str, Points] = {training.name: training.dice for training in of}
        found += filter(None, [figure, dice_figure(name, seen, max(training.total for training in of), says="is at")])
    return found
