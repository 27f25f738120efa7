"""`pnetkit plugins check | show | doctor` on plugins with mistakes: lines that say which, and no traceback."""

import json

import pytest

from pnetkit import testing
from pnetkit.errors import PluginError
from pnetkit.registry import list_plugins

NETS = """
import torch
from torch import Tensor, nn
from pnetkit.interfaces import BackboneOutput
from pnetkit.types import BackboneSpec


class Net(nn.Module):
    '''One convolution.'''

    def __init__(self, *, in_channels: int = 1, num_classes: int = 4, width: int = 2):
        super().__init__()
        self.spec = BackboneSpec(in_channels, num_classes, (24, 24, 24))
        self.one = nn.Conv3d(in_channels, width, 3, padding=1)
        self.two = nn.Conv3d(width, num_classes, 1)

    def forward(self, x):
        return BackboneOutput(self.two(self.one(x)))


class Raises(Net):
    def forward(self, x):
        raise ValueError("not\\nwritten yet")


class Plain(Net):
    def forward(self, x):
        return super().forward(x).logits


class NoSpec(Net):
    def __init__(self, *, in_channels: int = 1, num_classes: int = 4):
        super().__init__(in_channels=in_channels, num_classes=num_classes)
        del self.spec


class Leaves(Net):
    def forward(self, x):
        raise SystemExit(0)
"""

RULES = """
from __future__ import annotations
import typing
if typing.TYPE_CHECKING:
    from acme import Mode


class Foreign:
    'A type that only this module knows.'


def checked(*, mode: Mode | None = None):
    return lambda segmentation: segmentation


def foreign(*, of: Foreign | None = None):
    return lambda segmentation: segmentation


def leaves():
    raise SystemExit('no licence')


def calls(*, function: typing.Callable[[int], int] = abs):
    return lambda segmentation: segmentation


class Keep:
    'Leaves everything.'

    def __call__(self, segmentation):
        return segmentation
"""


@pytest.fixture
def net(install):
    def put(name):
        install("acme-nets", "acme_nets", NETS, backbone={"acme-net": f"acme_nets:{name}"})
        return "acme-net"

    return put


@pytest.mark.slow
def test_a_sound_backbone_is_checked_first_and_its_facts_come_after(pnetkit, net):
    code, out, err = pnetkit("plugins", "check", net("Net"))
    assert (code, err) == (0, ""), out
    *checks, facts, verdict = out.splitlines()
    assert {line.split()[0] for line in checks} == {"passed"}
    assert facts.startswith("0.00 M parameters; a window of 72 x 72 x 72 takes ")  # the paper's 64, in multiples of 24
    assert verdict == "acme-net conforms."


def test_a_window_that_was_asked_for_is_not_rounded(net):
    with pytest.raises(PluginError, match=r"window is \(64, 64, 64\)"):
        testing.backbone_facts(net("Net"), window=(64, 64, 64))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "failing", "of_facts"),
    [
        ("Raises", "sizes: raised ValueError: not", "ValueError: not"),
        ("Plain", "sizes: ", "AttributeError: "),
        ("NoSpec", "it lacks spec", "NoSpec is not a Backbone: it lacks spec"),
    ],
)
def test_every_check_of_a_broken_backbone_is_made_and_its_facts_fail_in_one_line(pnetkit, net, name, failing, of_facts):
    code, out, err = pnetkit("plugins", "check", net(name))
    assert code == 5
    made = [check.name for check in testing.backbone_checks("acme-net")]
    assert [word for line in out.splitlines() if (word := line.split()[1].rstrip(":")) in made] == made
    assert failing in out
    (facts,) = [line for line in out.splitlines() if line.startswith("Its parameters and costs cannot be counted: ")]
    assert of_facts in facts
    assert err.startswith("Error: acme-net fails ")


def test_what_cannot_be_imported_is_said_once_instead_of_by_every_check(pnetkit, install):
    install("acme-bad", "acme_bad", "import nothing_at_all", backbone={"bad": "acme_bad:Net"})
    code, out, err = pnetkit("plugins", "check", "bad")
    assert (code, out) == (5, "")
    assert "'bad' (acme_bad:Net, from acme-bad 1.2) cannot be imported: ModuleNotFoundError" in err


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("widht=3", "widht: no such parameter. Did you mean 'width'?"),
        ("width=many", "width: input should be a valid integer, got 'many'"),
    ],
)
def test_a_parameter_that_the_plugin_does_not_take_is_said_once_instead_of_by_every_check(pnetkit, net, given, said):
    code, out, err = pnetkit("plugins", "check", net("Net"), "--set", given)
    assert (code, out) == (2, "")
    assert said in err


@pytest.mark.parametrize("more", [(), ("--kind", "postprocessor")])
def test_a_plugin_in_another_group_is_said_to_be_there_by_check_and_show_as_by_the_doctor(pnetkit, install, more):
    groups = {"postprocessor.v2": {"next": "acme_rules:Keep"}, "postprocesor": {"odd": "acme_rules:Keep"}}
    install("acme-rules", "acme_rules", RULES, **groups)
    for command in ("check", "show"):
        code, _, err = pnetkit("plugins", command, "next", *more)
        assert code == 5
        assert "'next' of acme-rules 1.2 is written for pnetkit.postprocessor.v2; this pnetkit" in err
        code, _, err = pnetkit("plugins", command, "odd", *more)
        assert code == 5
        assert (
            "acme-rules 1.2 registers 'odd' in pnetkit.postprocesor, which is no group of pnetkit. Did you mean" in err
        )


def test_a_fault_of_the_signature_is_printed_once(pnetkit, install):
    source = NETS + "\n\ndef bare(depth, *, in_channels: int = 1, num_classes: int = 4):\n    return Net()\n"
    install("acme-nets", "acme_nets", source, backbone={"bare": "acme_nets:bare"})
    code, out, err = pnetkit("plugins", "check", "bare")
    assert code == 5
    assert out.count("its parameter 'depth'") == 2  # the check, and the line of parameters and costs at the end
    assert out.count("skipped") == len(testing.backbone_checks("bare")) - 1
    assert "bare fails 1 of " in err


@pytest.mark.parametrize(
    ("name", "said"), [("checked", "its parameter 'mode' has an annotation"), ("foreign", "its parameter 'of' is of a")]
)
def test_a_plugin_whose_parameters_cannot_be_read_is_shown_as_broken(pnetkit, install, name, said):
    install("acme-rules", "acme_rules", RULES, postprocessor={"rule": f"acme_rules:{name}"})
    code, _, err = pnetkit("plugins", "show", "rule")
    assert (code, said in err) == (5, True)
    code, out, err = pnetkit("plugins", "check", "rule")
    assert code == 5
    assert said in out
    assert err.startswith("Error: rule fails 1 of 5 checks: interface.")
    assert out.count(said) == 1


def test_parameters_that_no_json_can_say_are_shown_but_have_no_schema(pnetkit, install):
    install("acme-rules", "acme_rules", RULES, postprocessor={"rule": "acme_rules:calls"})
    code, out, _ = pnetkit("plugins", "show", "rule")
    assert (code, "function" in out) == (0, True)
    code, _, err = pnetkit("plugins", "show", "rule", "--json")
    assert (code, "'rule' has no JSON schema" in err) == (5, True)


@pytest.mark.slow
def test_the_doctor_goes_on_behind_every_broken_plugin(pnetkit, install):
    names = ("checked", "foreign", "leaves")
    points = {f"a-{name}": f"acme_rules:{name}" for name in names}
    points |= {"a-malformed": "acme-rules:keep", "b-keep": "acme_rules:Keep"}
    install("acme-rules", "acme_rules", RULES, postprocessor=points)
    install("acme-asserts", "acme_asserts", "assert False, 'no licence'", postprocessor={"a-asserts": "acme_asserts:x"})
    install("acme-exits", "acme_exits", "raise SystemExit", postprocessor={"a-exits": "acme_exits:x"})
    code, out, err = pnetkit("plugins", "doctor", "--kind", "postprocessor", "--json")
    assert code == 5
    report = json.loads(out)
    states = {of["name"]: of["state"] for of in report["plugins"] if of["distribution"].startswith("acme-")}
    assert states.pop("b-keep") == "conforms"
    assert set(states) == {"a-checked", "a-foreign", "a-leaves", "a-malformed", "a-asserts", "a-exits"}
    assert set(states.values()) == {"broken"}
    assert "6 findings" in err


@pytest.mark.slow
def test_a_network_that_ends_the_program_is_its_plugin_s_fault(net):
    name = net("Leaves")
    (info,) = [of for of in list_plugins(["backbone"]) if of.name == name]
    found = testing.examine(info)
    assert found.finding.problem == "non-conforming"
    assert "raised SystemExit: 0" in found.finding.what
