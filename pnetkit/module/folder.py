"""The plain way in: images by phase or DICOM, and out what `pnetkit screen` writes, with one `result.json` for all."""

from pnetkit.errors import StoreError
from pnetkit.files import disk_errors_in_words, write_json
from pnetkit.module.answers import RESULT, result
from pnetkit.module.job import Job, cases_in, screened
from pnetkit.screening.screen import require_all_screened


def run(job: Job) -> None:
    """Screen a folder into another one.

    Raises:
        ScreeningError: some could not be screened; `result.json` says which, and the others are there.
        StoreError: the other folder is in the first, or cannot be written.
    """
    if job.given.resolve() == job.out.resolve() or job.given.resolve() in job.out.resolve().parents:
        raise StoreError(f"{job.out}: lies in the folder that is read. Choose another one.")
    cases = cases_in(job)
    screener = job.load(job.model, job.settings)
    done = screened(job, screener, cases, job.out)
    with disk_errors_in_words(job.out):
        write_json(job.out / RESULT, result(screener, done))
    require_all_screened(done, job.out)
