"""`pnetkit screen`: put scans to an exported model."""

import os
from functools import partial
from pathlib import Path
from typing import Any

import click

from pnetkit.cli.as_json import JSON, json_alone, print_json
from pnetkit.cli.screening_options import DEVICE, FOLDS, MODEL, ON_GATE


@click.command()
@MODEL
@click.argument("inputs", metavar="INPUT...", nargs=-1, required=True)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder of the findings.")
@click.option("--case-id", help="Id of the case whose scans are given as PHASE=FILE. [default: case]")
@FOLDS
@DEVICE
@click.option("--threads", type=click.IntRange(min=1), help="CPU threads. [default: one a core]")
@click.option(
    "--series", multiple=True, metavar="PHASE=UID", help="DICOM: the series of a phase, or UID/PART; repeatable."
)
@click.option(
    "--description",
    multiple=True,
    metavar="PHASE=PATTERN",
    help="DICOM: a regular expression for series of a phase.",
)
@click.option(
    "--by",
    type=click.Choice(["description", "time", "image"]),
    default="description",
    show_default=True,
    help="DICOM: how phases are told that no --series names.",
)
@click.option("--dicom-results", is_flag=True, help="DICOM: also write SEG and SR, which carry the patient's identity.")
@click.option("--no-report", is_flag=True, help="Make no page of each case and no index of the folder.")
@click.option(
    "--pdf", is_flag=True, help="Also make a page of PDF of each case, with --dicom-results as DICOM too (extra pdf)."
)
@click.option(
    "--trace",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write which patient, study and folder each case id is into this CSV, which only you may read.",
)
@click.option(
    "--same-patient",
    is_flag=True,
    help="DICOM: take series for one patient's whose headers contradict each other; the finding and the SR say so.",
)
@ON_GATE
@JSON
def screen(
    *,
    model_folder: Path,
    inputs: tuple[str, ...],
    out: Path,
    case_id: str | None,
    folds: tuple[int, ...],
    device: str,
    threads: int | None,
    series: tuple[str, ...],
    description: tuple[str, ...],
    by: Any,
    dicom_results: bool,
    no_report: bool,
    pdf: bool,
    same_patient: bool,
    trace: Path | None,
    on_gate: Any,
    as_json: bool,
) -> None:
    """Ask MODEL about scans. For research use only.

    INPUT is a table of cases (CSV with case_id and PHASE_image columns), a folder of DICOM (each study is a case), or
    PHASE=FILE for each scan of one case:

        pnetkit screen model arterial=a.nii.gz venous=v.nii.gz --case-id P1 --out findings

    The model is loaded once. A case that cannot be screened is recorded with its reason, the others go on, and the exit
    code is 8. The same command again takes over what is done.
    """
    import torch

    from pnetkit.extras import require_extra
    from pnetkit.model.folder import read_model
    from pnetkit.process_memory import keep_freed_memory
    from pnetkit.screening.cases import Asked, cases_of
    from pnetkit.screening.pages import INDEX, Pages
    from pnetkit.screening.screen import require_all_screened, screen_cases
    from pnetkit.screening.screener import load_screener
    from pnetkit.screening.trace import write_trace

    if pdf and no_report:
        raise click.UsageError("--pdf makes a page of PDF, and --no-report no page at all; leave one of them out.")
    if pdf:
        require_extra("pdf", "--pdf")
    keep_freed_memory()
    say = partial(click.echo, err=as_json)
    torch.set_num_threads(threads or os.cpu_count() or 1)
    model = read_model(model_folder)
    for note in model.notes:
        say(f"note: {note}")
    learned_mm = {phase: tuple(seen["spacing_mm"][2]) for phase, seen in model.content["grid"]["seen"].items()}
    uids, descriptions = by_phase(series, "--series"), by_phase(description, "--description")
    asked = Asked(case_id, uids, descriptions, by, dicom_results, same_patient, learned_mm)
    cases = cases_of(inputs, model.content["phases"], asked, say)
    if trace is not None:
        write_trace(trace, cases, out)
        say(f"Trace: {trace}. It names patients: keep it apart from the findings.")
    try:
        with json_alone(as_json):  # what a network prints is no part of what is asked for
            screener = load_screener(model, device=device, folds=folds or None)
            pages = None if no_report else Pages(pdf)
            done = screen_cases(screener, cases, out, gates=on_gate, say=say, pages=pages)
    except KeyboardInterrupt:
        click.echo("Interrupted. Run the same command again: it goes on where it stopped.", err=True)
        raise click.exceptions.Exit(130) from None
    look = "" if no_report else f" To look at: {out / INDEX}."
    say(f"Findings: {out / 'findings.csv'}.{look} Research use only, not for diagnosis.")
    if as_json:
        print_json([{"case_id": of.case_id, "status": of.status, "finding": of.record} for of in done])
    require_all_screened(done, out)


def by_phase(given: tuple[str, ...], option: str) -> dict[str, str]:
    """Split PHASE=VALUE. Raises click.BadParameter for what has no =, and for a phase that is given twice."""
    found: dict[str, str] = {}
    for text in given:
        phase, equals, value = text.partition("=")
        if not (equals and phase and value) or phase in found:
            raise click.BadParameter(f"wanted PHASE=VALUE once for each phase, got {text!r}", param_hint=option)
        found[phase] = value
    return found
