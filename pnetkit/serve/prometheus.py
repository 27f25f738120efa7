"""What a service is like, as Prometheus reads it: numbers of studies, never which ones."""

import shutil
from collections.abc import Mapping

from pnetkit.serve.queue import Queue

TYPE = "text/plain; version=0.0.4; charset=utf-8"

STATES = ("receiving", "waiting", "running", "ready", "refused", "failed", "sent", "given up")


def metrics(queue: Queue, ready_workers: int) -> str:
    """Give the metrics of a service, in Prometheus's text format."""
    states, counters = queue.counts(), queue.counters()
    waiting = queue.jobs("waiting")
    oldest = queue.clock() - waiting[0].received_at if waiting else 0.0
    families: list[tuple[str, str, str, Mapping[str, float]]] = [
        ("studies", "gauge", "Studies that lie here, by state.",
         {f'{{state="{state}"}}': states.get(state, 0) for state in STATES}),
        ("outcomes_total", "counter", "Studies that ended, by how: a refusal or failure is no negative.",
         {f'{{outcome="{of}"}}': counters.get(f"outcomes_{of}", 0) for of in ("finding", "refusal", "failure")}),
        ("given_up_total", "counter", "Studies of which nothing could be sent or fetched in time: look after them.",
         {"": counters.get("given_up", 0)}),
        ("purged_total", "counter", "Studies that were deleted when their time was over.",
         {"": counters.get("purged", 0)}),
        ("oldest_waiting_seconds", "gauge", "How long the oldest study has waited.", {"": max(0.0, oldest)}),
        ("workers_ready", "gauge", "Processes that hold the model.", {"": ready_workers}),
        ("used_bytes", "gauge", "Bytes that studies and results take.", {"": queue.used_bytes()}),
        ("limit_bytes", "gauge", "Bytes that they may take.", {"": queue.limits.most_bytes}),
        ("free_disk_bytes", "gauge", "Bytes that the disk has left.", {"": shutil.disk_usage(queue.places.root).free}),
    ]  # fmt: skip
    lines = []
    for name, kind, about, values in families:
        lines += [f"# HELP pnetkit_{name} {about}", f"# TYPE pnetkit_{name} {kind}"]
        lines += [f"pnetkit_{name}{labels} {value:.17g}" for labels, value in values.items()]
    return "\n".join(lines) + "\n"
