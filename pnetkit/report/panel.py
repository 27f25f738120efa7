"""A paper's figure: a row a phase of a case, a column a method beside image and reference, outlines along the voxels.

Drawn by matplotlib (the extra `figures`), which is imported only when one is made. The same values give the same bytes.
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pnetkit.files import disk_errors_in_words, write_atomically
from pnetkit.report.page.contours import loops
from pnetkit.report.page.pictures import STRUCTURES

Format = Literal["png", "svg", "pdf"]
FORMATS: tuple[Format, ...] = ("png", "svg", "pdf")

COLORS = {"pancreas": "#3d9bff", "tumor": "#ff4d45", "duct": "#35d477"}
"""The paper's: pancreas blue, tumor red, duct green."""

LINES: Mapping[str, tuple[float, Any]] = {
    "pancreas": (0.7, "solid"),
    "tumor": (1.3, "solid"),
    "duct": (0.8, (0, (2.0, 1.0))),
}
"""Width in points and dashes: told apart without color too."""

WIDEST_INCH, COLUMN_INCH, LABEL_INCH, HEAD_INCH, SAID_INCH, FOOT_INCH, GAP_INCH = 7.2, 1.9, 0.32, 0.22, 0.17, 0.3, 0.05
DPI = 600

SETTINGS: Any = {
    "font.family": "sans-serif",
    "font.size": 7.5,
    "svg.hashsalt": "pnetkit",
    "svg.fonttype": "none",  # texts stay texts, for the journal to set
    "pdf.fonttype": 42,
}


@dataclass(frozen=True, slots=True, eq=False)
class Cell:
    """Hold what one column shows of a row: labels as a picture (None: the image alone), and what is said of it."""

    labels: NDArray[np.uint8] | None
    said: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """Hold one phase of one case: a picture in gray, its voxels' edges, and a cell for each column."""

    title: str
    gray: NDArray[np.uint8]
    voxel_mm: tuple[float, float]
    cells: tuple[Cell, ...]

    @property
    def ratio(self) -> float:
        """Give the height of the picture as a share of its width."""
        height, width = self.gray.shape
        return float(height * self.voxel_mm[1] / (width * self.voxel_mm[0]))


@dataclass(frozen=True, slots=True)
class Panel:
    """Hold a figure; `foot` stands below it, as that its cases are phantoms."""

    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    foot: str


def write_panel(panel: Panel, stem: Path, formats: Sequence[Format] = FORMATS) -> list[Path]:
    """Draw a figure and write it beside `stem` in each format. Raises StoreError where it cannot be written."""
    from matplotlib import rc_context  # noqa: PLC0415  # an extra, and slow to import

    metadata: Mapping[str, dict[str, Any]] = {
        "png": {"Software": None},
        "svg": {"Date": None, "Creator": None},
        "pdf": {"CreationDate": None, "ModDate": None, "Producer": None, "Creator": "pnetkit"},
    }
    written = []
    with rc_context(SETTINGS), disk_errors_in_words(stem.parent):
        stem.parent.mkdir(parents=True, exist_ok=True)
        for name in formats:
            data = io.BytesIO()
            _drawn(panel).savefig(data, format=name, dpi=DPI, metadata=metadata[name])
            path = stem.with_name(f"{stem.name}.{name}")
            write_atomically(path, data.getvalue())
            written.append(path)
    return written


def _drawn(panel: Panel) -> Any:
    """Lay the pictures out in inches, so that voxels keep their proportions."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    count = len(panel.columns)
    each = min(COLUMN_INCH, (WIDEST_INCH - LABEL_INCH - GAP_INCH * (count - 1)) / count)
    wide = LABEL_INCH + count * each + (count - 1) * GAP_INCH
    heights = [each * row.ratio for row in panel.rows]
    high = HEAD_INCH + sum(heights) + len(heights) * SAID_INCH + FOOT_INCH
    figure = Figure(figsize=(wide, high))
    FigureCanvasAgg(figure)
    top = high - HEAD_INCH
    for place, title in enumerate(panel.columns):
        x = LABEL_INCH + place * (each + GAP_INCH) + each / 2
        figure.text(x / wide, (top + 0.06) / high, title, ha="center", va="bottom")
    for number, (row, height) in enumerate(zip(panel.rows, heights, strict=True)):
        figure.text(0.16 / wide, (top - height / 2) / high, row.title, rotation=90, ha="center", va="center")
        for place, cell in enumerate(row.cells):
            x = LABEL_INCH + place * (each + GAP_INCH)
            axes = figure.add_axes((x / wide, (top - height) / high, each / wide, height / high))
            _cell(axes, row, cell, f"{number}-{place}", bar=place == 0)
            if cell.said:
                figure.text(
                    (x + each / 2) / wide, (top - height - 0.025) / high, cell.said, ha="center", va="top", size=6.5
                )
        top -= height + SAID_INCH
    _foot(figure, panel.foot, wide, high)
    return figure


def _cell(axes: Any, row: Row, cell: Cell, name: str, *, bar: bool) -> None:
    from matplotlib.patches import PathPatch  # noqa: PLC0415
    from matplotlib.path import Path as Outline  # noqa: PLC0415
    from matplotlib.patheffects import withStroke  # noqa: PLC0415

    height, width = row.gray.shape
    axes.set_axis_off()
    axes.imshow(
        row.gray, cmap="gray", vmin=0, vmax=255, interpolation="none", extent=(0, width, height, 0), aspect="auto"
    )
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    for structure, values in STRUCTURES.items():
        mask = np.isin(cell.labels, values) if cell.labels is not None else np.zeros((1, 1), dtype=bool)
        for part, loop in enumerate(loops(mask)):
            points = [*loop, loop[0]]
            codes = [Outline.MOVETO, *[Outline.LINETO] * (len(loop) - 1), Outline.CLOSEPOLY]
            line, dashes = LINES[structure]
            patch = PathPatch(
                Outline(points, codes),
                fill=False,
                edgecolor=COLORS[structure],
                linewidth=line,
                linestyle=dashes,
                joinstyle="miter",
            )
            patch.set_gid(f"{structure}-{name}-{part}")
            patch.set_snap(False)
            axes.add_patch(patch)
    if bar:
        length, rim = 20.0 / row.voxel_mm[0], [withStroke(linewidth=1.4, foreground="black")]
        axes.plot(
            [width * 0.96 - length, width * 0.96],
            [height * 0.94] * 2,
            color="white",
            linewidth=1.2,
            solid_capstyle="butt",
        )
        axes.text(
            width * 0.97, height * 0.92, "20 mm", color="white", size=6, ha="right", va="bottom", path_effects=rim
        )
        axes.text(width * 0.03, height / 2, "R", color="white", size=6, ha="left", va="center", path_effects=rim)


def _foot(figure: Any, text: str, wide: float, high: float) -> None:
    """Say below which line is what, and what the cases are."""
    from matplotlib.lines import Line2D  # noqa: PLC0415

    handles = [
        Line2D([], [], color=COLORS[name], linewidth=LINES[name][0], linestyle=LINES[name][1], label=name)
        for name in STRUCTURES
    ]
    figure.legend(
        handles=handles, loc="lower left", bbox_to_anchor=(LABEL_INCH / wide, 0.0), ncols=3, frameon=False,
        fontsize=6.5, borderaxespad=0.1, handlelength=1.8, columnspacing=1.2,
    )  # fmt: skip
    figure.text(1 - 0.03 / wide, 0.09 / high, text, ha="right", va="center", size=6, color="#545b66")
