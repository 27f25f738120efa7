"""docs/plugins.md names every check, every shipped plugin and every interface's kit."""

from pathlib import Path

import numpy as np

from pnetkit import testing
from pnetkit.registry import GROUPS, list_plugins
from pnetkit.types import Evidence, Grid, Scan, Segmentation
from tests.testing.broken_backbones import Sound
from tests.testing.conformance_table import rows_of
from tests.testing.outcomes import failing

PAGE = (Path(__file__).parents[2] / "docs" / "plugins.md").read_text(encoding="utf-8")


def test_every_check_of_a_backbone_is_on_the_page():
    missing = [check.name for check in testing.backbone_checks(Sound) if f"`{check.name}`" not in PAGE]
    assert missing == []


def test_every_shipped_plugin_is_in_the_generated_table():
    table = PAGE.partition("<!-- conformance -->")[2]
    shipped = [info.name for info in list_plugins() if info.distribution.startswith("pnetkit-")]
    assert len(shipped) > 10
    assert [name for name in shipped if f"| `{name}` |" not in table] == []


def test_the_generated_table_was_made_with_the_kits_as_they_are():
    rows = rows_of(PAGE)
    of = {kind: len(testing.KITS[kind](next(p.name for p in list_plugins([kind])))) for kind in GROUPS}
    stale = [name for (name, kind), row in rows.items() if f" of {of[kind]} |" not in row]
    assert rows
    assert stale == [], "run python -m tests.testing.conformance_table --write"


def test_the_classifier_of_the_page_that_looks_at_the_image_conforms_and_measures_what_it_says():
    code = PAGE.partition("<!-- image classifier -->\n```python\n")[2].partition("```")[0]
    names = {}
    exec(code, names)  # the page's own example
    plugin = names["TumorContrast"]
    assert failing(testing.case_classifier_checks(plugin)) == {}
    grid = Grid((4, 1, 1), np.eye(4))
    found = Segmentation(np.array([0, 1, 1, 2], np.uint8).reshape(4, 1, 1), grid)
    scan = Scan(np.array([-1000, 80, 100, 131], np.float32).reshape(4, 1, 1), grid)
    finding = plugin().classify(Evidence("P1", "venous", found, images={"venous": scan}))
    assert (finding.score, finding.abnormal) == (41, True)


def test_every_kit_is_on_the_page():
    for name in testing.__all__:
        if name.endswith("_checks") and name != "run_checks":
            assert name in PAGE


def test_the_groups_that_are_read_are_those_of_the_page_and_it_says_truly_that_none_was_broken():
    versions = PAGE.partition("## Versions")[2]
    assert [group for group in GROUPS.values() if f"`{group}`" not in versions] == []
    broken = [group for group in GROUPS.values() if ".v" in group]
    assert ("No interface has been broken so far" in versions) is not bool(broken)
