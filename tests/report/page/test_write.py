"""Tests of pnetkit.report.page.write, budget and render: what is in a page, and how large it may be."""

import base64
import hashlib
import re

import pytest

from pnetkit.errors import ReportError
from pnetkit.report.page.budget import left_out_of, made_within, stills_bytes, volumes_bytes
from pnetkit.report.page.write import write_page
from tests.report.page.pages import case_of, maker, page

PLACES = {"missed": 0}


def written(tmp_path, makers, *, budget=15_000_000, **options):
    result = write_page(page(), makers, PLACES, tmp_path / "report.html", budget=budget, **options)
    return result, result.path.read_text(encoding="utf-8")


def test_a_page_holds_every_case_with_its_pictures_and_slices(tmp_path):
    result, text = written(tmp_path, [maker(1, "P1"), maker(2, "P2")])
    assert (text.count('href="data:image/webp'), text.count('class="volume"')) == (4, 4)
    assert (result.size, result.cases) == (len(text.encode()), 2)


@pytest.mark.parametrize("budget", [60_000, 120_000])
def test_the_budget_is_held_by_bytes_and_what_was_left_out_is_said(tmp_path, budget):
    makers = [maker(number, f"P{number:02}") for number in range(1, 15)]
    result, text = written(tmp_path, makers, budget=budget)
    assert len(text.encode()) == result.size <= budget
    volumes, pictures = text.count('class="volume"'), text.count('href="data:image/webp')
    assert volumes == pictures - 2 * result.left_out.volumes
    assert pictures == 2 * (14 - result.left_out.stills)
    assert "Left out to keep within the budget" in text
    assert all(f"P{number:02}" in text for number in range(1, 15))


def test_stills_of_all_cases_come_before_the_slices_of_any():
    makers = [maker(number, f"P{number}") for number in range(1, 9)]
    one = case_of(1, "P1", volumes=True)
    allowance = 8 * (stills_bytes(one) + 2_600) + 3 * volumes_bytes(one)
    cases = made_within(makers, allowance)
    left = left_out_of(cases)
    assert left.stills == 0
    assert [any(panel.volume for panel in case.panels) for case in cases][:2] == [True, True]
    assert 0 < left.volumes < 8


def test_a_budget_that_not_even_words_fit_into_is_refused_with_what_to_do(tmp_path):
    with pytest.raises(ReportError, match=r"larger --budget, or --folder DIR"):
        written(tmp_path, [maker(1, "P1")], budget=3_000)


@pytest.mark.parametrize("place", ["pictures/holiday.jpg", "volumes/data.bin", "index.html", "pictures"])
def test_a_folder_that_holds_what_is_not_of_a_page_is_refused_and_left_as_it_is(tmp_path, place):
    path = tmp_path / place
    path.parent.mkdir(exist_ok=True)
    path.write_text("mine")
    with pytest.raises(
        ReportError, match=r"is not of a page of pnetkit's; nothing was written. Choose another --folder"
    ):
        write_page(page(), [maker(1, "P1")], PLACES, tmp_path / "index.html", budget=1, linked=True)
    assert [of.read_text() for of in tmp_path.rglob("*") if of.is_file()] == ["mine"]


def test_a_folder_links_to_its_files_and_has_no_budget(tmp_path):
    result, text = written(tmp_path, [maker(1, "P1")], budget=1, linked=True)
    links = re.findall(r'(?:href|data-link)="((?:pictures|volumes)/[^"]+)"', text)
    assert sorted(links) == ["pictures/0001-1.webp", "pictures/0001-2.webp", "volumes/0001-1.js", "volumes/0001-2.js"]
    assert all((tmp_path / link).stat().st_size for link in links)
    assert result.left_out.volumes == 0


def test_a_case_that_is_called_a_script_is_text(tmp_path):
    _, text = written(tmp_path, [maker(1, '<script>alert(1)</script>"><img src=x onerror=alert(1)>')])
    assert "<script>alert" not in text
    assert "<img" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text


def test_the_policy_lets_in_the_pages_own_script_and_style_alone(tmp_path):
    _, text = written(tmp_path, [maker(1, "P1")])
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', text)[1].replace("&#39;", "'")
    for tag, rule in (("script", "script-src"), ("style", "style-src")):
        inside = re.search(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)[1]
        digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert f"{rule} 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert "unsafe" not in policy
    assert " style=" not in text
    assert not re.search(r'(?:src|href)="(?:https?:)?//', text)


def test_phantoms_and_research_use_are_said(tmp_path):
    _, text = written(tmp_path, [])
    assert "They are synthetic." in text
    assert text.count("Research use only, not for diagnosis.") >= 2
