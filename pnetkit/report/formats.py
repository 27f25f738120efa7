"""Write tables as Markdown and LaTeX, and rows of figures as CSV."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from pnetkit.report.tables import Table, to_markdown

__all__ = ["FORMATS", "to_csv", "to_latex", "to_markdown"]

_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "±": r"$\pm$", "≥": r"$\geq$",
}  # fmt: skip


def to_latex(tables: Sequence[Table]) -> str:
    """Give tables as LaTeX with booktabs; notes stand below each."""
    parts = []
    for table in tables:
        rows = []
        for index, row in enumerate(table.rows):
            if index and index in table.rules:
                rows.append(r"\midrule")
            rows.append(" & ".join(map(_tex, row)) + r" \\")
        parts += [
            r"\begin{table}",
            rf"\caption{{{_tex(table.title)}}}",
            r"\begin{tabular}{" + "l" * len(table.columns) + "}",
            r"\toprule",
            " & ".join(map(_tex, table.columns)) + r" \\",
            r"\midrule",
            *rows,
            r"\bottomrule",
            r"\end{tabular}",
            *(rf"\par\footnotesize {_tex(note)}" for note in table.notes),
            r"\end{table}",
            "",
        ]
    return "% needs \\usepackage{booktabs}\n" + "\n".join(parts)


def to_csv(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> str:
    """Give rows as one CSV with one header; a column that a row does not have is empty there."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _tex(text: str) -> str:
    return "".join(_LATEX.get(letter, letter) for letter in text)


FORMATS = ("console", "markdown", "latex", "csv", "json", "html")
"""What `pnetkit compare --format` offers."""
