"""Turn the values of a page into HTML: all is escaped, one script and one style, a policy that lets in no other.

The policy (CSP) names script and style by their digests: no other script runs, nothing is loaded from anywhere, nothing
is evaluated. Texts reach the page through jinja2's autoescaping alone.
"""

import base64
import hashlib
from functools import lru_cache
from importlib.resources import files

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from pnetkit.report.page.pictures import STRUCTURES, Outline, Still, Volume
from pnetkit.report.page.values import Figure, LeftOut, Page

SCALE_BARS_MM = (50, 20, 10, 5, 2, 1)


def rendered(page: Page, left_out: LeftOut, *, linked: bool) -> bytes:
    """Give the page as one HTML file; `linked` says that its pictures lie beside it."""
    script, style = resource("page.js"), resource("page.css")
    policy = {
        "default-src": "'none'",
        "img-src": "'self' file:" if linked else "data:",
        "style-src": by_digest(style),
        "script-src": by_digest(script) + (" 'strict-dynamic'" if linked else ""),
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    text = (
        environment()
        .get_template("page.html.j2")
        .render(
            page=page,
            left_out=left_out,
            policy="; ".join(f"{name} {value}" for name, value in policy.items()),
            script=Markup(script),  # ours, of the package
            style=Markup(style),  # ours, of the package
        )
    )
    return text.strip().encode() + b"\n"


@lru_cache(maxsize=1)
def environment() -> Environment:
    """Give the templates of pages: all is escaped, and a value that is missing is an error."""
    made = Environment(
        loader=FunctionLoader(resource),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"drawn": _drawn, "image_source": _image_source, "packed_text": _packed_text}
    made.globals |= {"marks_of": marks_of, "scale_bar_mm": scale_bar_mm, "structures": list(STRUCTURES)[::-1]}
    return made


@lru_cache(maxsize=8)
def resource(name: str) -> str:
    """Read a template, a script or a style that comes with the package."""
    return files("pnetkit.report.page").joinpath("templates", name).read_text(encoding="utf-8")


def by_digest(text: str) -> str:
    """Give what a policy calls a script or a style that is in the page."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _drawn(figure: Figure) -> Markup:
    """Give the SVG of a figure, whose texts were escaped when it was drawn."""
    return Markup(figure.svg)


def _image_source(still: Still) -> str:
    return still.link or f"data:image/webp;base64,{base64.b64encode(still.webp).decode()}"


def _packed_text(volume: Volume) -> str:
    return base64.b64encode(volume.packed).decode()


def marks_of(still: Still) -> list[tuple[str, str, float, float]]:
    """Give the letter of each structure, who it is of, and where in mm it stands: at the top of its outline."""
    found: dict[str, tuple[str, str, float, float]] = {}
    size = still.width * still.voxel_mm[0] / 24
    for outline in still.outlines:
        if outline.structure not in found:
            x, y = _top(outline)
            x_mm, y_mm = x * still.voxel_mm[0], y * still.voxel_mm[1]
            while any(abs(of[2] - x_mm) < size and abs(of[3] - y_mm) < size for of in found.values()):
                x_mm += size / 4
            found[outline.structure] = (outline.structure, outline.who, x_mm, y_mm)
    return list(found.values())


def _top(outline: Outline) -> tuple[int, int]:
    """Give the first point of a path, which is its highest one."""
    x, _, rest = outline.path[1:].partition(" ")
    digits = rest[: next(i for i, letter in enumerate(rest) if not letter.isdigit())]
    return int(x), int(digits)


def scale_bar_mm(width_mm: float) -> int:
    """Give the length of a scale bar: the longest round one that takes no more than a third of the picture."""
    return next((length for length in SCALE_BARS_MM if length <= width_mm / 3), SCALE_BARS_MM[-1])
