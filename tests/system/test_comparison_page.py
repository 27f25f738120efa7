"""The page of a comparison of real, tiny runs: pictures of the cases that they disagree about."""

import re
import shutil

import pytest

from pnetkit.evaluation.comparison import compare_arms
from pnetkit.pipeline.outcome.finished import read_run
from pnetkit.pipeline.outcome.pages.comparison_page import ComparedView, comparison_page
from pnetkit.report.comparison import FUSED

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folders(finished):
    """A run, and one of the same segmentations that calls no case abnormal, beside their store."""
    runner, first = finished
    never = ("classifier.params.tumor_voxels=10000000", "classifier.params.duct_voxels=10000000")
    return first.folder, runner("never", sets=never).folder


def page_of(folders, **options):
    runs = dict(zip(("tiny", "never"), map(read_run, folders), strict=True))
    calls = {name: run.fused for name, run in runs.items()}
    truth = runs["tiny"].truth
    view = ComparedView(FUSED, compare_arms(truth, calls, baseline="tiny"), (), calls)
    data, left = comparison_page(runs, [view], (), **options)
    disputed = [case for case, call in calls["tiny"].items() if call.abnormal]
    return data.decode(), left, disputed


def test_disputed_cases_are_shown_by_phase_with_all_arms_on_one_slice(folders):
    text, left, disputed = page_of(folders)
    articles = re.findall(r'<article class="case" id="(case-\d+)".*?</article>', text, re.DOTALL)
    assert len(articles) == len(disputed) > 0
    assert (left.stills, left.volumes) == (0, 0)
    assert text.count('href="data:image/webp') == 4 * len(disputed)
    assert 'class="volume"' not in text
    assert "Left out" not in text
    for article in re.findall(r'<article class="case".*?</article>', text, re.DOTALL):
        heads = re.findall(r"<figcaption><strong>([^<]*)</strong>.*?>([-\d.]+) mm<", article)
        assert [head for head, _ in heads] == [
            f"{phase} · {arm}" for phase in ("Arterial", "Venous") for arm in ("tiny", "never")
        ]
        assert heads[0][1] == heads[1][1]
        images = re.findall(r'<image href="([^"]+)" width="([\d.]+)"', article)
        assert images[0] == images[1]  # the same slice, cropped alike
        assert images[2] == images[3]
        assert article.count('<div class="panels">') == 2
    for case in disputed:
        assert re.search(rf'<a href="#case-\d+">{case}</a></th>', text)  # of the matrix


def test_a_budget_is_kept_and_what_was_left_out_is_said(folders):
    whole, _, disputed = page_of(folders)
    pictures = sum(map(len, re.findall(r'href="data:image/webp[^"]*"', whole)))
    budget = len(whole.encode()) - pictures // 2
    text, left, _ = page_of(folders, budget=budget)
    assert len(text.encode()) <= budget
    assert 0 < left.stills <= len(disputed)
    assert f"the pictures of {left.stills} cases" in text
    assert "A larger --budget shows them." in text
    assert "further slices" not in text


def test_without_a_store_there_are_no_pictures_and_the_page_says_so(folders, tmp_path):
    moved = [shutil.copytree(folder, tmp_path / "elsewhere" / folder.name) for folder in folders]
    text, _, disputed = page_of(moved)
    assert text.count('<article class="case"') == len(disputed)
    assert 'href="data:image' not in text
    assert "is not where it was when the run ended" in text
    assert "The scan cannot be shown" in text or "The image is not in the store" in text
    assert 'href="data:image/webp' in page_of(moved, store=folders[0].parent / "store")[0]
