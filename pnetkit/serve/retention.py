"""Delete what has lain in a service for its time: files, results, and the lines of the queue that speak of them."""

import shutil

from pnetkit.serve.database import COLUMNS, as_job, count
from pnetkit.serve.queue import Queue
from pnetkit.serve.values import ENDED, Job


def purge(queue: Queue, keep_s: float, *, fetched: bool = False) -> list[Job]:
    """Delete all of the jobs whose last image came so long ago; give those that had not ended, which are given up.

    Where results are `fetched` and not sent, an outcome is an end. The lines go first: files without one are deleted
    at the next start at the latest.
    """
    with queue.changing() as database:
        rows = database.execute(
            f"SELECT {COLUMNS} FROM jobs WHERE received_at <= ?",
            (queue.clock() - keep_s,),
        ).fetchall()
        old = [as_job(row) for row in rows]
        for job in old:
            for table, column in (("jobs", "number"), ("images", "job"), ("deliveries", "job")):
                database.execute(f"DELETE FROM {table} WHERE {column} = ?", (job.number,))
        given_up = [job for job in old if job.state not in ENDED and not (fetched and job.outcome is not None)]
        if given_up:
            count(database, "given_up", len(given_up))
        if old:
            count(database, "purged", len(old))
    if old:
        queue.truncate_log()
    for job in old:
        shutil.rmtree(queue.places.study(job.number), ignore_errors=True)
        shutil.rmtree(queue.places.results(job.number), ignore_errors=True)
    return given_up
