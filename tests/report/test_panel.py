"""A paper's figure: outlines lie on the voxels, files are what they say, the same values give the same bytes."""

import re

import numpy as np
import pytest

from pnetkit.report.page.contours import loops
from pnetkit.report.panel import Cell, Panel, Row, write_panel

pytest.importorskip("matplotlib")
pytestmark = pytest.mark.slow


def panel():
    labels = np.zeros((12, 16), np.uint8)
    labels[3:9, 4:12], labels[4:6, 6:9], labels[4, 6] = 1, 2, 1
    gray = np.random.default_rng(0).integers(0, 255, (12, 16)).astype(np.uint8)
    rows = [
        Row(f"P001\n{phase}", gray, (2.0, 3.0), (Cell(None), Cell(labels), Cell(labels, "called"))) for phase in "av"
    ]
    return Panel(("Image", "Reference", "ours"), tuple(rows), "generated phantoms")


def points_of(path):
    return np.array([[float(x), float(y)] for x, y in re.findall(r"(-?[\d.]+) (-?[\d.]+)", path)])


def test_outlines_of_the_svg_lie_on_the_voxels_of_their_labels(tmp_path):
    (path,) = write_panel(panel(), tmp_path / "figure", ("svg",))
    text = path.read_text()
    drawn = dict(re.findall(r'<g id="(tumor-0-1-\d+|pancreas-0-1-\d+)">\s*<path d="([^"]+)"', text))
    whole, tumor = points_of(drawn["pancreas-0-1-0"]), points_of(drawn["tumor-0-1-0"])
    origin = whole.min(axis=0)  # the pancreas is a box from (4, 3) to (12, 9): it says where voxels lie on paper
    voxel = (whole.max(axis=0) - origin) / (8, 6)
    assert np.isclose(voxel[1] / voxel[0], 1.5, rtol=1e-3)  # as in the patient
    back = (tumor - origin) / voxel + (4, 3)
    assert np.allclose(back, np.rint(back), atol=1e-3)
    expected = loops(panel().rows[0].cells[1].labels == 2)
    assert {tuple(point) for point in np.rint(back).astype(int).tolist()} == set(expected[0])
    assert not re.search(r'id="\w+-0-0-', text)  # the image alone has none
    for words in ("Reference", "ours", "called", "generated phantoms", "venous"[:1]):
        assert words in text


def test_a_figure_is_written_in_each_format_the_same_each_time(tmp_path):
    one, two = (write_panel(panel(), tmp_path / name / "figure") for name in ("one", "two"))
    assert [path.name for path in one] == ["figure.png", "figure.svg", "figure.pdf"]
    assert [path.read_bytes()[:4] for path in one] == [b"\x89PNG", b"<?xm", b"%PDF"]
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in two]
