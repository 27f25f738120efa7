"""Run the conformance kit over the shipped plugins and write the table of docs/plugins.md."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from pnetkit import testing
from pnetkit.registry import list_plugins

PAGE = Path(__file__).parents[2] / "docs" / "plugins.md"
MARKS = ("<!-- conformance -->", "<!-- /conformance -->")

CHECKS = {
    "backbone": testing.backbone_checks,
    "postprocessor": testing.postprocessor_checks,
    "case-classifier": testing.case_classifier_checks,
    "phase-fusion": testing.phase_fusion_checks,
}
PARAMS: Mapping[str, Mapping[str, Any]] = {
    "roi-classifier": {"channels": [8, 8], "groups": 4, "iterations": 40},
}
FEATURE_CHANNELS = {"lesion-score": 1}


def table() -> str:
    lines = ["| plugin | kind | passes | does not, or is skipped | network |", "|---|---|---|---|---|"]
    for info in list_plugins():
        if not info.distribution.startswith("pnetkit-"):
            continue
        params = PARAMS.get(info.name, {})
        more = {"feature_channels": FEATURE_CHANNELS[info.name]} if info.name in FEATURE_CHANNELS else {}
        results = testing.run_checks(CHECKS[info.kind](info.name, params=params, **more))
        passed = sum(result.outcome == "passed" for result in results)
        others = ", ".join(f"`{result.name}`" for result in results if result.outcome != "passed")
        facts = testing.backbone_facts(info.name).in_words if info.kind == "backbone" else ""
        lines.append(f"| `{info.name}` | {info.kind} | {passed} of {len(results)} | {others or 'nothing'} | {facts} |")
    return "\n".join(lines)


@click.command()
@click.option("--write", is_flag=True, help="Put it into docs/plugins.md instead of printing it.")
def main(write: bool) -> None:
    made = table()
    if not write:
        click.echo(made)
        return
    text = PAGE.read_text(encoding="utf-8")
    pattern = re.compile(f"{re.escape(MARKS[0])}.*?{re.escape(MARKS[1])}", re.DOTALL)
    PAGE.write_text(pattern.sub(lambda _: f"{MARKS[0]}\n{made}\n{MARKS[1]}", text), encoding="utf-8")


if __name__ == "__main__":
    main()
