"""With real parts: dcmtk sends, the service screens (quickly), Orthanc takes what comes of it and finds it."""

import pytest

from tests.serve.hospital import Orthanc, dimse, needs_orthanc, needs_storescu, serving, storescu
from tests.serve.marked import study, study_uid
from tests.serve.parts import wait_until

pytestmark = [pytest.mark.slow, needs_orthanc, needs_storescu]


@pytest.fixture(scope="module")
def orthancs(tmp_path_factory):
    """An Orthanc for each way of sending, so that each shows what came by its own."""
    made = {way: Orthanc(tmp_path_factory.mktemp(way)) for way in ("dimse", "stow")}
    for orthanc in made.values():
        orthanc.begin()
    for orthanc in made.values():
        wait_until(orthanc.answers, 60)
    yield made
    for orthanc in made.values():
        orthanc.stop()


@pytest.fixture(scope="module")
def service(orthancs, tmp_path_factory):
    """A service that sends to both."""
    folder = tmp_path_factory.mktemp("service")
    password = folder / "password"
    password.write_text("kit\n")
    root = f"http://127.0.0.1:{orthancs['stow'].http}/dicom-web"
    ways = {
        "dimse": dimse(orthancs["dimse"].port, "ORTHANC"),
        "stow": {"way": "stow", "url": root, "user": "pnet", "password_file": str(password)},
    }
    with serving(folder, ways) as service:
        yield service


def test_a_study_that_is_sent_comes_back_as_seg_and_sr_and_a_head_as_a_report_that_says_so(orthancs, service, tmp_path):
    files = study(tmp_path / "in", 1)
    head = study(tmp_path / "head", 101, phases=("native",), description="Head native")
    storescu(service.port, files)
    storescu(service.port, files)
    storescu(service.port, head)
    uid, other = study_uid(1), study_uid(101)
    for orthanc in orthancs.values():
        wait_until(lambda orthanc=orthanc: len(orthanc.found(uid, "SR")) == 2, 60)
        refusals = wait_until(lambda orthanc=orthanc: orthanc.found(other, "SR"), 60)
        assert len(orthanc.found(uid, "SEG")) == 2
        assert refusals == ["pnetkit: NOT SCREENED, RESEARCH USE ONLY"]
        assert orthanc.found(other, "SEG") == []
    wait_until(lambda: service.log.read_text().count(": sent\n") >= 2)  # each after both Orthancs have it
    log = service.log.read_text()
    assert log.count(": sent\n") == 2
    assert "ALARM" not in log


def test_results_wait_for_an_orthanc_that_is_away_and_the_other_has_them(orthancs, service, tmp_path):
    away, other = orthancs["dimse"], orthancs["stow"]
    away.stop()
    try:
        storescu(service.port, study(tmp_path / "in", 3))
        wait_until(lambda: "did not arrive at dimse (no association); again in" in service.log.read_text(), 60)
        wait_until(lambda: len(other.found(study_uid(3), "SR")) == 2, 60)
        service.kill()
        service.start()
        service.wait_ready()
    finally:
        away.start()
    wait_until(lambda: len(away.found(study_uid(3), "SR")) == 2, 60)
