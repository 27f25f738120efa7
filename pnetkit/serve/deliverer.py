"""Send what is due, in a thread for each destination, so that one which does not answer holds up no other."""

import threading
from collections.abc import Mapping

from pnetkit.serve.deliveries import Due, Patience, due, due_by_destination, settle
from pnetkit.serve.log import LOG, alarm, kind_and_place, study_says
from pnetkit.serve.queue import Queue
from pnetkit.serve.sending import Send

POLL_S = 0.5


class Deliverer:
    """The threads that send; they begin with `start` and end with `stop`."""

    def __init__(self, queue: Queue, destinations: Mapping[str, Send], patience: Patience) -> None:
        self._queue, self._patience, self._ending = queue, patience, threading.Event()
        self._destinations = frozenset(destinations)
        self._threads = [
            threading.Thread(target=self._send_on, args=(name, send), name=f"to-{name}", daemon=True)
            for name, send in destinations.items()
        ]

    def start(self) -> None:
        """Begin to send; what is due where nothing is sent any more has an alarm, as nobody else would tell."""
        for name, number in due_by_destination(self._queue).items():
            if name not in self._destinations:
                LOG.error("ALARM %d files are due at %r, which the configuration does not name any more", number, name)
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End, after what is being sent."""
        self._ending.set()
        for thread in self._threads:
            thread.join()

    def _send_on(self, name: str, send: Send) -> None:
        while not self._ending.is_set():
            try:
                for found in due(self._queue, name):
                    if self._ending.is_set():
                        return
                    deliver(self._queue, found, send, self._patience)
            except Exception as error:  # noqa: BLE001  # a full disk, for example: what is due stays due
                LOG.error("ALARM sending to %s met an error: %s", name, kind_and_place(error))
                self._ending.wait(self._patience.first_s)  # what was sent and could not be noted is sent again
            self._ending.wait(POLL_S)


def deliver(queue: Queue, found: Due, send: Send, patience: Patience) -> None:
    """Send what is due once, and note what became of it."""
    try:
        errors = send(found.files)
    except Exception as error:  # noqa: BLE001  # whatever a network or a library brings: it did not arrive
        errors = dict.fromkeys((path.name for path in found.files), kind_and_place(error))
    state = settle(queue, found, errors, patience)
    if errors:
        whys = ", ".join(sorted(set(errors.values())))
        said = f"{len(errors)} of {len(found.files)} files did not arrive at {found.destination} ({whys})"
        if state != "given up":
            said += f"; again in {patience.pause_s(found.tries + 1):.0f} s"
        study_says(found.job, said)
    if state == "sent":
        study_says(found.job, "sent")
    elif state == "given up":
        alarm(found.job, f"given up: {found.destination} did not take its results in time")
