"""Print report tables on the terminal."""

from rich.text import Text

from pnetkit.cli.console import console, grid
from pnetkit.report.tables import Table


def print_table(table: Table) -> None:
    """Print a table with its title and notes; a line of dashes stands above the rows that are set apart."""
    rows = []
    for index, row in enumerate(table.rows):
        if index and index in table.rules:
            rows.append(tuple("-" * len(name) for name in table.columns))
        rows.append(row)
    out = console()
    out.print()
    out.print(grid(table.columns, rows, title=table.title))
    for note in table.notes:
        out.print(Text(note), soft_wrap=True)
