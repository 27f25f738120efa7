"""Fetch a study from a DICOMweb source that the service knows (WADO-RS); clients name source and study, no address."""

import errno
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import HTTPRedirectHandler, Request, build_opener

from pnetkit.serve.http.bounds import Bounds
from pnetkit.serve.http.parts import Parts, images_into
from pnetkit.serve.http.refused import RequestError

UID = re.compile(r"[0-9]+(?:\.[0-9]+){1,30}")

ACCEPT = 'multipart/related; type="application/dicom"; transfer-syntax=*'

_STEP = 2**18


@dataclass(frozen=True, slots=True)
class Source:
    """A DICOMweb service: its address, and the file with what is sent as `Authorization`, if anything is."""

    url: str
    authorization: Path | None = None


class _NoRedirects(HTTPRedirectHandler):
    """Follow nobody: a source that answers from elsewhere is not the one that was configured."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Refuse to be sent on."""


def fetch(sources: Mapping[str, Source], name: str, uid: str, folder: Path, bounds: Bounds) -> None:
    """Fetch a study's images into an empty folder.

    Raises:
        RequestError: the service knows no such source, this is no UID, or the source does not give the study.
    """
    if name not in sources:
        raise RequestError(404, "no such source is configured")
    if not UID.fullmatch(uid) or len(uid) > 64:  # noqa: PLR2004  # as DICOM has it
        raise RequestError(422, "study_uid is no UID")
    source = sources[name]
    headers = {"Accept": ACCEPT}
    if source.authorization is not None:
        headers["Authorization"] = source.authorization.read_text(encoding="utf-8").strip()
    request = Request(f"{source.url.rstrip('/')}/studies/{uid}", headers=headers)
    try:
        with build_opener(_NoRedirects).open(request, timeout=bounds.idle_s) as answer:
            parts = Parts(answer.headers.get("Content-Type", ""), images_into(folder), (), bounds)
            try:
                while block := answer.read(_STEP):
                    parts.feed(block)
                parts.finish()
            finally:
                parts.abandon()
    except HTTPError as error:
        status = 404 if error.code == 404 else 502  # noqa: PLR2004
        raise RequestError(status, f"the source {name} answers {error.code}") from error
    except (URLError, HTTPException, OSError) as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise  # the disk is full here
        raise RequestError(502, f"the source {name} does not answer ({type(error).__name__})") from error


def sources_of(given: Sequence[str], authorizations: Sequence[str]) -> dict[str, Source]:
    """Read NAME=URL and NAME=FILE. Raises ValueError for what is neither."""
    files = dict(_pair(text) for text in authorizations)
    urls = dict(_pair(text) for text in given)
    for name, url in urls.items():
        if not re.match(r"https?://[^/@]+(/|$)", url):
            raise ValueError(f"wanted NAME=http(s)://HOST/..., without a user in it, got {name}={url}")
    unknown = sorted(set(files) - set(urls))
    if unknown:
        raise ValueError(f"{unknown[0]} is no source; name it with --source too")
    return {name: Source(url, Path(files[name]) if name in files else None) for name, url in urls.items()}


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name.isidentifier() and equals and value):
        raise ValueError(f"wanted NAME=VALUE, got {text!r}")
    return name, value
