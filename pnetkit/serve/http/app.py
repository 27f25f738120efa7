"""The routes of the service: what a client may ask, and which function answers."""

import errno
import json
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from anyio import to_thread
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from pnetkit.serve.http.answers import REPORT, TYPES, blocks, described, file_path, finding_path, job_of
from pnetkit.serve.http.arrival import JSON, Intake, fetched, taken
from pnetkit.serve.http.guard import Guard
from pnetkit.serve.http.openapi import document
from pnetkit.serve.http.refused import RequestError
from pnetkit.serve.http.tickets import FOR_S, Tickets
from pnetkit.serve.metrics import metrics_text
from pnetkit.serve.queue import Queue
from pnetkit.serve.values import FullError

PAGE = {"": ("page.html", "text/html; charset=utf-8"), "page.js": ("page.js", "text/javascript; charset=utf-8"),
        "page.css": ("page.css", "text/css; charset=utf-8")}  # fmt: skip

METRICS = {"content-type": "text/plain; version=0.0.4; charset=utf-8"}
"""What Prometheus wants its text called."""

PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; frame-src 'self'; img-src 'self'; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)

REPORT_POLICY = "sandbox allow-scripts; frame-ancestors 'self'"
"""A report runs its own script and reaches nothing of this page; what it may load is in a policy of its own."""

MOST_JSON, MOST_LISTED, AGAIN_S = 2**16, 200, "30"

OPEN = ("/", "/page.js", "/page.css", "/favicon.ico", "/health", "/ready", "/openapi.json")
"""What is answered without a token: nothing of a study."""


@dataclass(frozen=True, slots=True)
class Service:
    """What answers requests: the queue, how studies are taken in, and how many processes hold the model."""

    queue: Queue
    intake: Intake
    ready_workers: Callable[[], int]
    tickets: Tickets

    async def studies(self, request: Request) -> Response:
        """Take a study, or list those that are here: one route, so that it says rightly which methods it has."""
        if request.method == "POST":
            return await self.submit(request)
        return await to_thread.run_sync(self.listed)

    async def submit(self, request: Request) -> Response:
        """Take a study, or fetch one that is named."""
        length = _length(request)
        kind = request.headers.get("content-type", "")
        if kind.partition(";")[0].strip().lower() == JSON:
            named = await _named(request)
            received = await fetched(self.intake, named["source"], named["study_uid"])
        else:
            received = await taken(self.intake, kind, length, request.stream())
        said = await to_thread.run_sync(self._described, received.number)
        return JSONResponse(said, 202 if received.is_new else 200, {"location": f"/v1/studies/{received.number}"})

    def listed(self) -> Response:
        """List the newest studies."""
        newest = self.queue.jobs()[: -MOST_LISTED - 1 : -1]
        return JSONResponse({"studies": [described(self.queue, job) for job in newest]})

    def state(self, request: Request) -> Response:
        """Say what became of a study."""
        return JSONResponse(described(self.queue, self._job(request)))

    def finding(self, request: Request) -> Response:
        """Give a study's finding."""
        return Response(finding_path(self.queue, self._job(request)).read_bytes(), media_type="application/json")

    def file(self, request: Request) -> Response:
        """Give a file of a study's results."""
        return self._file(request, request.path_params["name"])

    def segmentation(self, request: Request) -> Response:
        """Give the segmentation of one input."""
        return self._file(request, f"{request.path_params['input']}_segmentation.nii.gz")

    def report_link(self, request: Request) -> Response:
        """Give a link that opens a study's report once."""
        job = self._job(request)
        file_path(self.queue, job, REPORT)
        return JSONResponse({"url": f"/report/{self.tickets.give(job.number)}", "expires_s": FOR_S})

    def report(self, request: Request) -> Response:
        """Give a study's report."""
        return self._file(request, REPORT)

    def report_by_ticket(self, request: Request) -> Response:
        """Give the report that a ticket is for."""
        number = self.tickets.take(request.path_params["ticket"])
        if number is None:
            raise RequestError(404, "this link was used, or its time is over")
        path = file_path(self.queue, job_of(self.queue, number), REPORT)
        headers = {"content-security-policy": REPORT_POLICY}
        return Response(path.read_bytes(), media_type=TYPES[path.suffix], headers=headers)

    def health(self, _request: Request) -> Response:
        """Say that the service answers."""
        return JSONResponse({"status": "ok"})

    def ready(self, _request: Request) -> Response:
        """Say whether studies are taken and screened."""
        full = self.queue.used_bytes() >= self.queue.limits.most_bytes
        workers = self.ready_workers()
        is_ready = workers > 0 and not full
        said = {"status": "ready" if is_ready else "not ready", "workers_ready": workers, "full": full}
        return JSONResponse(said, 200 if is_ready else 503)

    def metrics(self, _request: Request) -> Response:
        """Give the metrics."""
        return PlainTextResponse(metrics_text(self.queue, ready_workers=self.ready_workers()), headers=METRICS)

    def described_api(self, _request: Request) -> Response:
        """Give the OpenAPI document."""
        return JSONResponse(document(self.intake.phases))

    def page(self, request: Request) -> Response:
        """Give the page to try the service out, or what it is made of."""
        name, media = PAGE[request.url.path.lstrip("/")]
        data = (files("pnetkit.serve.http") / "static" / name).read_bytes()
        return Response(data, media_type=media, headers={"content-security-policy": PAGE_POLICY})

    def _described(self, number: int) -> dict[str, Any]:
        return described(self.queue, job_of(self.queue, number))

    def _job(self, request: Request) -> Any:
        return job_of(self.queue, request.path_params["number"])

    def _file(self, request: Request, name: str) -> Response:
        path = file_path(self.queue, self._job(request), name)
        stream = path.open("rb")
        headers = {"content-disposition": f'attachment; filename="{path.name}"', "content-length": str(_size(stream))}
        if name == REPORT:
            headers["content-security-policy"] = REPORT_POLICY
        media = TYPES.get(path.suffix, "application/octet-stream")
        return StreamingResponse(blocks(stream), media_type=media, headers=headers)


def routes_of(service: Service) -> list[Route]:
    """List what may be asked."""
    study = "/v1/studies/{number:int}"
    return [
        Route("/v1/studies", service.studies, methods=["GET", "POST"]),
        Route(study, service.state),
        Route(f"{study}/finding", service.finding),
        Route(f"{study}/segmentations/{{input}}", service.segmentation),
        Route(f"{study}/files/{{name}}", service.file),
        Route(f"{study}/report", service.report),
        Route(f"{study}/report-link", service.report_link, methods=["POST"]),
        Route("/report/{ticket}", service.report_by_ticket),
        Route("/health", service.health),
        Route("/ready", service.ready),
        Route("/metrics", service.metrics),
        Route("/openapi.json", service.described_api),
        Route("/", service.page),
        Route("/page.js", service.page),
        Route("/page.css", service.page),
        Route("/favicon.ico", lambda _: Response(status_code=204)),  # browsers ask for one
    ]


def app_of(service: Service, token: str | None) -> ASGIApp:
    """Make the application; without a token only this machine is answered."""
    handlers: dict[Any, Any] = {
        RequestError: lambda _, error: JSONResponse({"error": str(error)}, error.status),
        FullError: lambda _, error: JSONResponse({"error": str(error)}, 503, {"retry-after": AGAIN_S}),
        HTTPException: lambda _, error: JSONResponse({"error": error.detail}, error.status_code, error.headers),
        ClientDisconnect: lambda _, __: JSONResponse({"error": "the client went away"}, 400),
        OSError: _of_the_system,
    }
    guard = Middleware(Guard, token=token, open_paths=OPEN, open_beginnings=("/report/",))
    return Starlette(routes=routes_of(service), exception_handlers=handlers, middleware=[guard])


def _of_the_system(_request: Request, error: Exception) -> Response:
    """Answer where files are gone or the disk takes no more; every other error of the system is the service's own."""
    if isinstance(error, FileNotFoundError):
        return JSONResponse({"error": "there is no such study, or its time is over"}, 404)
    if not isinstance(error, OSError) or error.errno not in (errno.ENOSPC, errno.EDQUOT):
        raise error
    return JSONResponse({"error": "the disk is full; send again later"}, 503, {"retry-after": AGAIN_S})


def _length(request: Request) -> int | None:
    """Give how many bytes a client announces. Raises RequestError for what is no number."""
    said = request.headers.get("content-length")
    if said is None:
        return None
    if not (said.isascii() and said.isdecimal() and len(said) <= 20):  # noqa: PLR2004  # as many digits as 2**64 has
        raise RequestError(400, "Content-Length is no number")
    return int(said)


async def _named(request: Request) -> dict[str, str]:
    """Read which study of which source is wanted."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_JSON:
            raise RequestError(413, f"wanted at most {MOST_JSON} bytes of JSON")
    try:
        said = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RequestError(400, "is no JSON") from error
    wanted = {"source", "study_uid"}
    if not isinstance(said, dict) or said.keys() != wanted or not all(isinstance(said[key], str) for key in wanted):
        raise RequestError(422, 'wanted {"source": NAME, "study_uid": UID}')
    return said


def _size(stream: Any) -> int:
    size = stream.seek(0, 2)
    stream.seek(0)
    return int(size)
