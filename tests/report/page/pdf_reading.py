"""Read back what a page of PDF draws: its texts, its pictures, its outlines."""

import base64
import re
import zlib


def content_of(pdf):
    """The drawing commands of the only page."""
    assert len(re.findall(rb"/Type /Page\b", pdf)) == 1
    for packed in re.findall(rb"stream\r?\n(.*?)endstream", pdf, re.DOTALL):
        try:
            text = zlib.decompress(base64.a85decode(b"<~" + packed.strip(), adobe=True))
        except (ValueError, zlib.error):
            continue
        if b" Tf" in text:
            return text.decode("latin-1")
    raise AssertionError("no page")


def texts_of(content):
    """All that is written, letters of the first subset of the font, where those of ASCII are themselves."""
    lines = []
    for block in re.findall(r"BT(.*?)ET", content, re.DOTALL):
        parts = re.findall(r"\(((?:\\.|[^\\)])*)\) Tj|\(((?:\\.|[^\\)])*)\)\s*'", block)
        lines.append("".join(a or b for a, b in parts))
    return " ".join(re.sub(r"\\([()\\])", r"\1", line) for line in lines)


def pictures_of(content):
    """Where each picture lies: x, y of its lower left corner, width, height."""
    return [
        (float(x), float(y), float(w), float(h))
        for w, h, x, y in re.findall(r"([\d.]+) 0 0 ([\d.]+) ([\d.]+) ([\d.]+) cm\s+/\S+ Do", content)
    ]


def outlines_of(content):
    """Each path that is stroked, by its color: loops of points (x, y)."""
    found, color, loops = [], None, []
    for line in content.replace(" S", "\nS").splitlines():
        if match := re.fullmatch(r"\s*([\d.]+) ([\d.]+) ([\d.]+) RG\s*", line):
            color = tuple(round(255 * float(value)) for value in match.groups())
        for x, y, step in re.findall(r"(-?[\d.]+) (-?[\d.]+) ([ml])\b", line):
            if step == "m":
                loops.append([])
            loops[-1].append((float(x), float(y)))
        if re.match(r"\s*S\b", line) or " S" in line or line.strip().endswith("S"):
            found.append((color, loops))
            loops = []
    return found
