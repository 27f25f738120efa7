"""Tests of pnetkit.report.formats: one table in every format."""

import csv
import io

from pnetkit.report.formats import to_csv, to_latex
from pnetkit.report.tables import Table

TABLE = Table(
    "A & B_1", ("Method", "Tumor %"), (("s4c_dual", "80.1 ± 3"), ("<b>x</b>", "5 % \\ {a}")), ("Cohort: 3 & 4.",), (1,)
)


def test_csv_has_one_header_and_reads_back_cell_by_cell():
    text = to_csv([{"method": "a, b", "value": 0.25}, {"method": 'say "x"', "p": None}], ("method", "value", "p"))
    assert list(csv.reader(io.StringIO(text))) == [
        ["method", "value", "p"], ["a, b", "0.25", ""], ['say "x"', "", ""]
    ]  # fmt: skip


def test_latex_escapes_and_draws_booktabs_rules():
    text = to_latex([TABLE])
    assert r"\caption{A \& B\_1}" in text
    assert r"s4c\_dual & 80.1 $\pm$ 3 \\" in text
    assert r"<b>x</b> & 5 \% \textbackslash{} \{a\} \\" in text
    lines = text.splitlines()
    assert lines[lines.index(r"s4c\_dual & 80.1 $\pm$ 3 \\") + 1] == r"\midrule"
    assert [text.count(rule) for rule in (r"\toprule", r"\midrule", r"\bottomrule")] == [1, 2, 1]
