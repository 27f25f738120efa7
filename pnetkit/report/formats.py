"""Write tables as Markdown, LaTeX and HTML, and rows of figures as CSV."""

import csv
import html
import io
from collections.abc import Mapping, Sequence
from typing import Any

from pnetkit.report.tables import Table, to_markdown

__all__ = ["FORMATS", "to_csv", "to_html", "to_latex", "to_markdown"]

_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "±": r"$\pm$", "≥": r"$\geq$",
}  # fmt: skip

STYLE = """\
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 120rem; padding: 0 1rem }
table { border-collapse: collapse; margin: .5rem 0; font-variant-numeric: tabular-nums }
th, td { padding: .3rem .8rem; text-align: left; white-space: nowrap } caption { text-align: left; font-weight: 600 }
thead th { border-top: 2px solid; border-bottom: 1px solid } tbody tr:last-child td { border-bottom: 2px solid }
tr.rule td { border-top: 1px solid } p.note { color: #555; margin: .15rem 0 } div.wide { overflow-x: auto }"""


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


def to_html(tables: Sequence[Table], *, title: str) -> str:
    """Give tables as one HTML page without scripts or outside resources."""
    body = "\n".join(map(_html_table, tables))
    return (
        f'<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8"><title>{html.escape(title)}</title>\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<style>\n{STYLE}\n</style></head>\n'
        f"<body>\n<h1>{html.escape(title)}</h1>\n{body}\n</body>\n</html>\n"
    )


def _html_table(table: Table) -> str:
    def line(cells: Sequence[str], kind: str, css: str = "") -> str:
        return f"<tr{css}>" + "".join(f"<{kind}>{html.escape(cell)}</{kind}>" for cell in cells) + "</tr>"

    rows = [line(row, "td", ' class="rule"' if i in table.rules else "") for i, row in enumerate(table.rows)]
    notes = "\n".join(f'<p class="note">{html.escape(note)}</p>' for note in table.notes)
    return (
        f'<div class="wide"><table>\n<caption>{html.escape(table.title)}</caption>\n'
        f"<thead>{line(table.columns, 'th')}</thead>\n<tbody>\n"
        + "\n".join(rows)
        + f"\n</tbody></table></div>\n{notes}"
    )


def _tex(text: str) -> str:
    return "".join(_LATEX.get(letter, letter) for letter in text)


FORMATS = ("console", "markdown", "latex", "csv", "json", "html")
"""What `pnetkit compare --format` offers."""
