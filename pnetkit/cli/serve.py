"""`pnetkit serve`: let studies come in, and findings go out."""

import click

from pnetkit.cli.serve_dicom import dicom
from pnetkit.cli.serve_http import http


@click.group()
def serve() -> None:
    """Screen what comes, as a service. For research use only.

    The model is loaded once. A study that comes twice has one result, and a killed service goes on where it was.
    """


serve.add_command(dicom)
serve.add_command(http)
