"""Write a checklist as Markdown: what the run's files say, each with where it stands, and what is open."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pnetkit.report.sheet.claim import CLAIM
from pnetkit.report.sheet.stard_ai import STARD_AI
from pnetkit.report.sheet.tripod_ai import TRIPOD_AI
from pnetkit.report.sheet.values import Checklist, Item, RunValues, Said

CHECKLISTS: Mapping[str, Checklist] = {of.name: of for of in (CLAIM, STARD_AI, TRIPOD_AI)}
"""The checklists by name."""

FIRST = "What authors leave out most"
"""The section that comes first: annotation, sample size, robustness, failure analysis, code and data."""

OPEN = "open: for the authors"

PHANTOMS = (
    "**The cases are generated phantoms: synthetic pictures, not patients. No figure here says anything about "
    "patients.**"
)


@dataclass(frozen=True, slots=True)
class Sheet:
    """Hold a sheet: its text, and how many of its items are filled in, whole or in part."""

    text: str
    items: int
    filled: int


def filled_in(checklist: Checklist, run: RunValues, *, made: str) -> Sheet:
    """Fill a checklist in with what a run's files say; `made` is what made it and when."""
    answers = {item.number: answered(item, run) for item in checklist.items}
    filled = sum(bool(said) for said in answers.values())
    profile = f", profile {run.record['profile']}" if run.record.get("profile") else ""
    count = len(checklist.items)
    words = (
        f"{made}, of the run {str(run.record.get('run_key', 'without a key'))[:16]}. {count} rows: {filled} filled in, "
        f"whole or in part, {count - filled} open."
    )
    how = (
        "A filled line is what a file of the run's folder says, and names the file and the place in it; the rest is "
        f"marked “{OPEN}”, and nothing stands in for it. Topics are in our words, and numbers follow "
        f"{checklist.published}: check both against the published list."
    )
    title = f"# {checklist.title}: {_safe(str(run.record.get('recipe', 'a run')) + profile)}"
    head = [title, "", words, "", how, "", *([PHANTOMS, ""] if run.is_phantom else [])]
    sections = {FIRST: [item for item in checklist.items if item.is_often_left_out]}
    for item in checklist.items:
        if not item.is_often_left_out:
            sections.setdefault(item.section, []).append(item)
    body = []
    for section, items in sections.items():
        body += [f"## {section}", ""]
        for item in items:
            body += [f"**{item.number} · {item.topic}**", "", *_lines(item, answers[item.number]), ""]
    return Sheet("\n".join([*head, *body]), len(checklist.items), filled)


def answered(item: Item, run: RunValues) -> list[Said]:
    """Give what a run's files say of an item, each sentence once."""
    return list(dict.fromkeys(said for answer in item.answers for said in answer(run)))


def _lines(item: Item, said: Sequence[Said]) -> list[str]:
    lines = [f"- {_safe(of.text)} (`{of.file}`: {_safe(of.key)})" for of in said]
    if item.rest:
        return [*lines, f"- *{OPEN}*: {item.rest}"]
    return lines or [f"- *{OPEN}*"]


def _safe(text: str) -> str:
    """Keep a text from being read as markup: it may come from a cohort's table."""
    return re.sub(r"([\\`*\[\]<>|])", r"\\\1", re.sub(r"\s+", " ", text)).replace("_", "\\_")
