"""C-STORE and STOW-RS: what arrived is told from what did not, file by file."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from pnetkit.dicom.refusal import write_refusal
from pnetkit.serve.config import Dimse, Stow
from pnetkit.serve.sending import c_store, stow
from tests.dicom.synthetic import AFFINE, some_hu, write_series
from tests.serve.hospital import Archive, free_port, headers, left_sockets
from tests.serve.marked import AUTHOR


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reports")
    write_series(folder / "in", some_hu(), AFFINE)
    for name in "ab":
        write_refusal(folder / f"{name}.dcm", folder / "in", name, AUTHOR)
    return [folder / "a.dcm", folder / "b.dcm"]


@pytest.fixture
def archive():
    made = Archive()
    yield made
    made.close()


def to(port, title="ARCHIVE"):
    return Dimse(way="dimse", host="127.0.0.1", port=port, ae_title=title)


def test_files_arrive_by_c_store(archive, reports):
    assert c_store(to(archive.port), "PNETKIT", reports) == {}
    assert set(archive.got) == {headers(path).SOPInstanceUID for path in reports}


@pytest.mark.parametrize(("status", "errors"), [(0xA700, "status 0xA700"), (0xB000, None), (0x0111, None)])
def test_an_answer_that_is_an_error_is_one_and_a_warning_or_a_copy_that_is_there_is_none(
    archive, reports, status, errors
):
    archive.status = status
    expected = {} if errors is None else {"a.dcm": errors, "b.dcm": errors}
    assert c_store(to(archive.port), "PNETKIT", reports) == expected


def test_nobody_there_is_said_of_every_file(reports):
    with left_sockets():
        errors = c_store(to(free_port()), "PNETKIT", reports)
    assert errors == {"a.dcm": "no association", "b.dcm": "no association"}


@pytest.fixture
def web():
    """An archive over HTTP: wants a token, and dislikes what it is told to."""

    class Handler(BaseHTTPRequestHandler):
        seen, dislikes, status, is_silent = [], (), 200, False

        def do_POST(self):
            Handler.seen.append(self.headers["Authorization"])
            body = self.rfile.read(int(self.headers["Content-Length"])) if "Content-Length" in self.headers else b""
            if not body:
                while size := int(self.rfile.readline(), 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
            uids = [uid for uid in Handler.known if uid.encode() in body]
            failed = [uid for uid in uids if uid in Handler.dislikes]
            why = {"00081197": {"vr": "US", "Value": [0xA900]}}
            answer = {
                "00081198": {"vr": "SQ", "Value": [of(uid, why) for uid in failed]},
                "00081199": {"vr": "SQ", "Value": [of(uid, {}) for uid in uids if uid not in failed]},
            }
            data = b"" if Handler.is_silent else json.dumps(answer).encode()
            self.send_response(Handler.status)
            self.send_header("Content-Type", "application/dicom+json; charset=utf-8")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_):
            pass

    def of(uid, more):
        return {"00081155": {"vr": "UI", "Value": [uid]}, **more}

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    Handler.url = f"http://127.0.0.1:{server.server_port}/dicom-web"
    yield Handler
    server.shutdown()
    thread.join()
    server.server_close()


def test_files_arrive_by_stow_with_the_token_of_a_file(web, reports, tmp_path):
    (tmp_path / "token").write_text("abc\n")
    web.known = [headers(path).SOPInstanceUID for path in reports]
    destination = Stow(way="stow", url=web.url, token_file=tmp_path / "token")
    assert stow(destination, reports) == {}
    web.dislikes = web.known[1:]
    assert stow(destination, reports) == {"b.dcm": "failure 0xA900"}
    web.status, web.known = 503, []
    assert stow(destination, reports) == {"a.dcm": "HTTP status 503", "b.dcm": "HTTP status 503"}
    assert web.seen == ["Bearer abc"] * 3


@pytest.mark.parametrize("is_silent", [True, False])
def test_what_an_answer_does_not_name_as_stored_did_not_arrive(web, reports, is_silent):
    web.known, web.is_silent = [], is_silent
    assert set(stow(Stow(way="stow", url=web.url), reports).values()) == {"not named as stored"}


def test_nobody_at_a_url_is_said_of_every_file(reports):
    assert set(stow(Stow(way="stow", url=f"http://127.0.0.1:{free_port()}"), reports).values()) == {"ConnectionError"}
