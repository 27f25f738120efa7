"""With real parts: dcmtk sends, the service screens (quickly), Orthanc takes what comes of it and finds it."""

import pytest

from tests.serve.hospital import Orthanc, dimse, needs_orthanc, needs_storescu, serving, storescu
from tests.serve.marked import study, study_uid
from tests.serve.parts import wait_until

pytestmark = [pytest.mark.slow, needs_orthanc, needs_storescu]


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory):
    made = Orthanc(tmp_path_factory.mktemp("orthanc"))
    made.start()
    yield made
    made.stop()


def ways(orthanc, folder):
    password = folder / "password"
    password.write_text("kit\n")
    root = f"http://127.0.0.1:{orthanc.http}/dicom-web"
    return {
        "dimse": dimse(orthanc.port, "ORTHANC"),
        "stow": {"way": "stow", "url": root, "user": "pnet", "password_file": str(password)},
    }


@pytest.mark.parametrize(("way", "number"), [("dimse", 1), ("stow", 2)])
def test_a_study_that_is_sent_comes_back_as_seg_and_sr_and_a_head_as_a_report_that_says_so(
    orthanc, tmp_path, way, number
):
    files = study(tmp_path / "in", number)
    head = study(tmp_path / "head", number + 100, phases=("native",), description="Head native")
    with serving(tmp_path, {way: ways(orthanc, tmp_path)[way]}) as service:
        storescu(service.port, files)
        storescu(service.port, files)
        storescu(service.port, head)
        uid, other = study_uid(number), study_uid(number + 100)
        wait_until(lambda: len(orthanc.found(uid, "SR")) == 2, 60)
        refusals = wait_until(lambda: orthanc.found(other, "SR"), 60)
        wait_until(lambda: "study 2: sent" in service.log.read_text())
        assert len(orthanc.found(uid, "SEG")) == 2
        assert refusals == ["pnetkit: NOT SCREENED, RESEARCH USE ONLY"]
        assert orthanc.found(other, "SEG") == []
    log = service.log.read_text()
    assert log.count(": sent\n") == 2
    assert "ALARM" not in log


def test_results_wait_for_an_orthanc_that_is_away(orthanc, tmp_path):
    with serving(tmp_path, {"pacs": ways(orthanc, tmp_path)["dimse"]}) as service:
        orthanc.stop()
        try:
            storescu(service.port, study(tmp_path / "in", 3))
            wait_until(lambda: "did not arrive at pacs (no association); again in" in service.log.read_text(), 60)
            service.kill()
            service.start()
            service.wait_ready()
        finally:
            orthanc.start()
        wait_until(lambda: len(orthanc.found(study_uid(3), "SR")) == 2, 60)
