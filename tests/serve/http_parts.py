"""A service over HTTP in this process, with a stand-in for what screens, and archives of all kinds."""

import asyncio
import io
import json
import stat
import zipfile
from dataclasses import replace

import httpx

from pnetkit.serve.child import Task
from pnetkit.serve.http.bounds import Bounds
from pnetkit.serve.http.server import Serving, application
from pnetkit.serve.queue import Queue
from pnetkit.serve.values import Finding, Refusal
from tests.serve.parts import ROOMY

TOKEN = "a-token-for-tests-alone"

PHASES = ("arterial", "venous")


def open_marking():
    """What `Opener` is."""
    return marking


def marking(task):
    """Say what mark the study's images bear; contents ask to be refused."""
    contents = [path.read_bytes() for path in sorted(task.study.iterdir())]
    if b"REFUSE" in contents[0]:
        return Refusal("this is a head")
    marks = [content.rpartition(b"mark:")[2].decode("latin-1") for content in contents]
    names = sorted(path.name for path in task.study.iterdir())
    said = {"decision": "normal", "score": 0.5, "research_use_only": True, "marks": marks, "names": names}
    (task.out / "finding.json").write_text(json.dumps(said))
    (task.out / "venous_segmentation.nii.gz").write_bytes(contents[0])
    (task.out / "report.html").write_text("<!doctype html><title>a report</title><p>all of it</p>")
    return Finding("normal", (), {})


class Made:
    """A service whose studies are screened when a test says so."""

    def __init__(self, root, *, token=TOKEN, bounds=None, limits=ROOMY, sources=None, workers=1):
        self.queue = Queue(root, model="m", limits=limits)
        serving = Serving(root, "m", PHASES, token, bounds=bounds or Bounds(), sources=sources or {})
        self.app = application(serving, self.queue, lambda: workers)
        self.token = token

    def client(self, **headers):
        headers = {"authorization": f"Bearer {self.token}"} | headers if self.token else headers
        transport = httpx.ASGITransport(app=self.app, raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=headers)

    def ask(self, method, path, **options):
        """Ask once, and give the answer."""
        headers = options.pop("headers", {})

        async def asked():
            async with self.client() as client:
                return await client.request(method, path, headers=headers, **options)

        return asyncio.run(asked())

    def submit(self, data, kind="application/zip"):
        return self.ask("POST", "/v1/studies", content=data, headers={"content-type": kind})

    def screen(self):
        """Screen all that waits; give how many that were."""
        done = 0
        while (job := self.queue.claim()) is not None:
            out = self.queue.places.work(job.number, job.lease)
            out.mkdir()
            assert self.queue.finish(job, marking(Task(job.number, self.queue.places.study(job.number), out)))
            done += 1
        return done


def zipped(files, *, method=zipfile.ZIP_DEFLATED, links=()):
    """An archive of files by name."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        for name, data in files.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = method
            info.external_attr = ((stat.S_IFLNK if name in links else stat.S_IFREG) | 0o644) << 16
            archive.writestr(info, data)
    return packed.getvalue()


def study(mark, *, images=2):
    """An archive of images that bear a mark."""
    return zipped({f"folder/IM{n}": f"image {n} mark:{mark}".encode() for n in range(images)})


def small(**bounds):
    return replace(Bounds(), **bounds)
