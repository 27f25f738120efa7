"""The node: what it takes lies in the queue as it came, and what it does not take is answered in DICOM's words."""

import socket
import threading
from contextlib import suppress
from io import BytesIO

import numpy as np
import pydicom
import pytest
from pydicom.uid import (
    CTImageStorage,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGLSLossless,
    MRImageStorage,
    RLELossless,
)
from pynetdicom import AE

from pnetkit.errors import StoreError
from pnetkit.serve import node as node_module
from pnetkit.serve.config import Node
from pnetkit.serve.node import Listening
from pnetkit.serve.values import Limits
from tests.dicom.synthetic import AFFINE, some_hu, write_series
from tests.serve.hospital import free_port, left_sockets, send
from tests.serve.parts import open_queue, wait_until


@pytest.fixture
def listen(tmp_path):
    """Begin to listen, with limits of one's own; give queue and port."""
    made = []

    def start(limits=None, **options):
        queue = open_queue(tmp_path / "state", limits=limits or Limits(spare_bytes=0))
        node = Node(callers=("PACS", "CT1"), port=free_port(), **options)
        made.append((Listening(queue, node), queue))
        return queue, node.port

    yield start
    for listening, queue in made:
        listening.stop()
        queue.close()


def series(folder, **options):
    write_series(folder, some_hu(), AFFINE, **options)
    return sorted(folder.iterdir())


def kept(queue, number=1):
    return sorted(queue.places.study(number).iterdir())


def datasets(files):
    """The bytes behind the meta headers, by instance."""
    found = {}
    for path in files:
        whole = BytesIO(path.read_bytes())
        header = pydicom.dcmread(whole, stop_before_pixels=True)
        group = pydicom.filereader.read_file_meta_info(path)
        found[header.SOPInstanceUID] = path.read_bytes()[144 + group.FileMetaInformationGroupLength :]
    return found


@pytest.mark.parametrize("syntax", [None, RLELossless, JPEGLSLossless])
def test_what_arrives_is_written_as_it_arrives(listen, tmp_path, syntax):
    queue, port = listen()
    files = series(tmp_path / "in", syntax=syntax)
    assert send(port, files) == [0] * len(files)
    assert queue.get(1).images == len(files)
    assert datasets(kept(queue)) == datasets(files)
    assert {pydicom.dcmread(path).file_meta.TransferSyntaxUID for path in kept(queue)} == {
        syntax or ExplicitVRLittleEndian
    }
    assert queue.get(1).came_from == "PACS"


def test_phases_of_one_study_come_in_associations_of_their_own_and_copies_count_once(listen, tmp_path):
    queue, port = listen()
    arterial = series(tmp_path / "a", description="arterial")
    venous = series(tmp_path / "v", description="venous", number=3)
    for files in (arterial, venous, arterial):
        assert send(port, files) == [0] * len(files)
    assert [(job.number, job.images) for job in queue.jobs()] == [(1, len(arterial + venous))]


def test_it_answers_an_echo_and_knows_who_may_call_whom(listen, tmp_path):
    _queue, port = listen()
    ae = AE(ae_title="CT1")
    ae.add_requested_context("1.2.840.10008.1.1")
    link = ae.associate("127.0.0.1", port, ae_title="PNETKIT")
    assert link.send_c_echo().Status == 0
    link.release()
    files = series(tmp_path / "in")
    assert send(port, files[:1], calling="STRANGER") == [None]
    assert send(port, files[:1], called="SOMEBODY") == [None]


def test_what_is_no_ct_is_not_negotiated(listen):
    _queue, port = listen()
    ae = AE(ae_title="PACS")
    ae.add_requested_context(MRImageStorage)
    ae.add_requested_context(CTImageStorage, "1.2.840.10008.1.2.1.99")  # deflated
    link = ae.associate("127.0.0.1", port, ae_title="PNETKIT")
    assert not link.is_established
    assert len(link.rejected_contexts) == 2


def test_when_it_is_full_it_says_so_and_takes_more_when_there_is_space(listen, tmp_path):
    queue, port = listen(limits=Limits(most_bytes=3000, spare_bytes=0))
    files = series(tmp_path / "in")
    statuses = send(port, files)
    assert 0 < statuses.count(0) < len(files)
    assert set(statuses) == {0, 0xA700}
    assert queue.get(1).images == statuses.count(0)
    assert list(queue.places.arriving.iterdir()) == []
    queue.limits = Limits(spare_bytes=0)
    assert send(port, files) == [0] * len(files)
    assert queue.get(1).images == len(files)


def test_a_full_disk_is_said_to_be_one(listen, tmp_path, monkeypatch):
    queue, port = listen()

    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(node_module.os, "fsync", full)
    assert send(port, series(tmp_path / "in")[:1]) == [0xA700]
    monkeypatch.undo()
    assert queue.jobs() == []
    assert list(queue.places.arriving.iterdir()) == []


def without_study(dataset, _):
    del dataset.StudyInstanceUID


def test_a_dataset_that_names_no_study_is_not_understood(listen, tmp_path):
    queue, port = listen()
    assert send(port, series(tmp_path / "in", change=without_study)[:1]) == [0xC000]
    assert queue.jobs() == []


def test_a_dataset_that_is_not_the_one_announced_is_refused(listen, tmp_path):
    queue, port = listen()
    files = series(tmp_path / "in")
    ae = AE(ae_title="PACS")
    ae.add_requested_context(CTImageStorage, ExplicitVRLittleEndian)
    link = ae.associate("127.0.0.1", port, ae_title="PNETKIT")
    dataset = pydicom.dcmread(files[0])
    plain = link._get_valid_context(CTImageStorage, ExplicitVRLittleEndian, "scu")
    request = c_store_request()
    request.AffectedSOPClassUID, request.AffectedSOPInstanceUID = CTImageStorage, "1.2.3.4"
    stream = BytesIO()
    pydicom.dcmwrite(stream, strip(dataset), implicit_vr=False, little_endian=True)
    request.DataSet = stream
    link._reactor_checkpoint.clear()
    link.dimse.send_msg(request, plain.context_id)
    _, answer = link.dimse.get_msg(block=True)
    link._reactor_checkpoint.set()
    link.release()
    assert answer.Status == 0xA900
    assert queue.jobs() == []


def c_store_request():
    from pynetdicom.dimse_primitives import C_STORE

    request = C_STORE()
    request.MessageID, request.Priority = 1, 2
    return request


def strip(dataset):
    """A dataset without what makes it a file."""
    plain = pydicom.Dataset()
    plain.update(dataset)
    return plain


def test_a_sender_that_drops_in_the_middle_leaves_no_half_of_an_image_and_can_send_again(listen, tmp_path):
    queue, port = listen()
    files = series(tmp_path / "in")
    through = cutting_proxy(port, after=sum(path.stat().st_size for path in files) // 2)
    with left_sockets(), pytest.raises(RuntimeError, match="association with a peer"):
        send(through, files, patience_s=1)
    wait_until(lambda: list(queue.places.arriving.iterdir()) == [])
    before = queue.get(1).images
    assert 0 < before < len(files)
    assert send(port, files) == [0] * len(files)
    assert datasets(kept(queue)) == datasets(files)


def cutting_proxy(port, after):
    """Pass bytes on to a port, and hang up after so many."""
    listening = socket.create_server(("127.0.0.1", 0))

    def run():
        with listening:
            caller, _ = listening.accept()
        with caller, socket.create_connection(("127.0.0.1", port)) as behind:
            threading.Thread(target=back, args=(behind, caller), daemon=True).start()
            left = after
            while left > 0 and (data := caller.recv(min(left, 512))):
                behind.sendall(data)
                left -= len(data)
            for side in (behind, caller):
                side.shutdown(socket.SHUT_RDWR)

    def back(behind, caller):
        try:
            while data := behind.recv(4096):
                caller.sendall(data)
        except OSError:
            pass

    threading.Thread(target=run, daemon=True).start()
    return listening.getsockname()[1]


def test_a_dataset_without_end_is_hung_up_on(listen, tmp_path):
    queue, port = listen(most_image_mb=1)
    files = series(tmp_path / "in")
    dataset = pydicom.dcmread(files[0])
    dataset.Rows, dataset.Columns = 1024, 2048
    dataset.PixelData = np.zeros(1024 * 2048, dtype=np.uint16).tobytes()
    dataset.save_as(files[0])
    with left_sockets(), suppress(RuntimeError):  # what a library says whose association is gone
        assert 0 not in send(port, files[:1])
    assert queue.jobs() == []
    assert send(port, files[1:]) == [0] * (len(files) - 1)


def test_no_association_goes_on_when_the_node_has_ended(tmp_path):
    queue = open_queue(tmp_path / "state")
    node = Node(callers=("PACS",), port=free_port())
    listening = Listening(queue, node)
    ae = AE(ae_title="PACS")
    ae.add_requested_context("1.2.840.10008.1.1")
    with left_sockets():
        link = ae.associate("127.0.0.1", node.port, ae_title="PNETKIT")
        assert link.is_established
        listening.stop()
        assert not [of.name for of in threading.enumerate() if "AcceptorThread" in of.name]
        link.join(5)
    queue.close()


def test_who_holds_a_connection_and_says_nothing_does_not_hold_up_the_end(tmp_path, monkeypatch):
    """As balancers do that only ask whether somebody listens."""
    monkeypatch.setattr(node_module, "ENDING_S", 300.0)
    queue = open_queue(tmp_path / "state")
    node = Node(callers=("PACS",), port=free_port())
    listening = Listening(queue, node)
    with left_sockets(), socket.create_connection(("127.0.0.1", node.port)) as probe:
        wait_until(lambda: [of for of in threading.enumerate() if "AcceptorThread" in of.name], 20)
        ending = threading.Thread(target=listening.stop, daemon=True)
        ending.start()
        ending.join(60)
        assert not ending.is_alive()
        probe.settimeout(20)
        assert probe.recv(1) == b""
    assert not [of.name for of in threading.enumerate() if "AcceptorThread" in of.name]
    queue.close()


def test_an_address_that_is_taken_is_said_to_be(listen):
    queue, port = listen()
    with pytest.raises(StoreError, match=f"{port}: nobody can listen there"):
        Listening(queue, Node(callers=("PACS",), port=port))


def test_implicit_encoding_is_taken_too(listen, tmp_path):
    queue, port = listen()
    (first, *_) = series(tmp_path / "in")
    dataset = pydicom.dcmread(first)
    dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    dataset.save_as(first, implicit_vr=True, little_endian=True)
    assert send(port, [first]) == [0]
    assert pydicom.dcmread(kept(queue)[0]).file_meta.TransferSyntaxUID == ImplicitVRLittleEndian
