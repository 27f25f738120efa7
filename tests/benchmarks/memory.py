"""Compare the memory that sliding windows add over a large CT, around a network that costs nothing: MONAI and pnetkit.

Each runs in a process of its own, whose peak is measured above what it held with its input.
"""

import multiprocessing

import click
import numpy as np
import torch
from monai.inferers import SlidingWindowInferer
from numpy.typing import NDArray
from torch import nn

from pnetkit.inference.search import Settings
from pnetkit.inference.segment import segment
from pnetkit.interfaces import BackboneOutput
from pnetkit.types import BackboneSpec, Grid, Triple
from tests.benchmarks.peak import high_water_mib

WINDOW, STRIDE = (64, 64, 64), (20, 20, 20)


class Nothing(nn.Module):
    """A network that answers at once."""

    def __init__(self) -> None:
        super().__init__()
        self.spec = BackboneSpec(1, 4, (1, 1, 1))
        self.answer = torch.randn(1, 4, *WINDOW, generator=torch.Generator().manual_seed(0))

    def forward(self, x: torch.Tensor) -> BackboneOutput:
        return BackboneOutput(self.answer.expand(len(x), -1, -1, -1, -1))


def inputs(shape: Triple) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Make a volume and a body that fills half of it."""
    volume = np.zeros((1, *shape), np.float32)
    volume += 1  # so that its pages are there
    body = np.zeros(shape, bool)
    body[shape[0] // 8 : -shape[0] // 8, shape[1] // 6 : -shape[1] // 6] = True
    return volume, body


def _run(name: str, shape: Triple, answer: "multiprocessing.Queue[float]") -> None:
    torch.set_num_threads(1)
    network = Nothing()
    volume, body = inputs(shape)
    before = high_water_mib()
    if name == "MONAI":
        inferer = SlidingWindowInferer(WINDOW, sw_batch_size=1, overlap=1 - STRIDE[0] / WINDOW[0], mode="constant")
        with torch.inference_mode():
            inferer(torch.from_numpy(volume)[None], lambda x: network(x).logits)[0].argmax(0).to(torch.uint8).numpy()
    else:
        segment(network, volume, Grid(shape, np.eye(4)), Settings(WINDOW, STRIDE, 1, 0.0, "cpu", "fp32"), body=body)
    answer.put(high_water_mib() - before)


def compare(shape: Triple) -> None:
    """Print what each adds at its peak."""
    context = multiprocessing.get_context("spawn")
    peaks = {}
    for name in ("MONAI", "pnetkit"):
        answer: multiprocessing.Queue[float] = context.Queue()
        process = context.Process(target=_run, args=(name, shape, answer))
        process.start()
        peaks[name] = answer.get()
        process.join()
        click.echo(f"{name}: +{peaks[name]:.0f} MiB above the input")
    click.echo(f"{peaks['pnetkit'] / peaks['MONAI']:.2f} of MONAI's")


@click.command()
@click.option("--shape", nargs=3, type=int, default=(512, 512, 320), show_default=True)
def main(shape: Triple) -> None:
    compare(shape)


if __name__ == "__main__":
    main()
