"""Run the service: the queue, the processes that hold the model, what deletes in time, and a server for HTTP."""

import socket
import ssl
import threading
from asyncio import Semaphore
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from pnetkit.errors import PnetkitError
from pnetkit.serve.http.app import Service, app_of
from pnetkit.serve.http.arrival import Intake
from pnetkit.serve.http.bounds import Bounds
from pnetkit.serve.http.sources import Source
from pnetkit.serve.http.tickets import Tickets
from pnetkit.serve.log import LOG, alarm, kind_and_place
from pnetkit.serve.queue import Queue
from pnetkit.serve.retention import purge
from pnetkit.serve.values import Limits
from pnetkit.serve.work import Work, Workers

PURGE_EVERY_S = 60.0


class ListeningError(PnetkitError):
    """Report that a service cannot listen where it is to."""


@dataclass(frozen=True, slots=True)
class Serving:
    """Say where the service listens and what it keeps; `token` is None where none is asked for.

    `certificate` and `private_key` are the files of TLS.
    """

    state: Path
    model: str
    phases: Sequence[str]
    token: str | None
    host: str = "127.0.0.1"
    port: int = 8080
    certificate: Path | None = None
    private_key: Path | None = None
    keep_s: float = 7 * 86400.0
    limits: Limits = field(default_factory=Limits)
    bounds: Bounds = field(default_factory=Bounds)
    sources: Mapping[str, Source] = field(default_factory=dict)


def serve(serving: Serving, work: Work, *, listening: Callable[[int], None] = lambda _: None) -> None:
    """Serve until a signal ends it; `listening` is told the port when all is ready. What runs is begun again later.

    Raises:
        ModelError: the model cannot be loaded.
        StoreError: another service works in the folder, or it cannot be written.
        ListeningError: there cannot be listened there, or the files of TLS are none.
    """
    listener = _listener(serving)
    with listener:
        _serve(serving, work, listener, listening)


def application(serving: Serving, queue: Queue, ready_workers: Callable[[], int]) -> ASGIApp:
    """Make what answers requests, on a queue."""
    intake = Intake(queue, serving.phases, serving.bounds, serving.sources, Semaphore(serving.bounds.at_once))
    return app_of(Service(queue, intake, ready_workers, Tickets()), serving.token)


def _serve(serving: Serving, work: Work, listener: socket.socket, listening: Callable[[int], None]) -> None:
    queue = Queue(serving.state, model=serving.model, limits=serving.limits)
    try:
        workers = Workers(queue, work)
        workers.start()
        ending = threading.Event()
        purging = threading.Thread(target=_purge, args=(queue, serving.keep_s, ending), daemon=True, name="purge")
        purging.start()
        try:
            LOG.info("listening on port %d", listener.getsockname()[1])
            listening(listener.getsockname()[1])
            _listen(application(serving, queue, lambda: workers.ready), serving, listener)
        finally:
            ending.set()
            workers.stop()
            purging.join()
    finally:
        queue.close()


def _listener(serving: Serving) -> socket.socket:
    """Listen, before a model is loaded for nothing. Raises ListeningError."""
    if serving.certificate is not None:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(serving.certificate, serving.private_key)
        except (OSError, ValueError) as error:
            what = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
            raise ListeningError(f"{serving.certificate}: is no certificate with its key ({what}).") from error
    family = socket.AF_INET6 if ":" in serving.host else socket.AF_INET
    try:
        return socket.create_server((serving.host, serving.port), family=family, backlog=512)
    except OSError as error:
        what = error.strerror or error
        raise ListeningError(f"{serving.host}, port {serving.port}: nobody can listen there ({what}).") from error


def _listen(app: ASGIApp, serving: Serving, listener: socket.socket) -> None:
    config = uvicorn.Config(
        app,
        ssl_certfile=serving.certificate,
        ssl_keyfile=serving.private_key,
        log_config=None,  # what uvicorn writes has addresses that were asked for, and texts of errors
        log_level="critical",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        http="h11",  # whatever else is installed: its bounds are known
        interface="asgi3",
        lifespan="off",
        timeout_keep_alive=15,
        timeout_graceful_shutdown=10,
        h11_max_incomplete_event_size=2**16,
        limit_concurrency=500,
    )
    with suppress(KeyboardInterrupt):  # uvicorn raises it again when it is done
        uvicorn.Server(config).run(sockets=[listener])


def _purge(queue: Queue, keep_s: float, ending: threading.Event) -> None:
    while not ending.is_set():
        try:
            for job in purge(queue, keep_s, fetched=True):
                alarm(job.number, "deleted before it had a result: its time was over")
        except Exception as error:  # noqa: BLE001  # what cannot be deleted now is tried again
            LOG.error("ALARM what is too old cannot be deleted: %s", kind_and_place(error))
        ending.wait(PURGE_EVERY_S)
