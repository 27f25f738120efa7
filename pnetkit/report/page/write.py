"""Write a page: one file that holds everything, within its budget; or a folder whose page links to its pictures."""

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pnetkit.errors import ReportError
from pnetkit.files import disk_errors_in_words, write_atomically
from pnetkit.report.page.budget import CaseMaker, left_out_of, lightened, made_within
from pnetkit.report.page.render import rendered
from pnetkit.report.page.values import CaseView, Group, LeftOut, Page

PICTURES, VOLUMES = "pictures", "volumes"
"""The folders beside a page that links to its files."""

OURS = re.compile(r"\d{4,}-\d+\.(webp|js)")
"""What files in them are called: nothing else is ever deleted."""

UNBOUNDED = 2**62


@dataclass(frozen=True, slots=True)
class Written:
    """Say where a page is, how many bytes its file has, how many cases are on it, and what was left out."""

    path: Path
    size: int
    cases: int
    left_out: LeftOut


def write_page(
    page: Page,
    makers: Sequence[CaseMaker],
    groups: Mapping[str, int],
    target: Path,
    *,
    budget: int,
    linked: bool = False,
) -> Written:
    """Make the cases of a page and write it; `groups` gives the place of each group by name.

    Raises ReportError where even the page without a picture is larger than the budget, or where a folder is asked for
    that holds what is not of such a page.
    """
    with disk_errors_in_words(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        if linked:
            _empty_of_earlier(target)
            cases = made_within(makers, UNBOUNDED, lambda case: _beside(case, target.parent))
            data = _as_html(page, cases, groups, linked=True)
        else:
            data, cases = page_within(page, makers, groups, budget=budget)
        write_atomically(target, data)
    return Written(target, len(data), len(cases), what_is_left_out(page, cases))


def _empty_of_earlier(target: Path) -> None:
    """Make the folders beside a page, and delete the files of an earlier page in them, if nothing else is there."""
    folders = [target.parent / name for name in (PICTURES, VOLUMES)]
    theirs = [path for path in folders if path.is_symlink() or (path.exists() and not path.is_dir())]
    there = [path for folder in folders if folder not in theirs and folder.is_dir() for path in folder.iterdir()]
    theirs += [path for path in there if not OURS.fullmatch(path.name)]
    if target.exists() and not all(folder.is_dir() for folder in folders):
        theirs.append(target)
    if theirs:
        raise ReportError(f"{theirs[0]}: is not of a page of pnetkit's; nothing was written. Choose another --folder.")
    for folder in folders:
        folder.mkdir(exist_ok=True)
    for path in there:
        path.unlink()


def page_within(
    page: Page, makers: Sequence[CaseMaker], groups: Mapping[str, int], *, budget: int
) -> tuple[bytes, list[CaseView]]:
    """Make the cases of a page; give it as one HTML file within a budget, and the cases as they are on it.

    Raises ReportError where even the page without a picture is larger than the budget.
    """
    cases = made_within(makers, budget - len(rendered(page, LeftOut(), linked=False)))
    data = _as_html(page, cases, groups, linked=False)
    while len(data) > budget:
        lighter = lightened(cases, len(data) - budget)
        if lighter == cases:
            linked = ", or --folder DIR for a page that links to its files" if page.has_slices else ""
            raise ReportError(
                f"The page takes {len(data):,} bytes without any picture, more than the budget of {budget:,}. Give "
                f"a larger --budget{linked}."
            )
        cases = lighter
        data = _as_html(page, cases, groups, linked=False)
    return data, cases


def what_is_left_out(page: Page, cases: Sequence[CaseView]) -> LeftOut:
    """Count what a page has left out of its cases: no slices where it has none of any case."""
    left = left_out_of(cases)
    return left if page.has_slices else replace(left, volumes=0)


def _as_html(page: Page, cases: Sequence[CaseView], places: Mapping[str, int], *, linked: bool) -> bytes:
    return rendered(_filled(page, cases, places), what_is_left_out(page, cases), linked=linked)


def _filled(page: Page, cases: Sequence[CaseView], places: Mapping[str, int]) -> Page:
    members: list[list[CaseView]] = [[] for _ in page.groups]
    for case in cases:
        members[places[case.group]].append(case)
    groups: list[Group] = [replace(g, cases=tuple(of)) for g, of in zip(page.groups, members, strict=True)]
    return replace(page, groups=tuple(group for group in groups if group.cases))


def _beside(case: CaseView, folder: Path) -> CaseView:
    """Write a case's pictures beside the page, and keep no more of them than where they are."""
    panels = []
    for place, panel in enumerate(case.panels, start=1):
        name, still, volume = f"{case.number:04}-{place}", panel.still, panel.volume
        if still is not None:
            (folder / PICTURES / f"{name}.webp").write_bytes(still.webp)
            still = replace(still, webp=b"", link=f"{PICTURES}/{name}.webp")
        if volume is not None:
            text = base64.b64encode(volume.packed).decode()
            (folder / VOLUMES / f"{name}.js").write_text(f'pnetkitVolume("{name}", "{text}");\n', encoding="ascii")
            volume = replace(volume, packed=b"", link=f"{VOLUMES}/{name}.js", name=name)
        panels.append(replace(panel, still=still, volume=volume))
    return replace(case, panels=tuple(panels))
