"""One page of PDF about one case: pictures of its phases with outlines, what was measured, flags, and what it is not.

Drawn by reportlab (the extra `pdf`). The bytes follow from the values alone: no date, no random name.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from xml.sax.saxutils import escape

from PIL import Image
from reportlab.lib.colors import Color, HexColor
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.utils import ImageReader
from reportlab.pdfbase.pdfmetrics import registerFont
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Paragraph

from pnetkit.report.page.contours import corners_of
from pnetkit.report.page.pictures import Still
from pnetkit.report.page.render import marks_of, scale_bar_mm
from pnetkit.report.page.values import CaseView, Page, Panel

WIDTH, HEIGHT = float(A4[0]), float(A4[1])
MARGIN, GAP = 40.0, 14.0
MOST_PICTURE = 250.0
"""Height of a picture in points, at most."""

COLORS = {"pancreas": HexColor("#62b0ff"), "tumor": HexColor("#ff6d66"), "duct": HexColor("#54df8b")}
INK, SOFT, RULE, WARN = HexColor("#1b1f24"), HexColor("#545b66"), HexColor("#d9dce1"), HexColor("#fff4d6")
PALE, BLACK = HexColor("#e9ecef"), HexColor("#000000")
LINE = {"pancreas": 0.8, "tumor": 1.4, "duct": 0.8}

PLAIN, BOLD = "Vera", "VeraBd"
"""Fonts that reportlab brings; they are embedded, so that the page looks the same everywhere."""


@dataclass(slots=True)
class _Place:
    """Where the next thing goes: the canvas, and how far down the page is full."""

    canvas: Canvas
    y: float


def case_pdf(page: Page, case: CaseView, flags: Sequence[str]) -> bytes:
    """Give the one page about a case. What does not fit is left out, and that is said."""
    _letters()
    data = io.BytesIO()
    canvas = Canvas(data, pagesize=A4, invariant=1, pageCompression=1)
    canvas.setTitle(_known(f"{case.name}: pnetkit, {page.notes[0]}"))
    canvas.setAuthor("pnetkit")
    at = _Place(canvas, HEIGHT - MARGIN)
    _head(at, page, case)
    _summary(at, page)
    _panels(at, case)
    _flags(at, flags)
    _foot(canvas, page)
    canvas.showPage()
    canvas.save()
    return data.getvalue()


def _head(at: _Place, page: Page, case: CaseView) -> None:
    canvas = at.canvas
    canvas.setFillColor(WARN)
    canvas.rect(MARGIN, at.y - 20, WIDTH - 2 * MARGIN, 20, stroke=0, fill=1)
    _line(canvas, MARGIN + 8, at.y - 13.5, page.notes[0], font=BOLD, size=9.5)
    canvas.setFont(PLAIN, 8)
    canvas.drawRightString(WIDTH - MARGIN - 8, at.y - 13.5, _known(page.made))
    at.y -= 48
    _line(canvas, MARGIN, at.y, case.name, font=BOLD, size=_fitting(case.name, 20))
    at.y -= 8
    _text(at, case.verdict, size=10)


def _summary(at: _Place, page: Page) -> None:
    canvas, each = at.canvas, (WIDTH - 2 * MARGIN) / max(len(page.summary), 1)
    at.y -= 6
    canvas.setStrokeColor(RULE)
    canvas.setLineWidth(0.6)
    canvas.rect(MARGIN, at.y - 46, WIDTH - 2 * MARGIN, 46)
    for place, (name, value, words) in enumerate(page.summary):
        x = MARGIN + place * each
        if place:
            canvas.line(x, at.y, x, at.y - 46)
        _line(canvas, x + 8, at.y - 12, name, size=7.5, color=SOFT)
        _line(canvas, x + 8, at.y - 27, value, font=BOLD, size=12)
        _line(canvas, x + 8, at.y - 39, words, size=7.5, color=SOFT)
    at.y -= 46 + GAP


def _panels(at: _Place, case: CaseView) -> None:
    """Draw the phases beside each other: each its name, its picture, and what is said of it."""
    panels = case.panels
    if not panels:
        return
    each = (WIDTH - 2 * MARGIN - GAP * (len(panels) - 1)) / len(panels)
    pictures = [_size(panel.still, each) for panel in panels]
    tallest = max(height for _, height in pictures)
    lowest = at.y
    for place, (panel, size) in enumerate(zip(panels, pictures, strict=True)):
        column = _Place(at.canvas, at.y)
        x = MARGIN + place * (each + GAP)
        _line(at.canvas, x, column.y - 9, panel.phase.capitalize(), font=BOLD, size=9.5)
        if panel.still is not None:
            where = f"axial, {panel.still.position_mm:g} mm"
            at.canvas.setFont(PLAIN, 7.5)
            at.canvas.setFillColor(SOFT)
            at.canvas.drawRightString(x + max(size[0], 120), column.y - 9, where)
            _picture(at.canvas, panel.still, x, column.y - 15 - size[1], size)
        column.y -= 15 + (tallest + 4 if panel.still is not None else 0)
        _words(column, panel, x, each)
        lowest = min(lowest, column.y)
    at.y = lowest - 6
    legend = "P pancreas, T tumor, D duct, outlined along the borders of voxels. -100 to 240 HU, seen from the feet."
    if any(panel.still is not None for panel in panels):
        _text(at, legend, size=7.5, color=SOFT)


def _words(column: _Place, panel: Panel, x: float, width: float) -> None:
    _text(column, panel.sentence, size=8.5, x=x, width=width, font=BOLD)
    for said in (panel.lacks, *panel.why):
        if said:
            _text(column, said, size=8, x=x, width=width, color=SOFT)
    for name, said in panel.measured:
        _text(column, f"{name}: {said}", size=8, x=x, width=width)


def _flags(at: _Place, flags: Sequence[str]) -> None:
    at.y -= 6
    if not flags:
        return
    _text(at, "Flags", size=9.5, font=BOLD)
    for place, flag in enumerate(flags):
        if at.y < MARGIN + 52:
            _text(at, f"… and {len(flags) - place} more; they stand in finding.json.", size=8)
            return
        _text(at, f"•  {flag}", size=8)


def _foot(canvas: Canvas, page: Page) -> None:
    foot = _Place(canvas, MARGIN + 34)
    canvas.setStrokeColor(RULE)
    canvas.line(MARGIN, foot.y, WIDTH - MARGIN, foot.y)
    for part in page.closing:
        if part.anchor == "model":
            said = "; ".join(f"{name} {value}" for name, value in part.facts)
            _text(foot, f"{part.title}: {said}", size=7, color=SOFT, lines=2)
    _line(canvas, MARGIN, MARGIN, page.notes[0], font=BOLD, size=8)


def _picture(canvas: Canvas, still: Still, x: float, y: float, size: tuple[float, float]) -> None:
    """Draw a slice with its outlines: the lower left corner at (x, y), a voxel as large in print as in the patient."""
    wide, high = size
    image = Image.open(io.BytesIO(still.webp)).convert("L")
    canvas.drawImage(ImageReader(image), x, y, wide, high)
    unit = (wide / still.width, high / still.height)
    canvas.setLineJoin(1)
    for of in still.outlines:
        canvas.setStrokeColor(COLORS[of.structure])
        canvas.setLineWidth(LINE[of.structure])
        canvas.setDash([3, 2] if of.who == "reference" else [])
        path = canvas.beginPath()
        for loop in corners_of(of.path):
            for place, (column, row) in enumerate(loop):
                (path.lineTo if place else path.moveTo)(x + column * unit[0], y + high - row * unit[1])
            path.close()
        canvas.drawPath(path, stroke=1, fill=0)
    canvas.setDash([])
    per_mm = wide / (still.width * still.voxel_mm[0])
    for structure, _, x_mm, y_mm in marks_of(still):
        at = (x + x_mm * per_mm, y + high - y_mm * per_mm + 2)
        _letter(canvas, *at, structure[0].upper(), color=COLORS[structure], font=BOLD, size=8)
    _letter(canvas, x + 3, y + high / 2, "R")
    _letter(canvas, x + wide - 8, y + high / 2, "L")
    _letter(canvas, x + wide / 2 - 2.5, y + high - 9, "A")
    bar = scale_bar_mm(still.width * still.voxel_mm[0])
    for color, width in ((BLACK, 2.4), (PALE, 1.2)):
        canvas.setStrokeColor(color)
        canvas.setLineWidth(width)
        canvas.line(x + wide - 6 - bar * per_mm, y + 6, x + wide - 6, y + 6)
    _letter(canvas, x + wide - 6 - bar * per_mm / 2 - 11, y + 9.5, f"{bar} mm")


def _letter(
    canvas: Canvas, x: float, y: float, text: str, *, color: Color = PALE, font: str = PLAIN, size: float = 7
) -> None:
    """Write on a picture: with a black rim, so that it can be read on bone and on air."""
    canvas.setStrokeColor(BLACK)
    canvas.setLineWidth(0.8)
    canvas.setFillColor(color)
    canvas.setFont(font, size)
    canvas.drawString(x, y, text, mode=1)
    canvas.drawString(x, y, text, mode=0)


def _size(still: Still | None, width: float) -> tuple[float, float]:
    """Give the size of a picture in points: as wide as its column, unless it would be too tall."""
    if still is None:
        return width, 0.0
    ratio = still.height * still.voxel_mm[1] / (still.width * still.voxel_mm[0])
    return (width, width * ratio) if width * ratio <= MOST_PICTURE else (MOST_PICTURE / ratio, MOST_PICTURE)


def _text(
    at: _Place,
    text: str,
    *,
    size: float,
    x: float = MARGIN,
    width: float = WIDTH - 2 * MARGIN,
    font: str = PLAIN,
    color: Color = INK,
    lines: int = 6,
) -> None:
    """Write a paragraph, no longer than some lines, and none below the page's foot."""
    style = ParagraphStyle("text", fontName=font, fontSize=size, leading=size * 1.35, textColor=color, splitLongWords=1)
    drawn = Paragraph(escape(_known(text)), style)
    room = min(lines * style.leading, at.y - MARGIN - 8) + 0.1
    parts = drawn.split(width, room) if room >= style.leading else []
    if parts:
        _, height = parts[0].wrap(width, room)
        at.y -= height
        parts[0].drawOn(at.canvas, x, at.y)
        at.y -= 2


def _line(canvas: Canvas, x: float, y: float, text: str, *, size: float, font: str = PLAIN, color: Color = INK) -> None:
    canvas.setFont(font, size)
    canvas.setFillColor(color)
    canvas.drawString(x, y, _known(text))


def _fitting(text: str, size: float) -> float:
    """Give a size of letters in which a case's name stays on one line."""
    return min(size, float(WIDTH - 2 * MARGIN) / max(len(text) * 0.72, 1))


def _known(text: str) -> str:
    """Give a text with a question mark for each letter that the font lacks."""
    return "".join(letter if ord(letter) in _letters() else "?" for letter in text)


@lru_cache(maxsize=1)
def _letters() -> frozenset[int]:
    """Register the fonts, and give the letters that they have."""
    fonts = [TTFont(name, f"{name}.ttf") for name in (PLAIN, BOLD)]
    for font in fonts:
        registerFont(font)
    return frozenset.intersection(*(frozenset(font.face.charToGlyph) for font in fonts))
