"""Store DICOM files in an archive over HTTP: STOW-RS."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import requests
from dicomweb_client.api import DICOMwebClient

from pnetkit.dicom.files import read_file

THERE_ALREADY = 0x0111
"""An archive has an instance of this UID: ours are made of what is in them, so it is the same one."""

PATIENCE_S = (30.0, 300.0)
"""Seconds to connect, and to wait for an answer."""


def store_over_http(
    url: str,
    files: Sequence[Path],
    *,
    token: str | None = None,
    account: tuple[str, str] | None = None,
    ca_file: Path | None = None,
) -> Mapping[str, str]:
    """Store files in one request; give for the name of each that did not arrive why not, in words that name nobody.

    `token` is sent as a bearer's, `account` (user, password) as HTTP's basic one. What an answer does not name as
    stored did not arrive: a proxy's page and an empty answer have a status of success too.
    """
    session = requests.Session()
    session.request = partial(session.request, timeout=PATIENCE_S)  # type: ignore[method-assign]  # or it waits for ever
    session.verify = True if ca_file is None else str(ca_file)
    session.headers["Accept"] = "application/dicom+json"
    session.hooks["response"].append(_with_plain_type)
    session.trust_env = False  # a .netrc or a proxy of somebody's shell is no part of a service
    if token is not None:
        session.headers["Authorization"] = f"Bearer {token}"
    if account is not None:
        session.auth = account
    client = DICOMwebClient(url, session=session)
    client.set_http_retry_params(retry=False)  # the queue tries again
    datasets = {path.name: read_file(path, voxels=True) for path in files}
    try:
        answer = client.store_instances(list(datasets.values()))
    except requests.HTTPError as error:
        return dict.fromkeys(datasets, f"HTTP status {getattr(error.response, 'status_code', None)}")
    except (requests.RequestException, OSError) as error:
        return dict.fromkeys(datasets, type(error).__name__)
    failed = {
        str(of.ReferencedSOPInstanceUID): of.get("FailureReason", 0) for of in answer.get("FailedSOPSequence", [])
    }
    stored = {str(of.ReferencedSOPInstanceUID) for of in answer.get("ReferencedSOPSequence", [])}
    stored = stored - failed.keys() | {uid for uid, why in failed.items() if why == THERE_ALREADY}
    return {
        name: f"failure 0x{failed[uid]:04X}" if uid in failed else "not named as stored"
        for name, dataset in datasets.items()
        if (uid := str(dataset.SOPInstanceUID)) not in stored
    }


def _with_plain_type(answer: requests.Response, *_: Any, **__: Any) -> requests.Response:
    """Leave out what may follow a Content-Type (`; charset=utf-8`): dicomweb-client reads no such answer."""
    answer.headers["Content-Type"] = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    return answer
