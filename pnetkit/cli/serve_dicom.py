"""`pnetkit serve dicom`: a DICOM node that screens what is sent to it."""

from pathlib import Path
from typing import Any

import click

from pnetkit.cli.screening_options import DEVICE, FOLDS, MODEL, ON_GATE
from pnetkit.cli.service_options import duration, service_options


@click.command()
@MODEL
@click.option("--config", type=click.Path(path_type=Path), required=True, help="Who may send, and where results go.")
@click.option("--state", type=click.Path(path_type=Path), required=True, help="Folder of the queue and all in it.")
@click.option("--stable-after", default="60s", show_default=True, callback=duration, help="Quiet time after a study.")
@service_options
@DEVICE
@FOLDS
@click.option("--description", multiple=True, metavar="PHASE=PATTERN", help="Regular expression for a phase's series.")
@click.option(
    "--by",
    type=click.Choice(["description", "time", "image"]),
    default="description",
    show_default=True,
    help="How phases are told.",
)
@ON_GATE
@click.option("--no-pdf", is_flag=True, help="Send no page of PDF.")
def dicom(
    *,
    model_folder: Path,
    config: Path,
    state: Path,
    stable_after: float,
    keep: float,
    time_limit: float,
    at_once: int | None,
    ram_bytes: int | None,
    most_bytes: int,
    most_studies: int,
    device: str,
    folds: tuple[int, ...],
    description: tuple[str, ...],
    by: Any,
    on_gate: Any,
    no_pdf: bool,
) -> None:
    """Be a DICOM node that puts CT to MODEL, and sends SEG, SR and a page of PDF back. For research use only.

    A study is complete when nothing of it has come for --stable-after. Every study ends in a finding that is sent, a
    refusal that is sent and says why, or an alarm in the log. What waits outlasts a restart.
    """
    import signal
    import threading
    from functools import partial

    from pnetkit.cli.screen import by_phase
    from pnetkit.extras import require_extra

    require_extra("serve", "pnetkit serve dicom")
    from pnetkit.dicom.source_headers import Author
    from pnetkit.model.folder import read_model
    from pnetkit.serve.capacity import capacity
    from pnetkit.serve.config import read_config
    from pnetkit.serve.dicom_service import Times, refuse, serve_dicom
    from pnetkit.serve.log import start_log
    from pnetkit.serve.queue import Queue
    from pnetkit.serve.screened import Screening, model_key, open_screening
    from pnetkit.serve.values import Limits
    from pnetkit.serve.work import Work

    asked = read_config(config)
    model = read_model(model_folder)
    room = capacity(device, at_once=at_once, ram_bytes=ram_bytes)
    described = tuple(by_phase(description, "--description").items())
    screening = Screening(
        model_folder.resolve(), room.device, folds, room.threads, on_gate, by, described, dicom=True, pdf=not no_pdf
    )
    refusing = partial(refuse, Author(model.name, model.digest))
    work = Work(
        partial(open_screening, screening, refusing),
        at_once=room.at_once,
        time_limit_s=time_limit,
        ram_bytes=room.ram_bytes_each,
        refuse=refusing,
        send_to=tuple(asked.destinations),
        imported="pnetkit.serve.screened",
    )
    start_log()
    ending = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ending.set())
    queue = Queue(state, model=model_key(screening), limits=Limits(most_bytes, most_studies))
    try:
        serve_dicom(queue, asked, work, Times(stable_after, keep), ending)
    finally:
        queue.close()
