"""An index of a folder of cases: one line a case, sorted by what matters, with a link to its page where it has one."""

from dataclasses import dataclass

from markupsafe import Markup

from pnetkit.report.page.render import by_digest, environment, resource


@dataclass(frozen=True, slots=True)
class Entry:
    """Hold the line of a case: its name, where its page lies (empty: nowhere), and its cells."""

    name: str
    link: str
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Entries:
    """Hold cases of one kind, in the order in which they matter."""

    title: str
    says: str
    columns: tuple[str, ...]
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Index:
    """Hold an index; `notes` begin with what it is not for."""

    title: str
    subtitle: str
    groups: tuple[Entries, ...]
    notes: tuple[str, ...]
    made: str = ""


def rendered_index(index: Index) -> bytes:
    """Give the index as one HTML file without a script."""
    style = resource("page.css")
    policy = f"default-src 'none'; style-src {by_digest(style)}; base-uri 'none'; form-action 'none'"
    template = environment().get_template("index.html.j2")
    return template.render(index=index, policy=policy, style=Markup(style)).encode()  # the style is ours
