"""A quick service over HTTP in a process of its own: `python -m tests.serve.quick_http STATE PORT`."""

import sys
from pathlib import Path

from pnetkit.serve.http.server import Serving, serve
from pnetkit.serve.log import start_log
from pnetkit.serve.work import Work
from tests.serve.http_parts import PHASES, TOKEN, open_marking
from tests.serve.parts import ROOMY

if __name__ == "__main__":
    state, port = Path(sys.argv[1]), int(sys.argv[2])
    start_log()
    serve(Serving(state, "m", PHASES, TOKEN, port=port, limits=ROOMY), Work(open_marking))
