"""`python -m tests.serve.quick_service STATE CONFIG TAKES_S STABLE_S`: a service, but quick."""

import signal
import socketserver
import sys
import threading
from functools import partial
from pathlib import Path

from pnetkit.serve import deliverer, dicom_service, work
from pnetkit.serve.config import read_config
from pnetkit.serve.dicom_service import Times, serve_dicom
from pnetkit.serve.log import start_log
from pnetkit.serve.queue import Queue
from tests.serve.marked import open_marked, refuse


def main(state, config, takes_s, stable_s):
    dicom_service.EVERY_S = deliverer.POLL_S = work.POLL_S = 0.1  # how often it looks what is to be done
    socketserver.BaseServer.serve_forever.__defaults__ = (0.02,)  # and whether it is to stop
    asked = read_config(Path(config))
    opener = partial(open_marked, float(takes_s))
    how = work.Work(opener, at_once=2, refuse=refuse, send_to=tuple(asked.destinations), imported="tests.serve.marked")
    start_log()
    ending = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ending.set())
    queue = Queue(Path(state), model="quick")
    try:
        serve_dicom(queue, asked, how, Times(stable_after_s=float(stable_s)), ending)
    finally:
        queue.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
