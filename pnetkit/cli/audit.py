"""What `pnetkit cohort check --audit` does: look, show, and write."""

from concurrent.futures import Executor
from pathlib import Path
from typing import Any

import click


def audit_cohort(
    table: Path,
    phases: tuple[str, ...],
    policy: Any,
    executor: Executor,
    *,
    limits: dict[str, float],
    csv: Path | None,
    page: Path | None,
) -> Any:
    """Audit a cohort, print what was found, and write it where that is asked for; gives what was found."""
    from pnetkit.cli.console import print_grid
    from pnetkit.cohort.audit.audit import audit
    from pnetkit.cohort.audit.judge import Limits
    from pnetkit.files import disk_errors_in_words, write_atomically
    from pnetkit.report.audit import audit_page, audit_table
    from pnetkit.screening.gates import phase_gate

    found = audit(table, phases, policy, Limits(**limits), phase_gate, executor)  # type: ignore[arg-type]
    shown = audit_table(found)
    print_grid(shown.columns, shown.rows, title=shown.title, prose=shown.columns[-1:])
    for path, data in ((csv, found.to_csv().encode()), (page, audit_page(found))):
        if path is not None:
            with disk_errors_in_words(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                write_atomically(path, data)
            click.echo(f"Every remark: {path}")
    return found
