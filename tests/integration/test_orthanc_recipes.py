"""With Debian's Orthanc: the recipe of docs/deploy.md sends CT on and nothing else, and studies are fetched from it."""

import json
from base64 import b64encode
from pathlib import Path

import pydicom
import pytest
from pydicom.uid import generate_uid
from pynetdicom import AE, StoragePresentationContexts, evt

from pnetkit.serve.http.sources import Source
from tests.serve.hospital import TOP, Orthanc, needs_orthanc, send
from tests.serve.http_parts import Made
from tests.serve.marked import study, study_uid
from tests.serve.parts import wait_until

pytestmark = [pytest.mark.slow, needs_orthanc]


class Node:
    """A DICOM node called PNETKIT that notes modality, study and UID of all that comes."""

    def __init__(self):
        self.got = []
        ae = AE(ae_title="PNETKIT")
        ae.supported_contexts = StoragePresentationContexts
        self._server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, self._take)])
        self.port = self._server.server_address[1]

    def _take(self, event):
        self.got.append(
            (str(event.dataset.Modality), str(event.dataset.StudyInstanceUID), event.dataset.SOPInstanceUID)
        )
        return 0x0000

    def close(self):
        self._server.shutdown()


@pytest.fixture(scope="module")
def node():
    made = Node()
    yield made
    made.close()


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory, node):
    folder = tmp_path_factory.mktemp("orthanc")
    made = Orthanc(folder)
    path = folder / "orthanc.json"
    config = json.loads(path.read_text()) | {
        "StableAge": 1,
        "LuaScripts": [str(TOP / "docs" / "deploy" / "orthanc.lua")],
        "DicomModalities": {"pnetkit": ["PNETKIT", "127.0.0.1", node.port]},
    }
    path.write_text(json.dumps(config))
    made.start()
    yield made
    made.stop()


def as_report(path):
    """Turn an image into something that is no CT, of a series of its own."""
    dataset = pydicom.dcmread(path)
    dataset.Modality, dataset.SeriesInstanceUID = "OT", generate_uid(entropy_srcs=["a series", str(path)])
    dataset.SOPInstanceUID = generate_uid(entropy_srcs=["an image", str(path)])
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.save_as(path)
    return path


def test_orthanc_sends_every_series_of_ct_on_and_results_do_not_go_in_circles(orthanc, node, tmp_path):
    files = study(tmp_path / "in", 1)
    other = [as_report(path) for path in study(tmp_path / "other", 1)[:1]]
    assert set(send(orthanc.port, [*other, *files], called="ORTHANC")) == {0}
    wait_until(lambda: len({uid for _, of, uid in node.got if of == study_uid(1)}) == len(files), 60)
    wait_until(lambda: all(orthanc.get(f"/jobs/{of}")["State"] == "Success" for of in orthanc.get("/jobs")), 30)
    assert {modality for modality, *_ in node.got} == {"CT"}


def test_a_study_is_fetched_from_orthanc_by_its_name(orthanc, tmp_path):
    files = study(tmp_path / "in", 2)
    assert set(send(orthanc.port, files, called="ORTHANC")) == {0}
    secret = Path(tmp_path / "authorization")
    secret.write_text("Basic " + b64encode(b"pnet:kit").decode())
    made = Made(tmp_path / "state", sources={"pacs": Source(f"http://127.0.0.1:{orthanc.http}/dicom-web", secret)})
    answer = made.ask("POST", "/v1/studies", json={"source": "pacs", "study_uid": study_uid(2)})
    assert (answer.status_code, answer.json()["images"]) == (202, len(files))
    came = {str(pydicom.dcmread(path).SOPInstanceUID) for path in made.queue.places.study(1).iterdir()}
    assert came == {str(pydicom.dcmread(path).SOPInstanceUID) for path in files}
    assert made.ask("POST", "/v1/studies", json={"source": "pacs", "study_uid": "1.2.3"}).status_code == 404
