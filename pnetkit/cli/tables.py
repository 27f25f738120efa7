"""Print report tables on the terminal."""

import click

from pnetkit.cli.console import print_grid
from pnetkit.report.tables import Table


def print_table(table: Table) -> None:
    """Print a table with its title and notes; a line of dashes stands above the rows that are set apart."""
    click.echo()
    print_grid(table.columns, table.rows, title=table.title, names=table.names, rules=table.rules, notes=table.notes)
