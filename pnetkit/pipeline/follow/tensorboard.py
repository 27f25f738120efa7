"""Write a run's losses and figures as TensorBoard reads them (extra `tensorboard`)."""

import time
from pathlib import Path
from typing import Any

from pnetkit.extras import require_extra
from pnetkit.pipeline.engine.schedule import Progress
from pnetkit.pipeline.follow.follower import Follower
from pnetkit.pipeline.follow.losses import Losses, Watches, figures_of, metrics_of
from pnetkit.store.store import Store


def tensorboard_follower(root: Path, store: Path) -> Follower:
    """Give a follower that writes event files into a folder named as the run's, below `root`.

    Raises MissingExtraError where TensorBoard is not installed.
    """
    require_extra("tensorboard", "--tensorboard")
    losses, watches, opened = Losses(Store(store)), Watches(Store(store)), dict[str, Any]()

    def begin(folder: Path) -> None:
        from tensorboard.summary.writer.event_file_writer import EventFileWriter  # noqa: PLC0415  # an extra

        opened["folder"], opened["writer"] = folder, EventFileWriter(str(root / folder.name))

    def write(tag: str, value: float, step: int) -> None:
        from tensorboard.compat.proto.event_pb2 import Event  # noqa: PLC0415  # an extra
        from tensorboard.compat.proto.summary_pb2 import Summary  # noqa: PLC0415

        summary = Summary(value=[Summary.Value(tag=tag, simple_value=value)])
        opened["writer"].add_event(Event(wall_time=time.time(), step=step, summary=summary))

    def progress(told: Progress) -> None:
        for step, loss in losses.new(told):
            write(f"loss/{told.node.label}", loss, step)
        for seen in watches.new(told):
            for name, value in metrics_of(seen).items():
                write(f"{name}/{told.node.label}", value, seen.iteration)

    def ended(_: str) -> None:
        if "writer" not in opened:
            return
        for name, value in figures_of(opened["folder"]).items():
            write(name, value, 0)
        opened["writer"].close()

    return Follower("TensorBoard", opened=begin, progress=progress, idle=lambda: _flush(opened), ended=ended)


def _flush(opened: dict[str, Any]) -> None:
    if "writer" in opened:
        opened["writer"].flush()
