"""The service over HTTP: what is submitted is answered once, and what has no finding never looks like a negative."""

import asyncio
import json
import re

import pytest

from pnetkit.serve.http.answers import described
from pnetkit.serve.http.tickets import MOST, Tickets
from pnetkit.serve.queue import Queue
from pnetkit.serve.values import Limits
from tests.serve.http_parts import TOKEN, Made, study, zipped
from tests.serve.parts import ROOMY, Clock


@pytest.fixture
def made(tmp_path):
    return Made(tmp_path / "state")


def test_a_study_is_taken_waits_and_has_a_finding(made):
    answer = made.submit(study("one"))
    assert answer.status_code == 202
    assert answer.headers["location"] == "/v1/studies/1"
    said = answer.json()
    assert (said["state"], said["decision"], said["images"], said["files"]) == ("waiting", None, 2, [])
    assert made.ask("GET", "/v1/studies/1/finding").status_code == 409
    assert made.screen() == 1
    said = made.ask("GET", "/v1/studies/1").json()
    assert (said["state"], said["decision"], said["reason"]) == ("ready", "normal", None)
    assert made.ask("GET", "/v1/studies/1/finding").json()["marks"] == ["one", "one"]
    segmentation = made.ask("GET", "/v1/studies/1/segmentations/venous")
    assert segmentation.content.endswith(b"mark:one")
    assert segmentation.headers["content-type"] == "application/gzip"
    assert made.ask("GET", "/v1/studies/1/files/report.html").text.startswith("<!doctype html>")


def test_a_study_that_comes_twice_is_one_and_has_one_result(made):
    first = made.submit(study("one"))
    again = made.submit(zipped({"b": b"image 1 mark:one", "elsewhere/a": b"image 0 mark:one"}))  # the same images
    assert (first.status_code, again.status_code) == (202, 200)
    assert first.json()["number"] == again.json()["number"]
    assert made.screen() == 1
    assert made.submit(study("one")).json()["state"] == "ready"
    assert made.screen() == 0
    assert made.submit(study("two")).status_code == 202


def test_nifti_comes_by_phase_in_a_form_or_an_archive_and_is_called_by_how_it_is_packed(made):
    files = {"venous": ("x.nii.gz", b"\x1f\x8b mark:v"), "arterial": ("../../etc/passwd", b"plain mark:a")}
    answer = made.ask("POST", "/v1/studies", files=files)
    assert answer.status_code == 202
    made.submit(zipped({"P1_venous.nii.gz": b"\x1f\x8b mark:w", "a/Arterial.nii": b"plain"}))
    made.screen()
    assert made.ask("GET", "/v1/studies/1/finding").json()["names"] == ["arterial.nii", "venous.nii.gz"]
    assert made.ask("GET", "/v1/studies/2/finding").json()["names"] == ["arterial.nii", "venous.nii.gz"]


def test_images_of_dicom_come_in_a_form_of_any_number_of_fields(made):
    files = [("dicom", ("a", b"image mark:1")), ("dicom", ("a", b"image mark:2")), ("dicom", ("b", b"image mark:3"))]
    assert made.ask("POST", "/v1/studies", files=files).json()["images"] == 3
    made.screen()
    assert made.ask("GET", "/v1/studies/1/finding").json()["marks"] == ["1", "2", "3"]


def test_a_refusal_has_a_reason_and_nothing_that_reads_as_a_negative(made):
    made.submit(zipped({"a": b"REFUSE"}))
    made.screen()
    said = made.ask("GET", "/v1/studies/1").json()
    assert (said["state"], said["decision"], said["reason"]) == ("refused", None, "this is a head")
    for path in ("finding", "report"):
        answer = made.ask("GET", f"/v1/studies/1/{path}")
        assert answer.status_code == 409
        assert "no negative" in answer.json()["error"]
    assert made.ask("POST", "/v1/studies/1/report-link").status_code == 409
    assert made.ask("GET", "/v1/studies/1/segmentations/venous").status_code == 404


def test_nothing_of_a_study_is_answered_without_the_token(made):
    made.submit(study("one"))
    for headers in ({"authorization": ""}, {"authorization": "Bearer wrong"}, {"authorization": f"Basic {TOKEN}"}):
        for method, path in (("GET", "/v1/studies"), ("GET", "/v1/studies/1"), ("POST", "/v1/studies"),
                             ("GET", "/metrics"), ("GET", "/nothing")):  # fmt: skip
            answer = made.ask(method, path, headers=headers)
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"] == "Bearer"
    for path in ("/", "/page.js", "/page.css", "/health", "/ready", "/openapi.json"):
        assert made.ask("GET", path, headers={"authorization": ""}).status_code == 200


def test_a_wrong_token_ends_a_request_before_any_of_its_body_is_read(made):
    reads = []

    async def receive():
        reads.append(1)
        return {"type": "http.disconnect"}

    sent = []

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/v1/studies", "raw_path": b"/v1/studies", "query_string": b"",
             "headers": [(b"host", b"localhost"), (b"content-length", b"999999999")], "root_path": ""}  # fmt: skip
    asyncio.run(made.app(scope, receive, send))
    assert (sent[0]["status"], reads) == (401, [])


def test_without_a_token_only_this_machine_and_no_other_page_is_answered(tmp_path):
    made = Made(tmp_path / "state", token=None)
    assert made.ask("GET", "/v1/studies").status_code == 200
    assert made.ask("GET", "/v1/studies", headers={"host": "evil.example"}).status_code == 421
    assert made.ask("POST", "/v1/studies", headers={"origin": "http://evil.example"}).status_code == 403
    assert made.ask("GET", "/v1/studies", headers={"origin": "null"}).status_code == 403
    assert made.ask("GET", "/v1/studies", headers={"origin": "http://["}).status_code == 403
    assert made.ask("GET", "/v1/studies", headers={"origin": "http://localhost"}).status_code == 200


def test_a_report_opens_by_a_link_once_and_in_a_sandbox(made):
    made.submit(study("one"))
    made.screen()
    url = made.ask("POST", "/v1/studies/1/report-link").json()["url"]
    answer = made.ask("GET", url, headers={"authorization": ""})
    assert (answer.status_code, answer.text) == (200, "<!doctype html><title>a report</title><p>all of it</p>")
    assert answer.headers["content-security-policy"] == "sandbox allow-scripts; frame-ancestors 'self'"
    assert made.ask("GET", url, headers={"authorization": ""}).status_code == 404


def test_a_ticket_is_forgotten_after_a_minute_or_when_there_are_too_many():
    clock = Clock()
    tickets = Tickets(clock)
    kept, old = tickets.give(1), tickets.give(2)
    assert tickets.take(kept) == 1
    clock.now += 61
    assert tickets.take(old) is None
    first = tickets.give(3)
    for _ in range(MOST):
        tickets.give(4)
    assert tickets.take(first) is None


def test_no_answer_may_be_kept_sniffed_or_framed_and_the_page_loads_from_itself_alone(made):
    answer = made.ask("GET", "/v1/studies")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    page = made.ask("GET", "/")
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'; script-src 'self'; style-src 'self'" in policy
    assert "unsafe" not in policy
    assert "style=" not in page.text
    assert not re.search(r"https?://", page.text + made.ask("GET", "/page.js").text + made.ask("GET", "/page.css").text)


@pytest.mark.parametrize(
    "path",
    [
        "/v1/studies/0", "/v1/studies/2", "/v1/studies/99999999999999999999999999", "/v1/studies/-1", "/v1/studies/x",
        "/v1/studies/1/files/..%2f..%2f..%2fqueue.sqlite", "/v1/studies/1/files/finding.json%00", "/report/x",
        "/v1/studies/1/files/%2e%2e", "/v1/studies/1/segmentations/..%2fvenous", "/static/page.html", "/page.html",
        "/v1/studies/1/files/", "/../etc/passwd",
    ],
)  # fmt: skip
def test_what_is_not_there_is_not_found_wherever_a_path_leads(made, path):
    made.submit(study("one"))
    made.screen()
    answer = made.ask("GET", path)
    assert answer.status_code == 404
    assert answer.json().keys() == {"error"}


def test_a_method_that_a_path_does_not_have_is_refused(made):
    assert made.ask("DELETE", "/v1/studies/1").status_code == 405
    answer = made.ask("DELETE", "/v1/studies")
    assert answer.status_code == 405
    assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD", "POST"}


def test_a_service_is_ready_when_a_worker_holds_the_model_and_there_is_room(tmp_path):
    assert Made(tmp_path / "a").ask("GET", "/ready").status_code == 200
    answer = Made(tmp_path / "b", workers=0).ask("GET", "/ready")
    assert (answer.status_code, answer.json()["status"]) == (503, "not ready")
    full = Made(tmp_path / "c", limits=Limits(most_bytes=1, spare_bytes=0))
    full.queue.limits = ROOMY
    full.submit(study("one"))
    full.queue.limits = Limits(most_bytes=1, spare_bytes=0)
    assert full.ask("GET", "/ready").json()["full"] is True
    assert full.ask("GET", "/health").status_code == 200


def test_a_full_service_says_when_to_come_again_and_keeps_nothing(tmp_path):
    made = Made(tmp_path / "state", limits=Limits(most_waiting=1, spare_bytes=0))
    assert made.submit(study("one")).status_code == 202
    answer = made.submit(study("two"))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")
    assert list(made.queue.places.arriving.iterdir()) == []
    made.screen()
    assert made.submit(study("two")).status_code == 202


def test_metrics_count_studies_by_state_and_name_none(made):
    made.submit(study("secret-mark"))
    made.submit(zipped({"a": b"REFUSE"}))
    made.screen()
    made.submit(study("later"))
    text = made.ask("GET", "/metrics").text
    values = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert values['pnetkit_jobs{state="ready"}'] == "1"
    assert values['pnetkit_jobs{state="refused"}'] == "1"
    assert values['pnetkit_jobs{state="waiting"}'] == "1"
    assert values["pnetkit_outcomes_finding_total"] == "1"
    assert values["pnetkit_outcomes_refusal_total"] == "1"
    assert float(values["pnetkit_oldest_waiting_seconds"]) >= 0
    for line in text.splitlines():
        assert re.fullmatch(r'# (HELP|TYPE) pnetkit_\w+ .+|pnetkit_\w+(\{\w+="[\w ]+"\})? [0-9.e+]+', line)


def test_an_error_of_the_service_ends_one_request_and_its_text_goes_nowhere(made, caplog, monkeypatch):
    def broken(*_):
        raise ValueError("the name of a patient")

    monkeypatch.setattr("pnetkit.serve.http.app.described", broken)
    monkeypatch.setattr("pnetkit.serve.http.guard.LOG.propagate", True)
    answer = made.submit(study("one"))
    assert answer.status_code == 500
    assert "patient" not in answer.text + caplog.text
    assert "ValueError at test_http_app.py" in caplog.text
    monkeypatch.setattr("pnetkit.serve.http.app.described", described)
    assert made.ask("GET", "/v1/studies/1").status_code == 200


def test_what_was_answered_is_there_after_a_kill(tmp_path):
    made = Made(tmp_path / "state")
    assert made.submit(study("one")).status_code == 202
    made.queue._database.close()  # as a kill leaves it: nothing is said, and no lock is given back
    made.queue._hold.release()
    again = Queue(tmp_path / "state", model="m", limits=ROOMY)
    assert [(job.number, job.state) for job in again.jobs()] == [(1, "waiting")]
    assert len(list(again.places.study(1).iterdir())) == 2


def test_a_study_of_two_submissions_is_listed_newest_first(made):
    for mark in ("one", "two"):
        made.submit(study(mark))
    listed = made.ask("GET", "/v1/studies").json()["studies"]
    assert [item["number"] for item in listed] == [2, 1]
    assert json.dumps(listed).count("research_use_only") == 2


def test_a_length_of_thousands_of_digits_is_none(made):
    headers = {"content-type": "application/zip", "content-length": "9" * 5000}
    assert made.ask("POST", "/v1/studies", content=b"", headers=headers).status_code == 400
