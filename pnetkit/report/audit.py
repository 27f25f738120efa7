"""What an audit of a cohort found, for people: a table of counts, and a page with every remark."""

from pnetkit import __version__
from pnetkit.cohort.audit.audit import Audit
from pnetkit.cohort.audit.judge import KINDS, Remark
from pnetkit.errors import counted
from pnetkit.report.page.index import Entries, Entry, Index, rendered_index
from pnetkit.report.page.values import RESEARCH
from pnetkit.report.tables import Table

SHOWN = 3
"""Cases of a kind that the table names."""


def audit_table(found: Audit) -> Table:
    """Make the table of an audit: how many remarks of each kind there are, and the first cases."""
    rows = []
    for kind, count in found.counts.items():
        of_kind = [remark for remark in found.remarks if remark.kind == kind]
        some = "; ".join(f"{_name(remark)}: {remark.says}" for remark in of_kind[:SHOWN])
        rows.append((kind, str(count), some + (f"; and {count - SHOWN} more" if count > SHOWN else "")))
    return Table(f"Audit of {_what(found)}", ("what", "remarks", "such as"), tuple(rows), ())


def audit_page(found: Audit) -> bytes:
    """Make the page of an audit: one HTML file, without pictures and without a script."""
    groups = tuple(
        Entries(
            kind[0].upper() + kind[1:],
            says,
            ("Case", "Phase", "What is seen", "Also"),
            tuple(
                Entry(of.case_id, "", (of.phase, of.says, ", ".join(of.others)))
                for of in found.remarks
                if of.kind == kind
            ),
        )
        for kind, says in KINDS.items()
    )
    none = [kind for kind, count in found.counts.items() if not count]
    return rendered_index(
        Index(
            title=f"Audit of {found.source.name}",
            subtitle=f"{_what(found)}: {counted(len(found.remarks), 'remark')}",
            groups=groups,
            notes=(
                f"{RESEARCH}, not for diagnosis.",
                "A remark is no verdict: somebody has to look. What is not here was not found, which is no proof.",
                *((f"Looked for, and not found: {', '.join(none)}.",) if none else ()),
            ),
            made=f"Made by pnetkit {__version__}",
        )
    )


def _what(found: Audit) -> str:
    scans, labels = counted(found.scans, "scan"), counted(found.labels, "label map")
    return f"{counted(found.cases, 'case')}, {scans}, {labels}"


def _name(remark: Remark) -> str:
    return f"{remark.case_id} ({remark.phase})"
