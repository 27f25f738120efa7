"""`pnetkit agree`: what other inference settings change, on a user's own scans."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from pnetkit.cli.as_json import json_alone
from pnetkit.cli.screening_options import DEVICE, FOLDS, MODEL


@click.command()
@MODEL
@click.argument("table", metavar="COHORT", type=click.Path(path_type=Path))
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="An inference setting; repeatable.")
@FOLDS
@click.option("--cases", type=click.IntRange(min=1), help="Take only the first so many cases.")
@DEVICE
@click.option("--threads", type=click.IntRange(min=1), help="CPU threads. [default: one a core]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def agree(
    *,
    model_folder: Path,
    table: Path,
    overrides: tuple[str, ...],
    folds: tuple[int, ...],
    cases: int | None,
    device: str,
    threads: int | None,
    as_json: bool,
) -> None:
    """Compare MODEL's inference settings, or those given with --set, with the plain search on a COHORT.

    The plain search runs every window of the body in fp32. Both segment the same scans; decisions, labels, windows and
    seconds are put side by side, and where the table has labels, the Dice of each with them.

        pnetkit agree model cohort.csv --set inference.search=coarse-to-fine --set inference.precision=auto

    For research use only. Labels of cases that the model was trained on say nothing about its accuracy.
    """
    import torch

    from pnetkit.model.folder import read_model
    from pnetkit.process_memory import keep_freed_memory
    from pnetkit.screening.agreement import PLAIN, agreements, checked_cases
    from pnetkit.screening.screener import load_screener

    foreign = [text for text in overrides if not text.startswith("inference.")]
    if foreign:
        raise click.BadParameter(f"wanted inference.KEY=VALUE, got {foreign[0]!r}", param_hint="--set")
    keep_freed_memory()
    torch.set_num_threads(threads or os.cpu_count() or 1)
    model = read_model(model_folder)
    plain = load_screener(model, device=device, folds=folds or None, overrides=PLAIN)
    asked = load_screener(model, device=device, folds=folds or None, overrides=overrides)
    found = []
    with json_alone(as_json):  # what a network prints is no part of what is asked for
        for item in agreements(plain, asked, checked_cases(plain, table, most=cases)):
            found.append(item)
            if not as_json:
                click.echo(_case_in_words(item))
    if as_json:
        click.echo(json.dumps([asdict(item) | {"same_decision": item.same_decision} for item in found], indent=2))
        return
    for line in _summary(found):
        click.echo(line)


def _case_in_words(item: Any) -> str:
    words = [("abnormal" if finding.abnormal else "normal") for finding in item.findings]
    decision = words[0] if item.same_decision else f"{words[0]} became {words[1]}"
    scans = "; ".join(
        f"{found.name} {found.windows[0]} to {found.windows[1]} windows, Dice {_three(found.overlap)}"
        + (f", region holds {found.recall:.1%} of the reference" if found.recall is not None else "")
        + (f", {found.fallback}" if found.fallback else "")
        for found in item.inputs
    )
    return f"{item.case_id}: {decision}; {item.seconds[0]:.1f} to {item.seconds[1]:.1f} s; {scans}"


def _summary(found: list[Any]) -> list[str]:
    from pnetkit.screening.agreement import PARTS, mean_change, mean_overlap

    inputs = [scan for item in found for scan in item.inputs]
    windows = [sum(scan.windows[i] for scan in inputs) for i in (0, 1)]
    seconds = [sum(item.seconds[i] for item in found) for i in (0, 1)]
    same = sum(item.same_decision for item in found)
    overlaps = {part: mean_overlap(inputs, part) for part in PARTS}
    lines = [
        f"Decisions the same: {same} of {len(found)}.",
        f"Windows: {windows[0]:,} to {windows[1]:,} ({_ratio(windows)}).",
        f"Seconds: {seconds[0]:.1f} to {seconds[1]:.1f} ({_ratio(seconds)}).",
        f"Dice with the plain search ({', '.join(PARTS)}): {_three(overlaps)}.",
    ]
    if any(scan.references is not None for scan in inputs):
        changes = {part: mean_change(inputs, part) for part in PARTS}
        lines.append(f"Change of the Dice with the reference: {_three(changes, signed=True)}.")
    recalls = [scan.recall for scan in inputs if scan.recall is not None]
    if recalls:
        mean = sum(recalls) / len(recalls)
        lines.append(f"The region holds {mean:.1%} of the reference's pancreas set, {min(recalls):.1%} at worst.")
    whole = sum(bool(scan.fallback) for scan in inputs)
    if whole:
        lines.append(f"{whole} of {len(inputs)} scans were searched as a whole.")
    return [*lines, "Research use only, not for diagnosis."]


def _three(values: Mapping[str, float | None], *, signed: bool = False) -> str:
    return " ".join("-" if value is None else f"{value:{'+' * signed}.3f}" for value in values.values())


def _ratio(pair: Sequence[float]) -> str:
    return f"{pair[0] / pair[1]:.1f} x" if pair[1] else "none left"
