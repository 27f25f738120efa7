"""Damaged recipes: each ends in an error in words, with file and line where there is one."""

import pytest

from tests.system.damage import Kind, end, require_error

RECIPE = """\
name: sound
backbone: {plugin: s4c}
classifier: {plugin: voxel-count}
fusion: {plugin: or}
"""

BODIES = {
    "empty": ("", "r.yaml:1: wanted keys and values"),
    "a list": ("- a\n- b\n", "r.yaml:1: wanted keys and values"),
    "a word": ("recipe\n", "r.yaml:1: wanted keys and values"),
    "a bracket that is not closed": (RECIPE + "phases: [a\n", "is not YAML:\n  r.yaml:6: expected"),
    "a tab": (RECIPE + "\tphases: [a]\n", "is not YAML:\n  r.yaml:5: found"),
    "a key twice": (RECIPE + "name: other\n", "r.yaml:5: name: this key stands twice"),
    "an anchor": (RECIPE + "phases: &x [arterial]\n", "r.yaml:5: anchors and aliases are not for recipes"),
    "an alias": ("a: &a [1]\nb: *a\n", "r.yaml:1: b: anchors and aliases are not for recipes"),
    "a Python object": (RECIPE + "description: !!python/object/apply:os.system [id]\n", "os.system is not for recipes"),
    "a merge key": (RECIPE + "training: {<<: {seed: 1}}\n", "merge keys (<<) are not for recipes"),
    "two documents": (RECIPE + "---\n" + RECIPE, "r.yaml:5: but found another document"),
    "a binary file": ("\x00\x01\x02", "is not YAML:\n  r.yaml: "),
    "deep nesting": ("a: " + "[" * 2000 + "]" * 2000 + "\n", "recursion"),
    "an unknown section": (RECIPE + "trainng: {}\n", "r.yaml:5: trainng: unknown key. Did you mean 'training'"),
    "extends nothing": ("extends: nowhere.yaml\n" + RECIPE, "there is no such file"),
    "extends itself": ("extends: r.yaml\n" + RECIPE, "extends goes in a circle: r.yaml -> r.yaml"),
    "extends a folder": ("extends: .\n" + RECIPE, "is a folder"),
    "extends a number": ("extends: 7\n" + RECIPE, "r.yaml:1: extends: wanted one file name"),
    "a name with blanks": (RECIPE.replace("sound", "Not Good"), "r.yaml:1: name: string should match"),
    "no name": (RECIPE.replace("name: sound\n", ""), "name: is missing"),
    "no backbone": (RECIPE.replace("backbone: {plugin: s4c}\n", ""), "backbone: is missing"),
    "a backbone without a plugin": (RECIPE.replace("{plugin: s4c}", "{}"), "r.yaml:2: backbone.plugin: is missing"),
    "a list for a backbone": (
        RECIPE.replace("{plugin: s4c}", "[s4c]"),
        "r.yaml:2: backbone: input should be an object",
    ),
    "a path for a plugin": (RECIPE.replace("s4c", "./mine.py"), "No backbone plugin is called './mine.py'"),
    "a module for a plugin": (RECIPE.replace("s4c", "'os:system'"), "No backbone plugin is called 'os:system'"),
    "an unknown backbone": (RECIPE.replace("s4c", "s4d"), "called 's4d'. Did you mean 's4c'"),
    "an unknown classifier": (RECIPE.replace("voxel-count", "voxel-cuont"), "Did you mean 'voxel-count'"),
    "an unknown fusion": (RECIPE.replace("plugin: or", "plugin: nor"), "called 'nor'. Did you mean 'or'"),
    "a classifier for a backbone": (RECIPE.replace("s4c", "voxel-count"), "No backbone plugin is called 'voxel-count'"),
    "an unknown parameter": (
        RECIPE.replace("{plugin: s4c}", "{plugin: s4c, params: {widht: 8}}"),
        "widht: unknown key. Did you mean 'width'",
    ),
    "a parameter of another type": (
        RECIPE.replace("{plugin: s4c}", "{plugin: s4c, params: {width: wide}}"),
        "params.width: input should be",
    ),
    "a parameter out of range": (
        RECIPE.replace("{plugin: s4c}", "{plugin: s4c, params: {width: 0}}"),
        "params.width: input should be",
    ),
    "postprocess as a mapping": (
        RECIPE + "postprocess: {plugin: components}\n",
        "r.yaml:5: postprocess: input should be",
    ),
    "no phase": (RECIPE + "phases: []\n", "r.yaml:5: phases: wanted one or more"),
    "a phase twice": (RECIPE + "phases: [venous, venous]\n", "each once, got ['venous', 'venous']"),
    "a phase with a slash": (RECIPE + "phases: [a/b]\n", "has to be one plain word, got ['a/b']"),
    "inputs of another phase": (RECIPE + "inputs: {x: {phases: [native]}}\n", "inputs name the phases ['native']"),
    "a label beyond three": (RECIPE + "cohort: {labels: {1: 9}}\n", "r.yaml:5: cohort.labels: labels are mapped to 0"),
    "a word for a label": (RECIPE + "cohort: {labels: {one: 1}}\n", "r.yaml:5: cohort.labels.one: input should be"),
    "a window upside down": (
        RECIPE + "intensity: {window_hu: [240, -100]}\n",
        "window_hu: wanted the lower bound first",
    ),
    "a window of NaN": (
        RECIPE + "intensity: {window_hu: [.nan, 1.0]}\n",
        "r.yaml:5: intensity.window_hu.0: input should be",
    ),
    "a stride beyond the window": (RECIPE + "inference: {stride: 65}\n", "stride 65 is larger than the window"),
    "votes kept without votes": (
        RECIPE + "inference: {keep_votes: true, combine: mean-softmax}\n",
        "keep_votes needs combine 'vote'",
    ),
    "a batch that does not split": (
        RECIPE + "training: {batch_size: 16, accumulation: 3}\n",
        "batch_size 16 cannot be split into 3",
    ),
    "a seed twice": (RECIPE + "training: {repeat_seeds: [1, 1]}\n", "repeat_seeds [1, 1] has to differ"),
}
for _section, _keys in {
    "training": ["iterations", "batch_size", "learning_rate", "momentum", "checkpoint_every", "foreground_fraction"],
    "inference": ["stride", "batch_size"],
    "cohort": ["folds", "seed"],
}.items():
    for _key in _keys:
        for _value in ("-1", "many", "[]", ".inf", "null"):
            BODIES[f"{_section}.{_key} {_value}"] = (
                RECIPE + f"{_section}: {{{_key}: {_value}}}\n",
                f"r.yaml:5: {_section}.{_key}: input should be",
            )
BODIES.pop("cohort.folds null", None)


BODY = Kind(
    3, r"The recipe (r\.yaml has (\d )?faults?|is not YAML|cannot be used|cannot be read|has faults|extends itself):\n"
)
FIT = Kind(5, r"training\.patch_size is \(30, 30, 30\), but the backbone S4C needs multiples of")
UNFIT = {
    "a patch that does not divide": (RECIPE + "training: {patch_size: [30, 30, 30]}\n", "that fits is (32, 32, 32)")
}


def checked(text, tmp_path, monkeypatch, capsys):
    (tmp_path / "r.yaml").write_text(text)
    monkeypatch.chdir(tmp_path)
    return end(monkeypatch, capsys, "recipe", "check", "r.yaml")


def test_a_sound_recipe_is_no_error(tmp_path, monkeypatch, capsys):
    code, said = checked(RECIPE, tmp_path, monkeypatch, capsys)
    assert code == 0, said


@pytest.mark.slow
@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", [*BODIES, *UNFIT])
def test_a_damaged_recipe_is_an_error_in_words(name, tmp_path, monkeypatch, capsys):
    kind, (text, mentions) = (FIT, UNFIT[name]) if name in UNFIT else (BODY, BODIES[name])
    code, said = checked(text, tmp_path, monkeypatch, capsys)
    require_error(kind, mentions, code, said)
