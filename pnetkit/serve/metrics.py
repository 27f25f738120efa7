"""Say in numbers how a service is, in the text format that Prometheus reads."""

from pnetkit.serve.deliveries import due_count
from pnetkit.serve.queue import Queue

STATES = ("receiving", "waiting", "running", "ready", "refused", "failed", "sent", "given up")

COUNTED = ("outcomes_finding", "outcomes_refusal", "outcomes_failure", "sent", "given_up", "purged")
"""What is counted over restarts; `given_up` is the one to be alarmed by."""


def metrics_text(queue: Queue, *, ready_workers: int) -> str:
    """Give the numbers; nothing in them leads to a patient."""
    counts, counters, now = queue.counts(), queue.counters(), queue.clock()
    waiting = [job.changed_at for job in queue.jobs("waiting", "running")]
    lines = ["# TYPE pnetkit_jobs gauge"]
    lines += [f'pnetkit_jobs{{state="{state.replace(" ", "_")}"}} {counts.get(state, 0)}' for state in STATES]
    for name in COUNTED:
        lines += [f"# TYPE pnetkit_{name}_total counter", f"pnetkit_{name}_total {counters.get(name, 0):g}"]
    gauges = {
        "oldest_waiting_seconds": max((now - since for since in waiting), default=0.0),
        "used_bytes": queue.used_bytes(),
        "deliveries_due": due_count(queue),
        "ready_workers": ready_workers,
    }
    for name, value in gauges.items():
        lines += [f"# TYPE pnetkit_{name} gauge", f"pnetkit_{name} {value:.15g}"]
    return "\n".join(lines) + "\n"
