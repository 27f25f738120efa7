"""The `pnetkit` command: its groups, and how errors end it."""

import sys

import click

from pnetkit import __version__
from pnetkit.cli.agree import agree
from pnetkit.cli.bench import bench
from pnetkit.cli.cohort import cohort
from pnetkit.cli.compare import compare
from pnetkit.cli.console import echo
from pnetkit.cli.doctor import doctor
from pnetkit.cli.export import export
from pnetkit.cli.figure import figure
from pnetkit.cli.module import module
from pnetkit.cli.plan import plan
from pnetkit.cli.plugins import plugins
from pnetkit.cli.recipe import recipe
from pnetkit.cli.report import report
from pnetkit.cli.run import run
from pnetkit.cli.runs import runs
from pnetkit.cli.screen import screen
from pnetkit.cli.serve import serve
from pnetkit.cli.sheet import sheet
from pnetkit.cli.weights import weights
from pnetkit.errors import FaultsError, PnetkitError


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="pnetkit")
def cli() -> None:
    """Screen abdominal CT for pancreatic neuroendocrine tumors. For research use only.

    Start with `pnetkit run s4c_dual`: it trains and evaluates the paper's method on generated phantoms.

    Exit codes: 0 done, 1 other error, 2 wrong usage, 3 recipe, 4 cohort or image, 5 plugin, 6 training, 7 store,
    8 parts of a run or some cases failed, 9 model, 130 interrupted.
    """


for command in (
    run,
    compare,
    report,
    figure,
    sheet,
    export,
    screen,
    module,
    serve,
    plan,
    runs,
    plugins,
    recipe,
    cohort,
    bench,
    agree,
    weights,
    doctor,
):
    cli.add_command(command)


def main() -> None:
    """Run the command line; an error that the user can put right ends it with one message and its own exit code."""
    try:
        cli()
    except FaultsError as error:
        echo(f"Error: {error}", err=True)
        sys.exit(error.exit_code)
    except PnetkitError as error:  # left to the terminal to break: there may be a command to copy in it
        click.echo(f"Error: {error}", err=True)
        sys.exit(error.exit_code)
