"""Run the conformance kit over the shipped plugins and write the table of docs/plugins.md."""

import re
from collections.abc import Collection
from pathlib import Path

import click

from pnetkit import testing
from pnetkit.registry import PluginInfo, list_plugins

PAGE = Path(__file__).parents[2] / "docs" / "plugins.md"
MARKS = ("<!-- conformance -->", "<!-- /conformance -->")


def table(only: Collection[str] = ()) -> str:
    """Make the table; of plugins outside `only`, where it names any, the page's own rows are kept."""
    kept = rows_of(PAGE.read_text(encoding="utf-8")) if only else {}
    lines = ["| plugin | kind | passes | deviates, and why | network |", "|---|---|---|---|---|"]
    for info in list_plugins():
        if info.distribution.startswith("pnetkit-"):
            old = kept.get((info.name, info.kind)) if info.name not in only else None
            lines.append(old or row(info))
    return "\n".join(lines)


def row(info: PluginInfo) -> str:
    results = testing.run_checks(testing.KITS[info.kind](info.name))
    passed = sum(result.outcome == "passed" for result in results)
    others = ", ".join(_in_words(result) for result in results if result.outcome != "passed")
    facts = testing.backbone_facts(info.name).in_words if info.kind == "backbone" else ""
    return f"| `{info.name}` | {info.kind} | {passed} of {len(results)} | {others or 'nothing'} | {facts} |"


def rows_of(page: str) -> dict[tuple[str, str], str]:
    lines = page.partition(MARKS[0])[2].partition(MARKS[1])[0].splitlines()
    found = {}
    for line in lines:
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) > 2 and cells[1].startswith("`"):
            found[cells[1].strip("`"), cells[2]] = line
    return found


def _in_words(result: testing.CheckResult) -> str:
    said = f" ({result.reason})" if result.outcome == "deviates as documented" else f" ({result.outcome})"
    return f"`{result.name}`{said}"


@click.command()
@click.option("--write", is_flag=True, help="Put it into docs/plugins.md instead of printing it.")
@click.option("--only", multiple=True, metavar="NAME", help="Make this plugin's row anew, and keep others; repeatable.")
def main(write: bool, only: tuple[str, ...]) -> None:
    made = table(only)
    if not write:
        click.echo(made)
        return
    text = PAGE.read_text(encoding="utf-8")
    pattern = re.compile(f"{re.escape(MARKS[0])}.*?{re.escape(MARKS[1])}", re.DOTALL)
    PAGE.write_text(pattern.sub(lambda _: f"{MARKS[0]}\n{made}\n{MARKS[1]}", text), encoding="utf-8")


if __name__ == "__main__":
    main()
