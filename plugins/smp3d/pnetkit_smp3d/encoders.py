"""The encoders that work, out of the 124 that segmentation-models-pytorch-3d 1.0.2 lists.

Found by building a U-Net on each, with one input channel, and running it at two sizes. The others (senet, inception,
mobilenet, xception, all `timm-*`) do not take the `strides` that the library passes, or need three channels (mit_*).
"""

from pnetkit.errors import did_you_mean

# fmt: off
ENCODERS = (
    "resnet18", "resnet34", "resnet50", "resnet101", "resnet152",
    "resnext50_32x4d", "resnext101_32x4d", "resnext101_32x8d", "resnext101_32x16d", "resnext101_32x32d",
    "resnext101_32x48d",
    "dpn68", "dpn68b", "dpn92", "dpn98", "dpn107", "dpn131",
    "vgg11", "vgg11_bn", "vgg13", "vgg13_bn", "vgg16", "vgg16_bn", "vgg19", "vgg19_bn",
    "densenet121", "densenet161", "densenet169", "densenet201",
    "efficientnet-b0", "efficientnet-b1", "efficientnet-b2", "efficientnet-b3", "efficientnet-b4", "efficientnet-b5",
    "efficientnet-b6", "efficientnet-b7",
    "mobileone_s0", "mobileone_s1", "mobileone_s2", "mobileone_s3", "mobileone_s4",
)
# fmt: on

DILATED = ("deeplabv3", "deeplabv3plus")
"""Architectures that turn strides of the encoder into dilation."""

_POOLING = ("vgg", "densenet")  # these encoders downsample by pooling, which has no stride to turn into dilation


def check_encoder(encoder: str, architecture: str) -> None:
    """Raise ValueError when an encoder does not work, or not with this architecture."""
    if encoder not in ENCODERS:
        raise ValueError(f"{encoder!r} is no encoder that works in 3-D.{did_you_mean(encoder, ENCODERS)}")
    if architecture in DILATED and encoder.startswith(_POOLING):
        raise ValueError(
            f"{architecture} dilates its encoder, which {encoder} cannot do because it downsamples by pooling. "
            f"Choose a resnet, resnext, dpn, efficientnet or mobileone encoder, or another architecture."
        )
