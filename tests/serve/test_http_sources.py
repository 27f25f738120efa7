"""Studies of a DICOMweb source: a client names source and study, and reaches nothing else by it."""

import errno
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from pnetkit.serve.http.bounds import NewFile
from pnetkit.serve.http.sources import Source, sources_of
from tests.serve.http_parts import Made


class _Source(BaseHTTPRequestHandler):
    """A DICOMweb source of one study; `asked` notes what it was asked."""

    asked: list

    def do_GET(self):
        self.asked.append((self.path, self.headers.get("Authorization"), self.headers.get("Accept")))
        if self.path == "/web/studies/1.2.3":
            parts = [b"image mark:a", b"image mark:b\r\n--no boundary"]
            body = b"".join(b"\r\n--bound\r\nContent-Type: application/dicom\r\n\r\n" + part for part in parts)
            self._answer(200, body + b"\r\n--bound--\r\n", "Content-Type",
                         'multipart/related; type="application/dicom"; boundary=bound')  # fmt: skip
        elif self.path == "/web/studies/1.2.4":
            self._answer(302, b"", "Location", "http://169.254.0.1/elsewhere")
        elif self.path == "/web/studies/1.2.5":
            self._answer(200, b"<html>", "Content-Type", "text/html")
        elif self.path == "/web/studies/1.2.6":
            self._answer(200, b"\r\n--bound\r\n\r\nhalf", "Content-Type", "multipart/related; boundary=bound")
        else:
            self._answer(404, b"", "X", "y")

    def _answer(self, status, body, name, value):
        self.send_response(status)
        self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@contextmanager
def source():
    asked = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Source", (_Source,), {"asked": asked}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/web/", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def named(made, uid, name="pacs"):
    return made.ask("POST", "/v1/studies", json={"source": name, "study_uid": uid})


def test_a_study_is_fetched_and_screened_and_one_that_is_asked_for_twice_is_one(tmp_path):
    (tmp_path / "secret").write_text("Basic abc\n")
    with source() as (url, asked):
        made = Made(tmp_path / "state", sources={"pacs": Source(url, tmp_path / "secret")})
        assert named(made, "1.2.3").status_code == 202
        assert named(made, "1.2.3").status_code == 200
    path, authorization, accept = asked[0]
    assert (path, authorization) == ("/web/studies/1.2.3", "Basic abc")
    assert accept.startswith('multipart/related; type="application/dicom"')
    made.screen()
    assert made.ask("GET", "/v1/studies/1/finding").json()["marks"] == ["a", "b\r\n--no boundary"]


@pytest.mark.parametrize(
    ("uid", "status"),
    [("1.2.9", 404), ("1.2.4", 502), ("1.2.5", 400), ("1.2.6", 400), ("../patients", 422), ("1.2.3/../x", 422),
     ("1.2.3?x=y", 422), ("1.2.3\n", 422), ("1" * 65, 422), ("", 422)],
)  # fmt: skip
def test_what_a_source_does_not_give_or_is_no_uid_makes_no_study(tmp_path, uid, status):
    with source() as (url, asked):
        made = Made(tmp_path / "state", sources={"pacs": Source(url)})
        assert named(made, uid).status_code == status
        assert all(path.startswith("/web/studies/1.2.") for path, *_ in asked)
    assert made.queue.jobs() == []
    assert list(made.queue.places.arriving.iterdir()) == []


def test_a_disk_that_is_full_here_is_not_laid_at_the_source(tmp_path, monkeypatch):
    def full(_self, _block):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(NewFile, "write", full)
    with source() as (url, _):
        made = Made(tmp_path / "state", sources={"pacs": Source(url)})
        assert named(made, "1.2.3").status_code == 503
    assert list(made.queue.places.arriving.iterdir()) == []


def test_a_source_that_is_not_configured_or_does_not_answer_makes_no_study(tmp_path):
    made = Made(tmp_path / "state", sources={"pacs": Source("http://127.0.0.1:9/")})
    assert named(made, "1.2.3", "http://127.0.0.1/").status_code == 404
    assert named(made, "1.2.3").status_code == 502


def test_sources_are_named_with_an_address_and_nothing_secret_in_it():
    assert sources_of(["pacs=https://a/b"], ["pacs=f"])["pacs"].url == "https://a/b"
    for given, files, said in (
        (["pacs"], [], "NAME=VALUE"), (["pacs=file:///etc"], [], "http"),
        (["pacs=http://u:p@a/"], [], "without a user"),
        (["pacs=http://a/"], ["other=f"], "other is no source"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=said):
            sources_of(given, files)
