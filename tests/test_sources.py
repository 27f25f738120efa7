"""Which code a plugin's digest stands for."""

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
