"""Options that `pnetkit run` and `pnetkit compare` share."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any

import click

from pnetkit.cli.sizes import optional_size


def _gpus(_context: click.Context, _parameter: click.Parameter, text: str | None) -> str | tuple[int, ...] | None:
    """Read `all` or `0,1`. Raises click.BadParameter for anything else."""
    if text is None or text == "all":
        return text
    numbers = text.split(",")
    if not all(number.strip().isdecimal() for number in numbers):
        raise click.BadParameter(f"wanted all, or numbers as 0,1, got {text!r}", param_hint="--gpus")
    return tuple(int(number) for number in numbers)


def _engine(_context: click.Context, _parameter: click.Parameter, text: str) -> str:
    """Take the name of an engine. Raises click.BadParameter for what is none."""
    if text != "processes" and not (text.startswith("dask:") and text.strip("/") != "dask:"):
        raise click.BadParameter(
            f"wanted processes, dask://HOST:PORT or dask:FILE, got {text!r}", param_hint="--engine"
        )
    return text


_OPTIONS = (
    click.option(
        "--cohort", "table", type=click.Path(path_type=Path), help="Table of cases (CSV). [default: phantoms]"
    ),
    click.option("--profile", help="Apply this profile. [default: demo without --cohort, none with it]"),
    click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override one key; repeatable."),
    click.option(
        "--store",
        type=click.Path(path_type=Path),
        default=Path("runs") / ".store",
        show_default=True,
        help="Folder in which results of stages are kept and shared between runs.",
    ),
    click.option(
        "--store-locks",
        type=click.Choice(["auto", "flock", "claims"]),
        default="auto",
        show_default=True,
        help="How runs that share the store exclude each other: flock on a disk, claims on what machines share.",
    ),
    click.option(
        "--engine",
        default="processes",
        show_default=True,
        callback=_engine,
        metavar="processes|dask://HOST:PORT|dask:FILE",
        help="What makes the stages: processes of this machine, or the workers of a Dask cluster (extra dask).",
    ),
    click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1, mps; cuda is all GPUs."),
    click.option("--gpus", callback=_gpus, metavar="all|0,1,...", help="GPUs to use. [default: all that there are]"),
    click.option(
        "--workers",
        type=click.IntRange(min=0),
        help="Processes that compute on the cores; 0 for none but this one. [default: one a core]",
    ),
    click.option(
        "--gpu-workers",
        type=click.IntRange(min=1),
        help="Tasks at once on each GPU. [default: one training, or two others]",
    ),
    click.option(
        "--devices-per-training",
        "per_training",
        type=click.IntRange(min=1),
        default=1,
        show_default=True,
        help="Processes that share a training, a GPU each; has to divide training.accumulation.",
    ),
    click.option(
        "--ram", "ram_bytes", callback=optional_size, help="Memory that all processes may take, as 8GB: fewer workers."
    ),
    click.option("--vram", "vram_bytes", callback=optional_size, help="Memory of each GPU that may be taken, as 12GB."),
    click.option(
        "--on-bad-case",
        type=click.Choice(["stop", "skip"]),
        default="stop",
        show_default=True,
        help="Stop at faulty cases, or set them aside and count them.",
    ),
    click.option(
        "--verify-files",
        is_flag=True,
        help="Read every file of the cohort again, also those that did not change since they were checked.",
    ),
    click.option(
        "--on-code-change",
        type=click.Choice(["rebuild", "warn", "error"]),
        default="rebuild",
        show_default=True,
        help="A plugin's source has changed: make anew what depends on it, use the old results, or stop.",
    ),
    click.option(
        "--traceback",
        "raises",
        is_flag=True,
        help="End at the first error, with its traceback; with --workers 0, where breakpoint() works too.",
    ),
)


_FOLLOWING = (
    click.option("--live", is_flag=True, help="Keep a page in the run's folder that shows how far it is: live.html."),
    click.option(
        "--tensorboard",
        type=click.Path(path_type=Path),
        metavar="DIR",
        help="Write losses and figures for TensorBoard into this folder. [extra: tensorboard]",
    ),
    click.option(
        "--mlflow",
        type=click.Path(path_type=Path),
        metavar="DIR",
        help="Write settings, losses and figures into MLflow's files in this folder. [extra: mlflow]",
    ),
)


def following_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that say who follows its runs."""
    return reduce(lambda decorated, option: option(decorated), reversed(_FOLLOWING), command)


@dataclass(frozen=True, slots=True)
class Following:
    """Say who follows a run while it goes: a page, TensorBoard and MLflow, each into its folder."""

    live: bool = False
    tensorboard: Path | None = None
    mlflow: Path | None = None

    def followers(self, store: Path) -> list[Any]:
        """Give new followers for one run. Raises MissingExtraError where one's package is not installed."""
        from pnetkit.pipeline.follow.mlflow import mlflow_follower
        from pnetkit.pipeline.follow.page import page_follower
        from pnetkit.pipeline.follow.tensorboard import tensorboard_follower
        from pnetkit.pipeline.outcome.pages.run_page import REPORT

        return [
            *([page_follower(store, report=REPORT)] if self.live else []),
            *([tensorboard_follower(self.tensorboard, store)] if self.tensorboard else []),
            *([mlflow_follower(self.mlflow, store)] if self.mlflow else []),
        ]


def run_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that say on what and how recipes are run."""
    return reduce(lambda decorated, option: option(decorated), reversed(_OPTIONS), command)


def label_mapping(text: str, option: str) -> dict[int, int]:
    """Read `7=1,8=2` as a mapping of label values. Raises click.BadParameter for anything else."""
    try:
        found = {int(value): int(label) for value, label in (part.split("=") for part in text.split(","))}
    except ValueError:
        raise click.BadParameter(f"wanted VALUE=LABEL,VALUE=LABEL, got {text!r}", param_hint=option) from None
    if not set(found.values()) <= {0, 1, 2, 3}:
        raise click.BadParameter(f"labels are 0 to 3, got {sorted(set(found.values()))}", param_hint=option)
    return found
