"""The service over HTTP with a model in a process of its own, as it is started in a hospital: answers, kills, logs."""

import json
import os
import random
import re
import shutil
import ssl
import subprocess
import time
from contextlib import contextmanager, nullcontext

import httpx
import pytest
from click.testing import CliRunner

from pnetkit.cli.main import cli
from tests.dicom.synthetic import write_series
from tests.forked import begin_module
from tests.screening.made_up import AFFINE, write_scan
from tests.serve.hospital import stop
from tests.serve.http_parts import zipped

pytestmark = pytest.mark.slow

PATIENCE_S = 240

KILLS = int(os.environ.get("PNETKIT_KILLS", "1"))
"""How often a service is killed, first while it screens, then at random moments; more by hand."""

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl to make a certificate")

CASES = ("P000", "P001", "P002", "P003")


@contextmanager
def service(model, state, *options):
    """A service that is killed in the end, its client, and what it has said until then."""
    command = ["pnetkit", "serve", "http", str(model), "--state", str(state), "--port", "0", "--on-gate", "off"]
    log = state.with_name(f"{state.name}.log")
    log.touch()
    begun = log.stat().st_size
    process = begin_module(log, *command, "--device", "cpu", "--at-once", "1", *options, goes_on=True)
    try:
        end = time.monotonic() + PATIENCE_S
        while not (found := re.findall(r"Listening at (https?)://127.0.0.1:(\d+)", log.read_text()[begun:])):
            assert process.is_alive(), log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.05)
        scheme, port = found[-1]
        token = (state / "token").read_text().strip()
        with httpx.Client(
            base_url=f"{scheme}://127.0.0.1:{port}",
            headers={"authorization": f"Bearer {token}"},
            timeout=60,
            verify=_verifying(state) if scheme == "https" else True,
        ) as client:
            yield process, client, log
    finally:
        stop(process, 60)


def _verifying(state):
    return ssl.create_default_context(cafile=str(state.with_name("cert.pem")))


@pytest.fixture(scope="module")
def running(model, tmp_path_factory):
    """A service that tests share, over TLS where a certificate can be made; the last one kills it."""
    folder = tmp_path_factory.mktemp("running")
    with service(model, folder / "state", *certified(folder)) as running:
        assert running[1].get("/v1/studies").json() == {"studies": []}
        yield running


def certified(folder):
    """The options for TLS, with a certificate that is made first."""
    if shutil.which("openssl") is None:
        return []
    cert, key = folder / "cert.pem", folder / "key.pem"
    if not cert.is_file():
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", str(key), "-out", str(cert),
             "-days", "1", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"],
            check=True, capture_output=True,
        )  # fmt: skip
    return ["--tls-cert", str(cert), "--tls-key", str(key)]


def ended(client, number, *, other_than=("waiting", "running")):
    """A study when it is in another state than these: when it has an outcome."""
    end = time.monotonic() + PATIENCE_S
    while (said := client.get(f"/v1/studies/{number}").json())["state"] in other_than:
        assert time.monotonic() < end
        time.sleep(0.05)
    return said


def scans_of(table, case):
    return {
        phase: (f"{phase}.nii.gz", (table.parent / "images" / f"{case}_{phase}.nii.gz").read_bytes())
        for phase in ("arterial", "venous")
    }


def test_a_study_is_answered_as_screen_answers_it_and_nothing_of_it_is_in_the_log(running, model, table, tmp_path):
    process, client, log = running
    images = [f"{phase}={table.parent}/images/P001_{phase}.nii.gz" for phase in ("arterial", "venous")]
    screened = CliRunner().invoke(
        cli,
        ["screen", str(model), *images, "--out", str(tmp_path / "out"),
         "--on-gate", "off", "--device", "cpu", "--threads", "1", "--no-report"],
    )  # fmt: skip
    assert screened.exit_code == 0, screened.output
    expected = json.loads((tmp_path / "out" / "case" / "finding.json").read_text())
    hu = write_scan(tmp_path / "one.nii.gz").hu
    write_series(
        tmp_path / "dicom", hu, AFFINE, description="venous", change=lambda d, _: setattr(d, "BodyPartExamined", "HEAD")
    )
    dicom = {path.name: path.read_bytes() for path in (tmp_path / "dicom").iterdir()}
    spoiled = {name: data[: len(data) // 2] for name, data in dicom.items()}
    number = client.post("/v1/studies", files=scans_of(table, "P001")).json()["number"]
    assert ended(client, number)["decision"] == expected["decision"]
    finding = client.get(f"/v1/studies/{number}/finding").json()
    assert finding["inputs"] == expected["inputs"]
    for phase in ("arterial", "venous"):
        segmentation = client.get(f"/v1/studies/{number}/segmentations/{phase}").content
        assert segmentation == (tmp_path / "out" / "case" / f"{phase}_segmentation.nii.gz").read_bytes()
    link = client.post(f"/v1/studies/{number}/report-link").json()["url"]
    without_token = client.build_request("GET", link)
    del without_token.headers["authorization"]
    report = client.send(without_token)
    assert "Research use only" in report.text
    zips = [zipped(dicom), zipped(spoiled), zipped({"a": b"no image"})]
    packed = {"content-type": "application/zip"}
    numbers = [client.post("/v1/studies", content=data, headers=packed).json()["number"] for data in zips]
    found = [ended(client, of) for of in numbers]
    assert found[0]["state"] in ("ready", "refused")
    assert [of["state"] for of in found[1:]] == ["refused", "refused"]
    assert all(of["decision"] is None and of["reason"] for of in found[1:])
    if found[0]["state"] == "ready":
        assert any(name.endswith("segmentation.dcm") for name in found[0]["files"])
    again = client.post("/v1/studies", files=scans_of(table, "P001"))
    assert (again.status_code, again.json()["number"]) == (200, number)
    assert client.get("/ready").status_code == 200
    assert process.is_alive()
    text = log.read_text()
    assert f"study {number}: finding after" in text
    for secret in ("Doe", "secret-4711", "19500101", "1.2.826", "venous", str(tmp_path / "dicom"), "P001"):
        assert secret not in text.replace(str(tmp_path), "")


@needs_openssl
def test_it_speaks_tls_with_files_and_a_second_one_in_its_folder_ends(running, model):
    _, client, log = running
    assert client.base_url.scheme == "https"
    assert client.get("/v1/studies").status_code == 200
    state = log.with_name("state")
    said = state.with_name("second.log")
    second = begin_module(said, "pnetkit", "serve", "http", str(model), "--state", str(state), "--port", "0")
    second.join(PATIENCE_S)
    assert second.exitcode == 7
    assert "another service works in this folder" in said.read_text()


def test_a_service_that_is_killed_loses_nothing_and_repeats_nothing(running, model, table):
    rng, numbers = random.Random(23), []
    _, client, log = running  # it is the first to be killed: no test comes after this one
    state = log.with_name("state")
    studies = [
        {"arterial": scans_of(table, one)["arterial"], "venous": scans_of(table, other)["venous"]}
        for one in CASES
        for other in CASES
    ]
    before = len(client.get("/v1/studies").json()["studies"])
    findings = found_in(client)
    results = len(list((state / "results").iterdir()))

    def submit(to, n):
        two = studies[n % 8 : n % 8 + 2]  # the second is the next round's first
        numbers.extend(to.post("/v1/studies", files=files).json()["number"] for files in two)

    for n in range(KILLS):
        with service(model, state, *certified(state.parent)) if n else nullcontext(running) as (process, client, _):
            submit(client, n)
            if n == 0:
                ended(client, numbers[0], other_than=("waiting",))
            else:
                time.sleep(rng.uniform(0, 1.5))
            process.kill()
            process.join()
    different = min(KILLS + 1, 8) + 1
    with service(model, state, *certified(state.parent)) as (_, client, _):
        submit(client, KILLS)
        assert [number - before for number in numbers[:4]] == [1, 2, 2, 3]
        found = [ended(client, number) for number in sorted(set(numbers))]
        assert [of["state"] for of in found] == ["ready"] * different
        assert found_in(client) == findings + different
        assert len(client.get("/v1/studies").json()["studies"]) == before + different
    assert len(list((state / "results").iterdir())) == results + different
    assert list((state / "work").iterdir()) == []


def found_in(client):
    """Count the findings that were made, over restarts."""
    return int(re.search(r"^pnetkit_outcomes_finding_total (\d+)", client.get("/metrics").text, re.MULTILINE)[1])
