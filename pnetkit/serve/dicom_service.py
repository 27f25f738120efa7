"""A DICOM service: a node that takes studies, workers that screen them, and what sends results back."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from pnetkit.dicom.refusal import write_refusal
from pnetkit.dicom.source_headers import Author
from pnetkit.dicom.succession import succeed
from pnetkit.files import write_atomically
from pnetkit.serve.child import Task
from pnetkit.serve.config import Config, Dimse, Retry, Stow
from pnetkit.serve.deliverer import Deliverer
from pnetkit.serve.deliveries import Patience
from pnetkit.serve.log import LOG, alarm, kind_and_place, study_says
from pnetkit.serve.metrics import metrics_text
from pnetkit.serve.node import Listening
from pnetkit.serve.queue import Queue
from pnetkit.serve.retention import purge
from pnetkit.serve.sending import Send, c_store, stow
from pnetkit.serve.work import Work, Workers

METRICS, REFUSAL = "metrics.prom", "refusal.dcm"

EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class Times:
    """Say after how long without an image a study is complete, and how long anything of it is kept."""

    stable_after_s: float = 60.0
    keep_s: float = 7 * 86400.0


def serve_dicom(queue: Queue, config: Config, work: Work, times: Times, ending: threading.Event) -> None:
    """Serve until `ending` is set.

    Raises:
        ModelError: the model cannot be loaded.
        StoreError: the node's address cannot be had.
    """
    workers = Workers(queue, work)
    workers.start()
    deliverer = Deliverer(queue, senders(config), patience(config.retry))
    try:
        node = Listening(queue, config.node)
        queue.listens_again()
        deliverer.start()
        try:
            while not ending.wait(EVERY_S):
                keep_house(queue, times, workers)
        finally:
            node.stop()
            deliverer.stop()
    finally:
        workers.stop()
        LOG.info("ended")


def keep_house(queue: Queue, times: Times, workers: Workers) -> None:
    """Let complete studies wait, delete what was kept for its time, and write how the service is."""
    try:
        for number in queue.complete(times.stable_after_s):
            study_says(number, "complete")
        for job in purge(queue, times.keep_s):
            alarm(job.number, "given up: its time is over, and all of it is deleted")
        text = metrics_text(queue, ready_workers=workers.ready)
        write_atomically(queue.places.root / METRICS, text.encode())
    except Exception as error:  # noqa: BLE001  # a full disk, for example: it is tried again in a second
        LOG.error("ALARM keeping house met an error: %s", kind_and_place(error))


def senders(config: Config) -> Mapping[str, Send]:
    """Give what sends to each destination."""

    def sender(to: Dimse | Stow) -> Send:
        return partial(stow, to) if isinstance(to, Stow) else partial(c_store, to, config.node.ae_title)

    return {name: sender(to) for name, to in config.destinations.items()}


def patience(retry: Retry) -> Patience:
    """Give how long is tried."""
    return Patience(retry.first_s, retry.most_s, retry.give_up_after_h * 3600)


def refuse(author: Author, task: Task, reason: str) -> list[str]:
    """Write a refusal of a study, which names the reports that it replaces; give its file's name.

    Raises ImageError where no image of the study can be read.
    """
    path = task.out / REFUSAL
    write_refusal(path, task.study, reason, author)
    if task.earlier is not None and task.earlier.is_dir():
        succeed([path], sorted(task.earlier.glob("*.dcm")), f"instead, {task.number}")
    return [REFUSAL]
