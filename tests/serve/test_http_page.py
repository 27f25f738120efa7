"""The page to try a service out, in a browser: it sends what is chosen, says what came of it, asks nobody else."""

import shutil
import threading
import time

import pytest
import uvicorn

from tests.serve.http_parts import TOKEN, Made, study

pytestmark = pytest.mark.slow


@pytest.fixture
def page():
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        pytest.skip("there is no Chromium")
    with sync_api.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser.new_page()
        browser.close()


@pytest.fixture
def served(tmp_path):
    made = Made(tmp_path / "state")
    config = uvicorn.Config(made.app, port=0, log_config=None, log_level="critical", lifespan="off", ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    yield made, f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


def test_a_study_is_dropped_answered_and_looked_at(page, served, tmp_path):
    made, url = served
    for name, data in {"P1_venous.nii.gz": b"\x1f\x8b mark:v", "P1_arterial.nii": b"mark:a", "liver.nii": b"x",
                       "head.dcm": b"REFUSE", "study.zip": study("zip")}.items():  # fmt: skip
        (tmp_path / name).write_bytes(data)
    said = page.locator("#said")
    asked, errors = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: errors.append(message.text))
    page.on("pageerror", lambda error: errors.append(str(error)))

    def send(*names, answer):
        page.set_input_files("#files", [str(tmp_path / name) for name in names])
        said.filter(has_text=answer).wait_for()

    page.goto(url)
    page.fill("#token", TOKEN)
    page.click("text=Show studies")
    said.filter(has_text="No study").wait_for()
    assert page.inner_text("#phases") == "arterial.nii.gz, venous.nii.gz"
    send("P1_venous.nii.gz", "P1_arterial.nii", answer="Study 1 is taken")
    send("study.zip", answer="Study 2 is taken")
    send("study.zip", answer="there already: number 2")
    send("head.dcm", answer="Study 3 is taken")
    send("liver.nii", answer="names no phase")
    made.screen()
    page.click("text=Show studies")
    page.wait_for_selector('[aria-label="Report of study 1"]')
    rows = page.locator("#studies tbody tr").all_inner_texts()
    assert [row.split("\t")[3] for row in rows] == [
        "NOT SCREENED, which is no negative: this is a head", "not called", "not called"
    ]  # fmt: skip
    page.click('[aria-label="Report of study 1"]')
    page.locator('#frame[src^="/report/"]').wait_for()
    page.frame_locator("#frame").get_by_text("all of it").wait_for()
    assert page.evaluate("localStorage.length + sessionStorage.length + document.cookie.length") == 0
    assert all(address.startswith(url) for address in asked)
    assert (errors, said.inner_text()) == ([], "")
