"""`pnetkit serve http`: take studies and give findings over HTTP."""

from pathlib import Path
from typing import Any

import click

from pnetkit.cli.screening_options import DEVICE, FOLDS, MODEL, ON_GATE
from pnetkit.cli.service_options import service_options
from pnetkit.cli.sizes import optional_size

LOOPBACK = ("127.0.0.1", "::1", "localhost")


@click.command()
@MODEL
@click.option(
    "--state",
    type=click.Path(path_type=Path),
    default=Path("pnetkit-http"),
    show_default=True,
    help="Folder of the queue, of what comes and of results; the token lies there too.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at.")
@click.option("--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="0 takes a free one.")
@click.option("--tls-cert", "certificate", type=click.Path(path_type=Path), help="Certificate (PEM), with its chain.")
@click.option("--tls-key", "private_key", type=click.Path(path_type=Path), help="Its private key (PEM).")
@click.option("--plain-http", is_flag=True, help="Answer other machines without TLS: a proxy in front has it.")
@click.option("--token-file", type=click.Path(path_type=Path), help="File of the token. [default: STATE/token]")
@click.option("--no-token", is_flag=True, help="Ask for no token; then only this machine is answered.")
@click.option("--source", "sources", multiple=True, metavar="NAME=URL", help="A DICOMweb source; repeatable.")
@click.option(
    "--source-auth",
    "authorizations",
    multiple=True,
    metavar="NAME=FILE",
    help="What a source is sent as Authorization; repeatable.",
)
@service_options
@click.option(
    "--most-upload", callback=optional_size, default="4GB", show_default=True, help="Bound of one study as it is sent."
)
@DEVICE
@FOLDS
@ON_GATE
@click.option("--pdf", is_flag=True, help="Also make a page of PDF of each study.")
def http(
    *,
    model_folder: Path,
    state: Path,
    host: str,
    port: int,
    certificate: Path | None,
    private_key: Path | None,
    plain_http: bool,
    token_file: Path | None,
    no_token: bool,
    sources: tuple[str, ...],
    authorizations: tuple[str, ...],
    keep: float,
    time_limit: float,
    at_once: int | None,
    ram_bytes: int | None,
    most_bytes: int,
    most_studies: int,
    most_upload: int,
    device: str,
    folds: tuple[int, ...],
    on_gate: Any,
    pdf: bool,
) -> None:
    """Take studies and give findings over HTTP.

    For programs (/openapi.json says how), and with a page at / for trying it out. A token is made at the first start
    and asked for. What cannot be screened has a reason and no decision.
    """
    from functools import partial

    from pnetkit.extras import require_extra

    require_extra("serve", "pnetkit serve http")
    _require_safe(host, certificate, private_key, plain_http=plain_http, no_token=no_token)

    from pnetkit.model.folder import read_model
    from pnetkit.serve.capacity import capacity
    from pnetkit.serve.http.bounds import Bounds
    from pnetkit.serve.http.server import Serving, serve
    from pnetkit.serve.http.sources import sources_of
    from pnetkit.serve.http.token import token_in
    from pnetkit.serve.log import start_log
    from pnetkit.serve.screened import Screening, model_key, open_screening
    from pnetkit.serve.values import Limits
    from pnetkit.serve.work import Work

    try:
        known_sources = sources_of(sources, authorizations)
    except ValueError as error:
        raise click.UsageError(f"--source: {error}") from error
    model = read_model(model_folder)
    for note in model.notes:
        click.echo(f"note: {note}", err=True)
    room = capacity(device, at_once=at_once, ram_bytes=ram_bytes)
    screening = Screening(model_folder.resolve(), room.device, folds, room.threads, gates=on_gate, pdf=pdf)
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    token = None if no_token else token_in(token_file or state / "token")
    serving = Serving(
        state,
        model_key(screening),
        tuple(model.content["phases"]),
        token,
        host,
        port,
        certificate,
        private_key,
        keep,
        Limits(most_bytes, most_studies),
        Bounds(most_bytes=most_upload),
        known_sources,
    )
    start_log()
    work = Work(
        partial(open_screening, screening),
        room.at_once,
        time_limit,
        room.ram_bytes_each,
        imported="pnetkit.serve.screened",
    )
    scheme = "http" if certificate is None else "https"
    secret = "without a token" if token is None else f"with the token in {token_file or state / 'token'}"
    serve(serving, work, listening=partial(_say_where, scheme, host, secret))


def _say_where(scheme: str, host: str, secret: str, port: int) -> None:
    """Say where the service listens, and what it asks for."""
    shown = f"[{host}]" if ":" in host else host
    click.echo(f"Listening at {scheme}://{shown}:{port} {secret}. Research use only, not for diagnosis.", err=True)


def _require_safe(
    host: str, certificate: Path | None, private_key: Path | None, *, plain_http: bool, no_token: bool
) -> None:
    """Raise click.UsageError for what would let others read along, or in."""
    if (certificate is None) != (private_key is None):
        raise click.UsageError("--tls-cert and --tls-key belong together; give both.")
    if host in LOOPBACK:
        return
    if no_token:
        raise click.UsageError("--no-token is for this machine alone; listen at 127.0.0.1, or ask for the token.")
    if certificate is None and not plain_http:
        raise click.UsageError(
            "other machines are answered over TLS: give --tls-cert and --tls-key, or --plain-http where a proxy has it."
        )
