"""What a case may be called: its id names folders and files of results, so it must lead nowhere else."""

import re

OWN_FILES = frozenset(
    {"findings.csv", "screening.json", "index.html", "cases.csv", "lesions.csv", "metrics.json", "run.json"}
)
"""Files that pnetkit writes beside the folders of cases; compared without case, as some disks do."""

_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def case_id_fault(case_id: str) -> str:
    """Say what is wrong with a case's id; empty where nothing is."""
    if not _SAFE.fullmatch(case_id) or case_id.endswith("."):
        return (
            f"case_id {case_id!r} names result files, so it has to be letters, digits, '.', '_' and '-', start with a "
            "letter or digit, and end in no '.'; 100 characters at most"
        )
    if case_id.lower() in OWN_FILES:
        return f"case_id {case_id!r} is the name of a file that pnetkit writes there; choose another"
    return ""
