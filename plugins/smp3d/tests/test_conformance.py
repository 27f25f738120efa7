"""The plugin held to its interface by the conformance kit."""

import pytest

from pnetkit.testing import backbone_checks

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("quick_shapes", "quick_weights")]


SMALL = {"encoder_depth": 3, "decoder_channels": [16, 8, 8]}
"""A fifteenth of the default's parameters, and every part of it but the two deepest stages."""


@pytest.mark.parametrize("check", backbone_checks("smp3d", params=SMALL), ids=str)
def test_smp3d_conforms(check):
    check()


QUICK = ("spec", "meta", "features", "auxiliary_outputs", "gradients")
"""What tells architectures apart; the whole kit takes a minute for each of these large networks."""

OTHERS = (
    {"architecture": "unet", "encoder_depth": 4},
    {"architecture": "pspnet"},
    {"architecture": "deeplabv3plus", "encoder": "mobileone_s0"},
    {"architecture": "fpn", "encoder": "efficientnet-b0"},
)


def _words(params):
    return "-".join("x".join(map(str, of)) if isinstance(of, list) else str(of) for of in params.values())


@pytest.mark.parametrize(
    "check",
    [
        pytest.param(check, id=f"{_words(params)}-{check}")
        for params in OTHERS
        for check in backbone_checks("smp3d", params=params)
        if check.name in QUICK
    ],
)
def test_other_architectures_conform_too_and_declare_what_is_never_run(check):
    check()
