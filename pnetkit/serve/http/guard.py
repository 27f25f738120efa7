"""What lies around every answer: the token, headers that keep browsers in bounds, and an end to every error.

Nothing of a request is read before its token was seen. Of an error the log has kind and place, the client a number.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pnetkit.serve.http.token import is_authorized
from pnetkit.serve.log import LOG, kind_and_place

HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
}
"""What every answer says to browsers, unless it says something else of its own."""

LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Guard:
    """A middleware around all routes; `token` is None where none is asked for, and only this machine may ask."""

    app: ASGIApp
    token: str | None
    open_paths: Collection[str]
    open_beginnings: tuple[str, ...]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun = False

        async def sending(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                message = {**message, "headers": _with_ours(message["headers"])}
            await send(message)

        refused = self._refusal(scope)
        try:
            await (refused or self.app)(scope, receive, sending)
        except Exception as error:  # noqa: BLE001  # a client must not end the service, nor its words come into the log
            LOG.error("a request met an error: %s", kind_and_place(error))
            if not begun:
                await JSONResponse({"error": "the service met an error; its log says where"}, 500)(
                    scope, receive, sending
                )

    def _refusal(self, scope: Scope) -> ASGIApp | None:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        host = _host_of(headers.get("host", ""))
        if self.token is None and host not in LOOPBACK:
            return JSONResponse({"error": "without a token only this machine is answered"}, 421)
        origin = headers.get("origin")
        if origin is not None and _place_of(origin) != headers.get("host"):
            return JSONResponse({"error": "other pages may not ask"}, 403)
        path = scope["path"]
        is_open = path in self.open_paths or path.startswith(self.open_beginnings)
        if self.token is None or is_open or is_authorized(headers.get("authorization"), self.token):
            return None
        return JSONResponse({"error": "wanted Authorization: Bearer TOKEN"}, 401, {"www-authenticate": "Bearer"})


def _with_ours(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    given = list(headers)
    there = {name.lower() for name, _ in given}
    return given + [(name.encode(), value.encode()) for name, value in HEADERS.items() if name.encode() not in there]


def _place_of(origin: str) -> str:
    """Give host and port in a header `Origin`; empty for what is none."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""


def _host_of(header: str) -> str:
    """Give the name in a header `Host`, without its port."""
    try:
        return urlsplit(f"//{header}").hostname or ""
    except ValueError:
        return ""
