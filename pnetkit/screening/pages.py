"""Write what people look at beside a finding: a page a case, on wish one of PDF, and an index of the folder.

out/index.html           every case that lies there, sorted by what matters, with links
out/CASE/report.html     pictures of all phases with outlines, measurements, flags
out/CASE/report.pdf      the same on one page, where it is asked for
out/CASE/report_pdf.dcm  that in DICOM, where results are written as DICOM

A page that cannot be made costs itself: the finding stands, and that is noted.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pnetkit import __version__
from pnetkit.errors import StoreError, counted
from pnetkit.files import disk_errors_in_words, write_atomically
from pnetkit.imaging.nifti import read_labels
from pnetkit.report.page.budget import BUDGET, CaseMaker
from pnetkit.report.page.index import Entries, Entry, Index, rendered_index
from pnetkit.report.page.values import RESEARCH
from pnetkit.report.page.write import write_page
from pnetkit.screening.case_page import GROUP, Seen, case_page, case_view, shown_flags
from pnetkit.screening.findings_folder import FAILED, FINDING, FindingsFolder
from pnetkit.screening.results import said
from pnetkit.screening.screener import CaseResult, Screener
from pnetkit.screening.source import Loaded, ScreeningCase

INDEX, PAGE, PDF, WRAPPED = "index.html", "report.html", "report.pdf", "report_pdf.dcm"


@dataclass(frozen=True, slots=True)
class Pages:
    """Say which pages are wanted beside the HTML: `pdf` asks for one of PDF (the extra `pdf`)."""

    pdf: bool = False

    def of(self, case: ScreeningCase) -> tuple[str, ...]:
        """Name the files that a case is to have."""
        wrapped = (WRAPPED,) if case.wrap_page is not None else ()
        return (PAGE, *((PDF, *wrapped) if self.pdf else ()))


def lacking(pages: Pages | None, case: ScreeningCase, folder: Path) -> bool:
    """Tell whether a case's folder lacks a page that is wanted."""
    return pages is not None and any(not (folder / name).is_file() for name in pages.of(case))


def write_pages(pages: Pages, case: ScreeningCase, seen: Seen, screener: Screener, folder: Path) -> None:
    """Write the pages of a case into its folder.

    Raises:
        StoreError: the disk takes no more.
        Exception: whatever images, plugins or their headers bring; the caller notes it.
    """
    page = case_page(seen, screener)
    maker = CaseMaker(GROUP, lambda volumes: case_view(seen, screener, volumes=volumes))
    write_page(page, [maker], {GROUP: 0}, folder / PAGE, budget=BUDGET)
    if pages.pdf:
        from pnetkit.report.page.pdf import case_pdf  # noqa: PLC0415  # needs the extra

        data = case_pdf(page, case_view(seen, screener, volumes=False), shown_flags(seen.record))
        with disk_errors_in_words(folder):
            write_atomically(folder / PDF, data)
            if case.wrap_page is not None:
                case.wrap_page(folder / WRAPPED, data, screener.model.name, screener.model.digest)


def paged(pages: Pages | None, case: ScreeningCase, screener: Screener, folder: Path, seen: Callable[[], Seen]) -> str:
    """Write the pages of a case, if any are wanted; say why they could not be made. Raises StoreError for the disk."""
    if pages is None:
        return ""
    try:
        write_pages(pages, case, seen(), screener, folder)
    except StoreError:
        raise
    except Exception as error:  # noqa: BLE001  # the finding is made, and must not be lost
        return said(error)
    return ""


def seen_now(loaded: Mapping[str, Loaded], result: CaseResult, record: Mapping[str, Any]) -> Seen:
    """Give what is shown of a case that was just screened."""
    scans = {phase: found.scan for phase, found in loaded.items()}
    return Seen(record, scans, {name: found.segmentation.labels for name, found in result.inputs.items()})


def seen_again(case: ScreeningCase, record: Mapping[str, Any], screener: Screener, folder: Path) -> Seen:
    """Read back what is shown of a case whose finding is there. Raises ImageError as reading the files does."""
    scans = {phase: source.load().scan for phase, source in case.scans.items()}
    there = [of.name for of in screener.parts.inputs if (folder / f"{of.name}_segmentation.nii.gz").is_file()]
    labels = {name: read_labels(folder / f"{name}_segmentation.nii.gz")[0] for name in there}
    return Seen(record, scans, labels)


def write_index(findings: FindingsFolder, model: str) -> None:
    """Write the index of all cases that lie in a folder of findings. Raises StoreError where it cannot be written."""
    findings.write_beside(INDEX, lambda rows: rendered_index(_index(findings, rows, model)))


def _why(out: Path, case_id: str) -> str:
    """Give the file that says why a case has no finding: that of the failure, or a finding that is damaged."""
    name = FAILED if (out / case_id / FAILED).is_file() else FINDING
    return f"{case_id}/{name}"


def _index(findings: FindingsFolder, rows: Sequence[Mapping[str, str]], model: str) -> Index:
    falling = sorted(rows, key=lambda row: (-float(row.get("score") or 0), row["case_id"]))
    by_decision = {of: [row for row in falling if row.get("decision") == of] for of in ("abnormal", "normal")}
    failed = [row for row in falling if row["status"] == "failed"]
    measured = [f"{name}: {what}, ml" for name in findings.inputs for what in ("tumor", "duct")]
    columns = ("Case", "Score", "Fired", *measured, "Missing", "Flags")
    groups = (
        Entries(
            "Called abnormal",
            "Highest score first, in units of the threshold.",
            columns,
            tuple(_entry(findings, row) for row in by_decision["abnormal"]),
        ),
        Entries(
            "Without a finding",
            "They could not be screened; the linked file says why.",
            ("Case",),
            tuple(Entry(row["case_id"], _why(findings.out, row["case_id"]), ()) for row in failed),
        ),
        Entries(
            "Not called",
            "Highest score first, in units of the threshold.",
            columns,
            tuple(_entry(findings, row) for row in by_decision["normal"]),
        ),
    )
    return Index(
        title="Findings",
        subtitle=f"{counted(len(rows), 'case')}, screened by {model}",
        groups=groups,
        notes=(f"{RESEARCH}, not for diagnosis.", "A decision that is no call rules nothing out."),
        made=f"Made by pnetkit {__version__}",
    )


def _entry(findings: FindingsFolder, row: Mapping[str, str]) -> Entry:
    case = row["case_id"]
    link = f"{case}/{PAGE}" if (findings.out / case / PAGE).is_file() else ""
    volumes = [
        f"{float(text) / 1000:.2f}" if (text := row.get(f"{name}_{what}_mm3", "")) else "–"  # noqa: RUF001  # a dash
        for name in findings.inputs
        for what in ("tumor", "duct")
    ]
    fired, missing = row["fired"].replace(";", ", "), row["missing"].replace(";", ", ")
    return Entry(case, link, (f"{float(row['score']):.2f}", fired, *volumes, missing, row["flag_count"]))
