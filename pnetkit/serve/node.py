"""The DICOM node: takes CT from who may send, and writes what arrives as it arrives.

An image is answered when it lies in the queue and on the disk, and not before; until then it is the sender's. Voxels
are never decoded here.
"""

import errno
import hashlib
import os
import socket
import threading
import time
from contextlib import suppress
from functools import partial
from io import BytesIO
from typing import Any

from pynetdicom import AE, _config, build_context, evt
from pynetdicom.ae import ApplicationEntity
from pynetdicom.sop_class import (  # type: ignore[attr-defined]  # made when the module is imported
    CTImageStorage,
    EnhancedCTImageStorage,
    LegacyConvertedEnhancedCTImageStorage,
    Verification,
)

from pnetkit.dicom.arrived import identified
from pnetkit.dicom.series import case_id_of
from pnetkit.dicom.syntaxes import TAKEN_AS_THEY_ARE
from pnetkit.errors import ImageError, StoreError
from pnetkit.serve.config import Node
from pnetkit.serve.intake import receive
from pnetkit.serve.log import LOG, kind_and_place, study_says
from pnetkit.serve.queue import Queue
from pnetkit.serve.values import FullError

TAKEN = (CTImageStorage, EnhancedCTImageStorage, LegacyConvertedEnhancedCTImageStorage)
"""What is taken; what of it cannot be screened is refused in words, as nothing else would tell."""

QUIET_S = 60.0
"""Seconds without a byte after which an association is ended."""

ENDING_S = 5.0
"""Seconds that associations have to end when the node does."""

SUCCESS, OUT_OF_RESOURCES, NOT_OF_ITS_CLASS, NOT_UNDERSTOOD, FAILED = 0x0000, 0xA700, 0xA900, 0xC000, 0x0110
"""Answers to a C-STORE."""


class Listening:
    """A node that takes images until `stop`."""

    def __init__(self, queue: Queue, node: Node) -> None:
        """Begin to listen. Raises StoreError where the address cannot be had."""
        _config.LOG_HANDLER_LEVEL = "none"  # what it logs of datasets names patients
        ae = application(node)
        place = (node.host, node.port)
        counts = _Counts(node.most_image_mb * 1_000_000)
        handlers: list[Any] = [
            (evt.EVT_C_STORE, lambda event: taken(queue, event)),
            (evt.EVT_C_ECHO, lambda _event: SUCCESS),
            (evt.EVT_CONN_OPEN, counts.open),
            (evt.EVT_DIMSE_RECV, counts.complete),
            (evt.EVT_CONN_CLOSE, counts.complete),
            (evt.EVT_REJECTED, lambda event: LOG.warning("an association was rejected, of %r", _caller(event))),
        ]
        try:
            self._server: Any = ae.start_server(place, block=False, evt_handlers=handlers)
        except OSError as error:
            raise StoreError(f"{place[0]}:{place[1]}: nobody can listen there ({error.strerror or error}).") from error
        LOG.info("listening as %s at %s:%d for %s", node.ae_title, node.host, node.port, ", ".join(node.callers))

    def stop(self) -> None:
        """Take nothing more, and end what is open; who is sending has no answer, and sends again."""
        self._server.shutdown()
        links, end = self._server.active_associations, time.monotonic() + ENDING_S
        ways = [link.abort if link.is_established else partial(_hang_up, link) for link in links]
        aborting = [threading.Thread(target=way, daemon=True) for way in ways]  # an abort waits for its peer
        for thread in aborting:
            thread.start()
        for thread in (*links, *aborting):
            thread.join(max(0.0, end - time.monotonic()))


def application(node: Node) -> ApplicationEntity:
    """Give what the node is to others: titles, what it takes and in which encodings, and how long it waits."""
    ae = AE(ae_title=node.ae_title)
    ae.maximum_pdu_size = 0  # as large as the sender likes: small ones cost a third of the time
    ae.maximum_associations = node.associations
    ae.require_called_aet = True
    ae.require_calling_aet = list(node.callers)
    ae.network_timeout = QUIET_S
    ae.supported_contexts = [
        build_context(Verification),
        *(build_context(kind, list(TAKEN_AS_THEY_ARE)) for kind in TAKEN),
    ]
    return ae


def taken(queue: Queue, event: evt.Event) -> int:
    """Take an image: give the status that answers its C-STORE."""
    path = queue.new_arrival(".dcm")
    try:
        whole = event.encoded_dataset()
        data = event.encoded_dataset(include_meta=False)
        kind, uid, study = identified(BytesIO(data), event.context.transfer_syntax)
        request: Any = event.request
        if (kind, uid) != (request.AffectedSOPClassUID, request.AffectedSOPInstanceUID):
            LOG.warning("an image of %r is turned away: it is not what its request says", _caller(event))
            return NOT_OF_ITS_CLASS
        with path.open("xb") as stream:
            stream.write(whole)
            stream.flush()
            os.fsync(stream.fileno())
        name = f"{hashlib.sha256(uid.encode()).hexdigest()[:16]}.dcm"
        digest = hashlib.sha256(data).hexdigest()
        found = receive(queue, case_id_of(study), path, name=name, digest=digest, came_from=_caller(event))
    except ImageError:
        LOG.warning("an image of %r is turned away: it cannot be read, or names no study", _caller(event))
        return NOT_UNDERSTOOD
    except FullError as error:
        LOG.error("ALARM an image is turned away: %s", error.what)
        return OUT_OF_RESOURCES
    except OSError as error:
        LOG.error("ALARM an image is turned away: %s", kind_and_place(error))
        return OUT_OF_RESOURCES
    except Exception as error:  # noqa: BLE001  # the sender is told, and the node goes on
        LOG.error("ALARM an image cannot be taken: %s", kind_and_place(error))
        return FAILED
    finally:
        path.unlink(missing_ok=True)
    job = queue.get(found.number) if found.is_new else None
    if job is not None and job.images == 1:
        study_says(found.number, "begins to arrive")
    return SUCCESS


def _hang_up(association: Any) -> None:
    """End a connection over which nothing was agreed on: a probe's, that asks only whether somebody listens.

    The association's thread waits for a first message for half a minute: it gets None, as when that time is over.
    """
    link = association.dul.socket
    connection = None if link is None else link.socket  # which its thread takes away when the other end hangs up
    if connection is not None:
        with suppress(OSError):  # it has hung up by itself
            connection.shutdown(socket.SHUT_RDWR)
    association.dul.to_user_queue.put(None)


class _Counts:
    """Hangs up on who sends more than a dataset may have, which would fill the memory, or stops in the middle."""

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._seen: dict[int, int] = {}

    def open(self, event: evt.Event) -> None:
        """Count what is read of a connection that has just been made."""
        link: Any = event.assoc.dul.socket
        plain, caller = link.recv, id(event.assoc)
        link.socket.settimeout(QUIET_S)

        def recv(count: int) -> Any:
            seen = self._seen.get(caller, 0) + count
            self._seen[caller] = seen
            if seen > self._most:
                LOG.error("ALARM a dataset of more than %d MB is turned away", self._most // 1_000_000)
                link.socket.shutdown(socket.SHUT_RDWR)
                raise OSError(errno.EMSGSIZE, "too large")
            return plain(count)

        link.recv = recv

    def complete(self, event: evt.Event) -> None:
        """Count anew: a message is complete, or the connection is closed."""
        self._seen.pop(id(event.assoc), None)


def _caller(event: evt.Event) -> str:
    """Give the AE title of who calls."""
    return str(event.assoc.requestor.ae_title)
