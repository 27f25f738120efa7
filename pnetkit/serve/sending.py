"""Send results to a PACS or an archive: by C-STORE, or by STOW-RS over HTTP."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pynetdicom import AE
from pynetdicom.sop_class import (  # type: ignore[attr-defined]  # made when the module is imported
    Comprehensive3DSRStorage,
    EncapsulatedPDFStorage,
    SegmentationStorage,
)

from pnetkit.dicom.stow import THERE_ALREADY, store_over_http
from pnetkit.serve.config import Dimse, Stow, secret

Send = Callable[[Sequence[Path]], Mapping[str, str]]
"""Sends files; gives for the name of each that did not arrive why not, in words that name nobody."""

RESULTS = (SegmentationStorage, Comprehensive3DSRStorage, EncapsulatedPDFStorage)
"""What is sent."""

WARNINGS = range(0xB000, 0xC000)
"""Answers to a C-STORE that say that it was stored, and something about it."""


def c_store(destination: Dimse, own_title: str, files: Sequence[Path]) -> Mapping[str, str]:
    """Send files in one association."""
    ae = AE(ae_title=own_title)
    ae.connection_timeout = ae.acse_timeout = 30
    ae.dimse_timeout = ae.network_timeout = 120
    for kind in RESULTS:
        ae.add_requested_context(kind)
    link = ae.associate(destination.host, destination.port, ae_title=destination.ae_title)
    if not link.is_established:
        return {path.name: "no association" for path in files}
    try:
        return {path.name: why for path in files if (why := _sent(link, path))}
    finally:
        link.release()


def stow(destination: Stow, files: Sequence[Path]) -> Mapping[str, str]:
    """Send files in one request; a secret is read anew each time, so that it can be changed."""
    token = secret(destination.token_file, destination.token_env)
    password = secret(destination.password_file, destination.password_env)
    account = None if destination.user is None or password is None else (destination.user, password)
    return store_over_http(destination.url, files, token=token, account=account, ca_file=destination.ca_file)


def _sent(link: Any, path: Path) -> str:
    """Send a file; say why it did not arrive, if so."""
    if not link.is_established:
        return "the association ended"
    try:
        answer = link.send_c_store(path)
    except ValueError:
        return "no presentation context for it"
    status = answer.get("Status")
    if status is None:
        return "no answer"
    return "" if status in (0, THERE_ALREADY) or status in WARNINGS else f"status 0x{status:04X}"
