"""`pnetkit serve`: let studies come in, and findings go out."""

import click

from pnetkit.cli.serve_dicom import dicom


@click.group()
def serve() -> None:
    """Screen what comes, as a service. For research use only."""


serve.add_command(dicom)
