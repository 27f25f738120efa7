"""A page as people see it: opened in a real browser from its file, with and without scripts, never with WebGL."""

import re
import shutil
from importlib.resources import files

import numpy as np
import pytest

from pnetkit.report.page.pictures import as_seen
from pnetkit.report.page.write import write_page
from tests.report.page.pages import SHAPE, crop_of, maker, page

pytestmark = pytest.mark.slow

PICTURES = """() => Promise.all([...document.querySelectorAll("svg image")].map(async (of) => {
    const image = new Image(); image.src = of.getAttribute("href"); await image.decode();
    return image.naturalWidth }))"""

PIXELS = """() => [...document.querySelectorAll("#case-1 canvas")].map((of) =>
    [...of.getContext("2d").getImageData(0, 0, of.width, of.height).data].filter((_, i) => i % 4 == 0))"""


@pytest.fixture(scope="module")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        pytest.skip("there is no Chromium")
    with sync_api.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-3d-apis"])
        yield opened
        opened.close()


def made(folder, *, linked):
    makers = [maker(number, name) for number, name in enumerate(("P1", "<script>alert(1)</script>", "P3"), start=1)]
    return write_page(page(), makers, {"missed": 0}, folder / "report.html", budget=10**7, linked=linked).path


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return made(tmp_path_factory.mktemp("page"), linked=False)


@pytest.fixture(scope="module")
def folder_of_files(tmp_path_factory):
    return made(tmp_path_factory.mktemp("page"), linked=True)


@pytest.fixture
def opened(browser, request):
    """The page, and what it said on its console and asked for."""
    written = request.getfixturevalue(getattr(request, "param", "written"))
    context = browser.new_context(viewport={"width": 1200, "height": 900})
    tab, said, asked = context.new_page(), [], []
    tab.on("console", lambda message: said.append(message.text))
    tab.on("pageerror", lambda error: said.append(str(error)))
    tab.on("dialog", lambda dialog: said.append(dialog.message))
    tab.on("request", lambda request: asked.append(request.url))
    tab.goto(written.as_uri())
    tab.locator("#case-1").scroll_into_view_if_needed()
    tab.wait_for_selector("#case-1.scrolls", timeout=20_000)
    yield tab, said, asked
    context.close()


def shown(tab):
    return [np.array(of) for of in tab.evaluate(PIXELS)]


@pytest.mark.parametrize("opened", ["written", "folder_of_files"], indirect=True)
def test_nothing_is_wrong_nothing_leaves_the_page_and_every_picture_is_there(opened):
    tab, said, asked = opened
    home = tab.url.rpartition("/")[0]
    assert not tab.evaluate("() => document.createElement('canvas').getContext('webgl2')")
    assert tab.evaluate(PICTURES) == [16] * 6
    assert said == []
    assert all(url.startswith((home, "data:", "blob:")) for url in asked)
    names = tab.locator("h4").all_text_contents()  # a case that is not in sight is not laid out, and has no inner text
    assert names[1] == "<script>alert(1)</script>"


@pytest.mark.parametrize("opened", ["written", "folder_of_files"], indirect=True)
def test_slices_of_both_phases_go_by_wheel_by_key_and_by_slider(opened):
    tab, said, _ = opened
    tab.locator("#case-1 .picture").first.click()
    before = shown(tab)
    tab.mouse.wheel(0, -120)
    tab.wait_for_timeout(100)
    after_wheel = shown(tab)
    assert all((a != b).any() for a, b in zip(before, after_wheel, strict=True))
    tab.keyboard.press("ArrowDown")
    assert all((a == b).all() for a, b in zip(before, shown(tab), strict=True))
    tab.locator("#slice-1").evaluate("of => { of.value = of.max; of.dispatchEvent(new Event('input')) }")
    assert tab.locator("#case-1 .where").all_inner_texts() == ["12.0 mm", "12.0 mm"]
    levels = np.clip(np.rint((crop_of(10).hu[:, :, 7] + 512) / 4), 0, 255) * 4 - 512
    gray = np.clip((as_seen(levels) + 100) * 255 / 340, 0, 255)
    assert np.abs(shown(tab)[0].reshape(SHAPE[1], SHAPE[0]) - gray).max() <= 1
    assert [line for line in said if "getImageData" not in line] == []  # which this test calls, the page does not


def test_outlines_of_slices_lie_on_the_borders_of_the_voxels_that_they_are_of(opened):
    tab, _, _ = opened
    tab.uncheck("#show-reference")
    tab.uncheck("#show-pancreas")
    picture = tab.locator("#case-1 .picture").first
    require_on_borders(picture.screenshot(), index=3)
    picture.click()
    tab.keyboard.press("ArrowUp")
    require_on_borders(picture.screenshot(), index=4)


def test_outlines_of_stills_lie_on_the_borders_of_the_voxels_that_they_are_of(browser, written):
    context = browser.new_context(java_script_enabled=False)
    tab = context.new_page()
    tab.goto(written.as_uri())
    tab.uncheck("#show-reference")
    tab.uncheck("#show-pancreas")
    require_on_borders(tab.locator("#case-1 .picture").first.screenshot(), index=3)
    context.close()


def require_on_borders(png, *, index):
    """Hold the predicted tumor's outline to its labels: red at the middle of each border, and nowhere else."""
    tumor, red = as_seen(crop_of(10).found[:, :, index]) == 2, reds(png)
    height, width = red.shape
    scale = np.array([height / SHAPE[1], width / SHAPE[0]])
    framed = np.pad(tumor, 1)
    for row, column in np.ndindex(*tumor.shape):
        inside = (np.array([row + 0.5, column + 0.5]) * scale).astype(int)
        assert not red[inside[0], inside[1]] or near_mark(inside, tumor, scale)
        place = (np.array([row + 0.5, column + 1.0]) * scale).astype(int)
        if place[1] < width - 3 and not near_mark(place, tumor, scale):
            is_border = framed[row + 1, column + 1] != framed[row + 1, column + 2]
            assert red[place[0], place[1] - 2 : place[1] + 3].any() == is_border, (row, column)


def reds(png):
    import io

    from PIL import Image

    pixels = np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)
    return (pixels[..., 0] > 150) & (pixels[..., 0] - pixels[..., 1] > 70)


def near_mark(place, tumor, scale):
    """The letter of the tumor stands above its outline's first point."""
    row, column = np.argwhere(tumor)[0]
    top, left = row * scale[0], column * scale[1]
    return top - 2.2 * scale[0] <= place[0] <= top and left - scale[1] <= place[1] <= left + 2 * scale[1]


def test_structures_can_be_switched_off_and_cases_gone_through_by_keys(opened):
    tab, _, _ = opened
    outline = tab.locator("#case-1 .outline.tumor.prediction").first
    assert outline.evaluate("of => getComputedStyle(of).display") != "none"
    tab.uncheck("#show-tumor")
    assert outline.evaluate("of => getComputedStyle(of).display") == "none"
    tab.evaluate("() => scrollTo(0, 0)")
    for key, case in (("j", "case-1"), ("j", "case-2"), ("j", "case-3"), ("k", "case-2")):
        tab.keyboard.press(key)
        assert tab.evaluate("() => document.activeElement.id") == case


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nobody_is_shut_out(browser, written, scheme):
    """By the rules of WCAG A and AA, and what axe-core calls best practice; in the dark style by those of colors."""
    pytest.importorskip("axe_playwright_python", reason="axe-playwright-python is not installed")
    axe = files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
    context = browser.new_context(color_scheme=scheme)
    tab = context.new_page()
    tab.goto(written.as_uri())
    tab.evaluate(axe)
    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    colors = {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}  # all else is the same in both
    found = tab.evaluate("rules => axe.run(document, { runOnly: rules })", tags if scheme == "light" else colors)
    context.close()
    assert [(of["id"], of["nodes"][0]["html"][:200]) for of in found["violations"]] == []
    assert len(found["passes"]) > (20 if scheme == "light" else 0)


def test_without_scripts_the_stills_stay_and_what_needs_them_is_not_there(browser, written):
    context = browser.new_context(java_script_enabled=False)
    tab = context.new_page()
    tab.goto(written.as_uri())
    assert tab.locator("svg image").count() == 6
    assert tab.locator("svg image").first.is_visible()
    assert not tab.locator("#case-1 .scroll").is_visible()
    assert not tab.locator("#window").is_visible()
    picture = tab.locator("#case-1 .picture").first
    assert reds(picture.screenshot()).any()
    tab.uncheck("#show-tumor")
    assert not reds(picture.screenshot()).any()
    context.close()


def test_the_printed_page_has_the_stills(browser, written):
    context = browser.new_context()
    tab = context.new_page()
    tab.goto(written.as_uri())
    printed = tab.pdf()
    context.close()
    assert len(re.findall(rb"/Subtype\s*/Image", printed)) >= 6
