"""What the server of processes has imported, in tests, before any of them is forked: most would import it for itself.

A run's workers in other hands import what they need, and that at its time: here many are started that live shortly.
"""

import gc
import os
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from pnetkit.serve.child import Task

NEEDED = (
    "pnetkit.cli.main",
    "pnetkit.cli.progress",
    "pnetkit.pipeline.run",
    "pnetkit.pipeline.follow.follower",
    "pnetkit.screening.dicom_cases",
    "pnetkit.serve.screened",
    "pnetkit.training.helper",
    "scipy.sparse.csgraph",
    "scipy.stats",
    "torch._dynamo",  # the first step of an optimizer imports it, and it takes a second
)

OF_EXTRAS = (
    "pnetkit.dicom.page",
    "pnetkit.report.page.pdf",
    "pnetkit.serve.dicom_service",
    "pnetkit.serve.http.server",
    "tests.serve.http_parts",
    "tests.serve.marked",
)

for name in NEEDED:
    import_module(name)

for name in OF_EXTRAS:
    with suppress(ImportError):
        import_module(name)

with suppress(ImportError), TemporaryDirectory() as place:  # highdicom reads tables when it writes for the first time
    from tests.serve.marked import marked, study

    (Path(place) / "out").mkdir()
    for number, path in enumerate(study(Path(place), 1, phases=("venous",), shape=(24, 20, 3))):
        path.rename(Path(place) / "venous" / f"{number}.dcm")
    marked(0.0, Task(1, Path(place) / "venous", Path(place) / "out"))

if os.environ.get("OMP_NUM_THREADS") == "1":  # as tests/conftest.py says: services would take all cores
    torch.set_num_threads = lambda _: None

gc.freeze()  # or each fork would go through all of it when it looks for garbage
