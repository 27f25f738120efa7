"""Which code a plugin's digest stands for."""

import importlib
import sys

import pytest

from pnetkit import sources
from pnetkit.sources import source_digest

SOURCE = """
    def tidy(threshold: int = 3):
        return threshold
"""


def test_the_digest_follows_the_source(install):
    install("acme-a", "acme_a", SOURCE, postprocessor={"digest-a": "acme_a:tidy"})
    install("acme-b", "acme_b", SOURCE + "\n    # another line\n", postprocessor={"digest-b": "acme_b:tidy"})
    first, second = (source_digest("postprocessor", name) for name in ("digest-a", "digest-b"))
    assert len(first) == 64
    assert first != second


def test_the_digest_follows_the_plugins_that_a_plugin_builds_on(install):
    found = []
    for letter, line in (("c", ""), ("d", "\n    # another line\n")):
        install(
            f"acme-base-{letter}",
            f"base_{letter}",
            SOURCE + line,
            postprocessor={f"base-{letter}": f"base_{letter}:tidy"},
        )
        install(
            f"acme-top-{letter}",
            "acme_top",
            SOURCE,
            requires=("pnetkit<0.2,>=0.1", f"acme-base-{letter}"),
            postprocessor={f"top-{letter}": "acme_top:tidy"},
        )
        found.append(source_digest("postprocessor", f"top-{letter}"))
    assert found[0] != found[1]


def test_the_digest_follows_the_versions_of_libraries_that_a_plugin_brings(install, monkeypatch):
    install("acme-net", "acme_net", SOURCE, requires=("acmelib>=1",), postprocessor={"lib": "acme_net:tidy"})
    found = []
    for version in ("1.0", "1.1"):
        monkeypatch.setattr(sources, "installed_version", lambda _, is_now=version: is_now)
        source_digest.cache_clear()
        found.append(source_digest("postprocessor", "lib"))
    assert found[0] != found[1]


def test_libraries_that_pnetkit_itself_requires_and_those_of_extras_do_not_count(install):
    plain = ("pnetkit<0.2,>=0.1",)
    more = (*plain, "torch>=2.6", "numpy", "acmelib; extra == 'fancy'")
    install("acme-e", "acme_e", SOURCE, requires=plain, postprocessor={"plain": "acme_e:tidy"})
    first = source_digest("postprocessor", "plain")
    install("acme-f", "acme_e", SOURCE, requires=more, postprocessor={"more": "acme_e:tidy"})
    assert source_digest("postprocessor", "more") == first


def test_plugins_that_require_each_other_have_a_digest(install):
    install("acme-g", "acme_g", SOURCE, requires=("acme-h",), postprocessor={"g": "acme_g:tidy"})
    install("acme-h", "acme_h", SOURCE, requires=("acme-g",), postprocessor={"h": "acme_h:tidy"})
    assert source_digest("postprocessor", "g") != source_digest("postprocessor", "h")


def test_the_joint_network_follows_the_source_of_the_network_it_builds_on():
    assert any(part.startswith("pnetkit-s4c ") for part in sources._brought("pnetkit-s4c-joint", frozenset()))
    assert not list(sources._brought("pnetkit-s4c", frozenset()))


@pytest.fixture
def packaged(tmp_path, monkeypatch):
    """Lay files out as an installation does, `recorded` or `editable`, and give a function that changes or adds one."""

    def put(how, name):
        module = name.replace("-", "_")
        code, site = (tmp_path / how / place for place in ("code", "site"))
        code = site if how == "recorded" else code
        info = site / f"{module}-1.0.dist-info"
        files = {
            f"{module}/__init__.py": "def tidy(threshold: int = 3): return threshold",
            f"{module}/table.json": "[1]",
            f"{module}_other/__init__.py": "",
            f"{module}_other/deep/rules.csv": "1",
            "tests/__init__.py": "",
        }
        for path, text in files.items():
            (code / path).parent.mkdir(parents=True, exist_ok=True)
            (code / path).write_text(text)
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[pnetkit.postprocessor]\n{name} = {module}:tidy\n")
        listed = [*files, "../../bin/a-command"] if how == "recorded" else [f"__editable__.{module}.pth"]
        (info / "RECORD").write_text("".join(f"{path},,\n" for path in [*listed, f"{info.name}/METADATA"]))
        monkeypatch.setattr(sys, "path", [str(code), str(site), *sys.path])
        importlib.invalidate_caches()

        def digest_with(path="", text=""):
            if path:
                (code / path.format(module)).parent.mkdir(parents=True, exist_ok=True)
                (code / path.format(module)).write_text(text)
            source_digest.cache_clear()
            return source_digest("postprocessor", name)

        return digest_with

    yield put
    for module in [of for of in sys.modules if of.startswith("acme_packed")]:
        sys.modules.pop(module)


@pytest.mark.parametrize("how", ["recorded", "editable"])
def test_the_digest_follows_data_files_and_second_packages(packaged, how):
    digest_with = packaged(how, f"acme-packed-{how}")
    paths = ("{0}/table.json", "{0}/more.npy", "{0}_other/__init__.py", "{0}_other/deep/rules.csv")
    seen = [digest_with(), *(digest_with(path, "2 + 2") for path in paths)]
    assert len(set(seen)) == len(seen)


@pytest.mark.parametrize("how", ["recorded", "editable"])
def test_the_digest_does_not_follow_caches_hidden_files_and_tests(packaged, how):
    digest_with = packaged(how, f"acme-packed-still-{how}")
    first = digest_with()
    for path in ("{0}/__pycache__/x.cpython-311.pyc", "{0}/.DS_Store", "{0}/py.typed", "{0}_other/.git/HEAD"):
        assert digest_with(path, "2") == first
    if how == "editable":  # they lie beside the package, and are not installed with it
        assert digest_with("tests/__init__.py", "2") == first


def test_an_editable_installation_has_the_digest_of_a_recorded_one(packaged, tmp_path):
    found = []
    for how in ("recorded", "editable"):
        digest_with = packaged(how, "acme-packed-both")
        if how == "recorded":
            record = tmp_path / "recorded" / "site" / "acme_packed_both-1.0.dist-info" / "RECORD"
            record.write_text(record.read_text().replace("tests/__init__.py,,\n", ""))
        found.append(digest_with())
        sys.modules.pop("acme_packed_both")
    assert found[0] == found[1]


def test_the_digest_follows_the_data_of_plugins_that_a_plugin_builds_on(packaged, install):
    digest_with = packaged("recorded", "acme-packed-base")
    install(
        "acme-above", "acme_above", SOURCE, requires=("acme-packed-base",), postprocessor={"above": "acme_above:tidy"}
    )
    found = []
    for text in ("[1]", "[2]"):
        digest_with("{0}/table.json", text)
        found.append(source_digest("postprocessor", "above"))
    assert found[0] != found[1]
