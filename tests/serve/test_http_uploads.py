"""Uploads that anybody may have made: bombs, paths, links and noise open nothing, keep nothing and end nothing."""

import asyncio
import random
import struct
import zipfile
from pathlib import Path

import pytest

from pnetkit.serve.http import archive as archive_module
from pnetkit.serve.http import arrival, bounds
from pnetkit.serve.http.archive import unpack
from pnetkit.serve.http.refused import RequestError
from tests.serve.http_parts import PHASES, Made, small, study, zipped

SEED = 23


@pytest.fixture
def made(tmp_path):
    return Made(tmp_path / "state")


def unpacked(tmp_path, data, **bounds):
    path, folder = tmp_path / "study.zip", tmp_path / "folder"
    path.write_bytes(data)
    folder.mkdir()
    unpack(path, folder, PHASES, small(**bounds))
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("name", ["../up", "/etc/passwd", "a/../../b", "..\\up", "\\up", "C:\\up", "C:/up"])
def test_names_that_lead_elsewhere_are_refused(made, name):
    answer = made.submit(zipped({name: b"mark:x"}))
    assert (answer.status_code, answer.json()["error"]) == (400, "it holds a name that leads out of it")
    assert list(made.queue.places.arriving.iterdir()) == []
    assert made.queue.jobs() == []


def test_links_are_refused_and_folders_are_looked_through(made):
    assert made.submit(zipped({"link": b"/etc/passwd"}, links=("link",))).status_code == 400
    assert made.submit(zipped({"folder/": b"", "folder/a": b"mark:x"})).status_code == 202
    made.screen()
    assert made.ask("GET", "/v1/studies/1/finding").json()["names"] == ["000000.dcm"]


def test_what_unpacks_to_much_more_than_it_is_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr("pnetkit.serve.http.bounds.SMALL", 2**20)
    monkeypatch.setattr(archive_module, "_unpacked", lambda *_: pytest.fail("something was unpacked"))
    with pytest.raises(RequestError, match="more than 100 times its size"):
        unpacked(tmp_path, zipped({"a": bytes(2**24)}))


def test_what_is_packed_well_and_is_small_is_taken(tmp_path):
    assert unpacked(tmp_path, zipped({"a": bytes(2**20)})) == ["000000.dcm"]


def test_more_files_or_bytes_than_allowed_are_refused(tmp_path):
    with pytest.raises(RequestError, match="at most 3 files"):
        unpacked(tmp_path, study("x", images=4), most_files=3)


def test_bytes_are_counted_unpacked(tmp_path):
    with pytest.raises(RequestError, match="at most 1000 bytes unpacked"):
        unpacked(tmp_path, zipped({"a": bytes(2000)}), most_unpacked=1000)


def test_a_member_that_unpacks_to_more_than_it_says_is_stopped_there(tmp_path):
    data = bytearray(zipped({"a": bytes(5000)}))
    for mark, place in ((b"PK\3\4", 22), (b"PK\1\2", 24)):  # where each of both headers has the unpacked size
        at = data.index(mark) + place
        data[at : at + 4] = struct.pack("<I", 10)
    with pytest.raises(RequestError, match=r"damaged|more than it says"):
        unpacked(tmp_path, bytes(data))
    assert sum(path.stat().st_size for path in (tmp_path / "folder").iterdir()) <= 10


def test_a_directory_larger_than_its_files_need_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(zipfile, "ZipFile", lambda *_: pytest.fail("the directory was read"))
    end = struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, 1, 1, 10**6, 0, 0)
    with pytest.raises(RequestError, match="directory is larger"):
        unpacked(tmp_path, bytes(10**6) + end)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "does not end as a zip"),
        (b"PK", "does not end as a zip"),
        (b"noise" * 100, "does not end as a zip"),
        (zipped({}), "no file in it"),
        (zipped({"a": b"x" * 100})[:-40] + zipped({"a": b"x"})[-22:], "damaged|directory"),
        (zipped({"a/": b""}), "no file in it"),
        (zipped({"venous.nii": b"1", "arterial.nii.gz": b"2", "c.dcm": b"3"}), "NIfTI and other files"),
        (zipped({"venous.nii": b"1", "P_venous.nii.gz": b"2"}), "venous twice"),
        (zipped({"liver.nii": b"1"}), "names no phase"),
        (zipped({"a": b"x" * 100}, method=zipfile.ZIP_BZIP2), "another way than deflate"),
        (b"PK\6\7" + bytes(16) + zipped({})[-22:], "zip64"),
    ],
)
def test_what_is_no_archive_of_a_study_is_refused_by_what_is_wrong(tmp_path, data, said):
    with pytest.raises(RequestError, match=said):
        unpacked(tmp_path, data)


def test_an_encrypted_member_is_refused(tmp_path):
    data = bytearray(zipped({"a": b"x"}))
    data[data.index(b"PK\1\2") + 8] |= 1
    with pytest.raises(RequestError, match="encrypted"):
        unpacked(tmp_path, bytes(data))


def test_what_is_announced_as_too_large_is_refused_before_a_byte_of_it_is_read(tmp_path):
    made = Made(tmp_path / "state", bounds=small(most_bytes=1000))
    reads = []

    async def body():
        reads.append(1)
        yield b"x" * 10

    async def ask(length):
        async with made.client() as client:
            headers = {"content-type": "application/zip", **({"content-length": length} if length else {})}
            return await client.post("/v1/studies", content=body(), headers=headers)

    assert asyncio.run(ask("1001")).status_code == 413
    assert asyncio.run(ask("1 or 2")).status_code == 400


def test_what_is_not_announced_is_counted_and_stopped(tmp_path):
    made = Made(tmp_path / "state", bounds=small(most_bytes=1000))
    sent = []

    async def body():
        for _ in range(100):
            sent.append(1)
            yield b"x" * 100

    async def ask(kind):
        async with made.client() as client:
            return await client.post("/v1/studies", content=body(), headers={"content-type": kind})

    assert asyncio.run(ask("application/zip")).status_code == 413
    assert asyncio.run(ask("multipart/form-data; boundary=b")).status_code in (400, 413)
    assert list(made.queue.places.arriving.iterdir()) == []


def test_a_client_that_falls_silent_or_goes_is_given_up(tmp_path):
    made = Made(tmp_path / "state", bounds=small(idle_s=0.05))

    async def silent():
        yield b"x"
        await asyncio.sleep(5)

    async def ask():
        async with made.client() as client:
            return await client.post("/v1/studies", content=silent(), headers={"content-type": "application/zip"})

    answer = asyncio.run(ask())
    assert (answer.status_code, answer.json()["error"]) == (408, "nothing came for 0.05 s")
    assert list(made.queue.places.arriving.iterdir()) == []


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("text/plain", b"hello", 415),
        ("", b"hello", 415),
        ("multipart/form-data", b"--b\r\n", 400),
        ("multipart/form-data; boundary=", b"--b\r\n", 400),
        (f"multipart/form-data; boundary={'b' * 5000}", b"--b\r\n", 400),
        ("multipart/form-data; boundary=b", b"", 400),
        ("multipart/form-data; boundary=b", b"--b--\r\n", 422),
        ("multipart/form-data; boundary=b", b"--b\r\nA: b\r\n\r\nx\r\n--b--", 422),
        ("multipart/form-data; boundary=b", b'--b\r\nContent-Disposition: form-data; name="venous"\r\n\r\nx', 400),
        ("multipart/form-data; boundary=b", b"--b\r\n" + b"A: b\r\n" * 5000, 400),
        ("application/json", b"{", 400),
        ("application/json", b"[" * 60000, 400),
        ("application/json", b'{"source": "x"}', 422),
        ("application/json", b'{"source": 1, "study_uid": "1.2"}', 422),
        ("application/json", b'{"source": "x", "study_uid": "1.2"}', 404),
        ("application/json", b" " * 70000, 413),
    ],
)
def test_a_body_that_is_no_study_is_refused_with_a_status_that_says_so(made, kind, body, status):
    assert made.submit(body, kind).status_code == status
    assert made.queue.jobs() == []


def test_two_fields_of_one_phase_and_fields_of_no_phase_are_refused(made):
    twice = [("venous", ("a", b"x")), ("venous", ("b", b"y"))]
    assert made.ask("POST", "/v1/studies", files=twice).status_code == 422
    assert made.ask("POST", "/v1/studies", files={"../venous": ("a", b"x")}).status_code == 422
    mixed = {"venous": ("a", b"x"), "dicom": ("b", b"y")}
    assert made.ask("POST", "/v1/studies", files=mixed).status_code == 422


def spoiled(rng, whole):
    """A request or archive with something wrong in it, mostly."""
    data = bytearray(whole)
    for _ in range(rng.randrange(1, 8)):
        at = rng.randrange(len(data))
        how = rng.randrange(5)
        if how == 0:
            data[at] = rng.randrange(256)
        elif how == 1:
            del data[at : at + rng.randrange(1, 30)]
        elif how == 2:
            data[at:at] = rng.randbytes(rng.randrange(1, 30))
        elif how == 3:
            data[at : at + 4] = rng.choice([b"\xff\xff\xff\xff", b"\0\0\0\0", b"PK\5\6", b"PK\1\2", b"/../"])
        else:
            data = data[: max(1, at)]
        if not data:
            data = bytearray(b"x")
    return bytes(data)


@pytest.mark.slow
def test_five_hundred_spoiled_requests_open_nothing_outside_and_end_nothing(made, monkeypatch):
    """Archives, forms, paths and headers with anything wrong in them; each is answered, and the service stays sound."""
    rng = random.Random(SEED)
    whole = zipped({"a/IM1": b"image mark:1", "a/IM2": b"image mark:2" * 50, "b": bytes(3000)})
    form = (b'--bound\r\nContent-Disposition: form-data; name="venous"; filename="../../x.nii"\r\n\r\n\x1f\x8bimage\r\n'
            b'--bound\r\nContent-Disposition: form-data; name="arterial"\r\n\r\nplain\r\n--bound--\r\n')  # fmt: skip
    paths = ["/v1/studies/1", "/v1/studies/1/finding", "/v1/studies/1/files/finding.json", "/report/abc", "/v1/studies"]
    opened = []
    watched(monkeypatch, opened)
    statuses = []

    async def all_of_them():
        async with made.client() as client:
            for n in range(500):
                if n % 5 < 2:
                    kind, body = "application/zip", spoiled(rng, whole)
                elif n % 5 < 4:
                    kind, body = "multipart/form-data; boundary=bound", spoiled(rng, form)
                else:
                    path = spoiled(rng, rng.choice(paths).encode()).decode("latin-1")
                    path = "/" + "".join(letter for letter in path if letter.isprintable()).lstrip("/")
                    statuses.append((await client.request(rng.choice(["GET", "POST"]), path)).status_code)
                    continue
                answer = await client.post("/v1/studies", content=body, headers={"content-type": kind})
                statuses.append(answer.status_code)

    asyncio.run(all_of_them())
    assert len(statuses) == 500
    assert set(statuses) <= {200, 202, 400, 404, 405, 409, 413, 415, 422}
    assert {202, 400, 404, 422} <= set(statuses)
    root = made.queue.places.root.resolve()
    assert opened
    assert all(path.is_relative_to(root) for path in opened)
    assert list(made.queue.places.arriving.iterdir()) == []
    made.screen()
    assert made.submit(study("after all")).status_code == 202


def watched(monkeypatch, opened):
    """Note every file that is opened for a client."""
    real = bounds.NewFile.__init__

    def noted(self, path):
        opened.append(Path(path).resolve())
        real(self, path)

    monkeypatch.setattr(bounds.NewFile, "__init__", noted)
    monkeypatch.setattr(arrival, "BLOCK", 64)  # so that streams are fed in many pieces
