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

PARAMS: Mapping[str, Mapping[str, Any]] = {
    "roi-classifier": {"channels": [8, 8], "groups": 4, "iterations": 40},
}


def table() -> str:
    lines = ["| plugin | kind | passes | deviates, and why | network |", "|---|---|---|---|---|"]
    for info in list_plugins():
        if not info.distribution.startswith("pnetkit-"):
            continue
        params = PARAMS.get(info.name, {})
        results = testing.run_checks(testing.KITS[info.kind](info.name, params=params))
        passed = sum(result.outcome == "passed" for result in results)
        others = ", ".join(_in_words(result) for result in results if result.outcome != "passed")
        facts = testing.backbone_facts(info.name).in_words if info.kind == "backbone" else ""
        lines.append(f"| `{info.name}` | {info.kind} | {passed} of {len(results)} | {others or 'nothing'} | {facts} |")
    return "\n".join(lines)


def _in_words(result: testing.CheckResult) -> str:
    said = f" ({result.reason})" if result.outcome == "deviates as documented" else f" ({result.outcome})"
    return f"`{result.name}`{said}"


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
