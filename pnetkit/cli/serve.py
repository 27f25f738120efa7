"""`pnetkit serve`: services that keep a model in memory and answer studies as they come."""

import click

from pnetkit.cli.serve_http import http


@click.group()
def serve() -> None:
    """Answer studies as they come, with a model that is loaded once. For research use only.

    A study that comes twice has one result, and a service that is killed goes on where it was.
    """


serve.add_command(http)
