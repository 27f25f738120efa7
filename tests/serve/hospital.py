"""What stands around a service: senders, an archive that takes results, and Orthanc where it is installed."""

import gc
import json
import socket
import subprocess
import time
import urllib.request
import warnings
from base64 import b64encode
from contextlib import contextmanager
from pathlib import Path

import pydicom
import pytest
from pynetdicom import AE, StoragePresentationContexts, evt

from tests.forked import begin_module
from tests.serve.parts import wait_until

TOP = Path(__file__).parents[2]
STORESCU = Path("/usr/bin/storescu")  # by its path, as pynetdicom brings another of this name
ORTHANC = Path("/usr/sbin/Orthanc")
PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")

needs_orthanc = pytest.mark.skipif(not (ORTHANC.is_file() and PLUGIN.is_file()), reason="Orthanc is not installed")
needs_storescu = pytest.mark.skipif(not STORESCU.is_file(), reason="dcmtk's storescu is not installed")


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@contextmanager
def left_sockets():
    """Sweep up the sockets of broken associations, which pynetdicom leaves, before another test is blamed for them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        yield
        gc.collect()


def send(port, files, *, called="PNETKIT", calling="PACS", syntax=None, patience_s=60):
    """Send files in one association; give the statuses, None where there was none."""
    ae = AE(ae_title=calling)
    ae.dimse_timeout = ae.network_timeout = patience_s
    kinds = {(str(of.SOPClassUID), str(of.file_meta.TransferSyntaxUID)) for of in map(headers, files)}
    for kind, own in kinds:
        ae.add_requested_context(kind, syntax or own)
    link = ae.associate("127.0.0.1", port, ae_title=called)
    if not link.is_established:
        return [None] * len(files)
    statuses = [link.send_c_store(path).get("Status") for path in files]
    link.release()
    return statuses


def headers(path):
    return pydicom.dcmread(path, stop_before_pixels=True)


def storescu(port, files):
    """Send files with dcmtk."""
    command = [str(STORESCU), "-aet", "PACS", "-aec", "PNETKIT", "127.0.0.1", str(port), *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done


class Archive:
    """A PACS that takes everything, in this process; `status` is what it answers."""

    def __init__(self, port=None):
        self.port, self.status, self.got, self.count = port or free_port(), 0x0000, {}, 0
        ae = AE(ae_title="ARCHIVE")
        ae.supported_contexts = StoragePresentationContexts
        self._server = ae.start_server(
            ("127.0.0.1", self.port), block=False, evt_handlers=[(evt.EVT_C_STORE, self._take)]
        )

    def _take(self, event):
        if self.status == 0:
            dataset = event.dataset
            dataset.file_meta = event.file_meta
            self.got[str(dataset.SOPInstanceUID)] = dataset
            self.count += 1
        return self.status

    def of_study(self, uid):
        return [dataset for dataset in self.got.values() if dataset.StudyInstanceUID == uid]

    def close(self):
        links = self._server.active_associations
        self._server.shutdown()
        for link in links:  # or its socket would be left to a test to come
            link.join(5)


def write_config(path, port, destinations, *, retry=None):
    config = {
        "node": {"port": port, "callers": ["PACS", "CT1"]},
        "destinations": destinations,
        "retry": retry or {"first_s": 0.5, "most_s": 1.0},
    }
    path.write_text(json.dumps(config))  # which YAML reads too
    return path


def dimse(port, title="ARCHIVE"):
    return {"way": "dimse", "host": "127.0.0.1", "port": port, "ae_title": title}


class Service:
    """A quick service in a process of its own, which can be killed and started again."""

    def __init__(self, folder, destinations, takes_s=0.0, stable_s=1.0):
        self.folder, self.port, self.settings = folder, free_port(), [str(takes_s), str(stable_s)]
        self.config = write_config(folder / "config.yaml", self.port, destinations)
        self.log, self._begun = folder / "log.txt", 0
        self.log.touch()
        self.process = None

    def start(self):
        command = ["tests.serve.quick_service", str(self.folder / "state"), str(self.config), *self.settings]
        self._begun = len(self.log.read_text())
        self.process = begin_module(self.log, *command, folder=TOP, goes_on=True)

    def listens(self):
        """Look into its log: of one that connects and says nothing a node waits to hear when it ends."""
        return "listening as" in self.log.read_text()[self._begun :]

    def wait_ready(self):
        def ready():
            assert self.process.is_alive(), self.log.read_text()
            return self.listens()

        wait_until(ready, 120)

    def kill(self):
        self.process.kill()
        self.process.join()

    def stop(self):
        if self.process is not None:
            stop(self.process)


def stop(process, patience_s=30):
    """Ask a process to end, and hold it to doing so in time."""
    process.terminate()
    process.join(patience_s)
    late = process.is_alive()
    process.kill()
    process.join()
    assert not late


@contextmanager
def serving(folder, destinations, takes_s=0.0, stable_s=1.0):
    service = Service(folder, destinations, takes_s, stable_s)
    service.start()
    try:
        service.wait_ready()
        yield service
    finally:
        service.stop()


class Orthanc:
    """Debian's Orthanc, with DICOMweb, behind a password."""

    def __init__(self, folder):
        self.folder, self.http, self.port = folder, free_port(), free_port()
        config = {
            "Name": "ORTHANC", "StorageDirectory": str(folder / "storage"), "IndexDirectory": str(folder / "storage"),
            "HttpPort": self.http, "DicomPort": self.port, "DicomAet": "ORTHANC", "RemoteAccessAllowed": False,
            "AuthenticationEnabled": True, "RegisteredUsers": {"pnet": "kit"}, "Plugins": [str(PLUGIN)],
            "DicomWeb": {"Enable": True, "Root": "/dicom-web/"}, "DicomAlwaysAllowStore": True,
            "SynchronousCMove": False, "ConcurrentJobs": 1,
        }  # fmt: skip
        (folder / "storage").mkdir(parents=True)
        (folder / "orthanc.json").write_text(json.dumps(config))
        self.process = None

    def begin(self):
        with (self.folder / "orthanc.log").open("ab") as stream:
            self.process = subprocess.Popen(
                [ORTHANC, str(self.folder / "orthanc.json")], stdout=stream, stderr=stream, cwd=self.folder
            )

    def start(self):
        self.begin()
        wait_until(self.answers, 60)

    def answers(self):
        try:
            return self.get("/system")
        except OSError:
            return None

    def stop(self):
        """End it at once: it takes seconds to end by itself, and what it was given lies on the disk."""
        self.process.kill()
        self.process.wait()

    def get(self, path):
        request = urllib.request.Request(f"http://127.0.0.1:{self.http}{path}")
        request.add_header("Authorization", "Basic " + b64encode(b"pnet:kit").decode())
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read())

    def found(self, study, modality):
        """Give what QIDO-RS finds of a modality in a study: descriptions of series."""
        path = f"/dicom-web/studies/{study}/series?Modality={modality}&includefield=0008103E"
        return [of.get("0008103E", {}).get("Value", [""])[0] for of in self.get(path)]


def settled(archive, study, number, patience_s=60):
    """Wait until an archive has so many results of a study, and give them."""
    found = wait_until(lambda: len(of := archive.of_study(study)) >= number and of, patience_s)
    time.sleep(0.2)
    assert len(archive.of_study(study)) == number
    return found
