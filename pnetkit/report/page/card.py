"""One case as a fragment of HTML, for a notebook: all is escaped, without a script, with a style of its own."""

from collections.abc import Sequence

from pnetkit.report.page.render import environment
from pnetkit.report.page.values import RESEARCH, CaseView

CARD = "card.html.j2"
"""The template."""


def rendered_card(case: CaseView, flags: Sequence[str], *, model: str) -> str:
    """Give a case with a still of each phase, what was measured, and its flags."""
    template = environment().get_template(CARD)
    text = template.render(case=case, flags=tuple(flags), model=model, note=f"{RESEARCH}, not for diagnosis.")
    return text.strip() + "\n"
