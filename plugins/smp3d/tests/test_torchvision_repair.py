"""The repair of torchvision, on fakes, and when the true one is imported: each in a process of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

HEALTHY = """
import builtins
builtins.imports = getattr(builtins, "imports", 0) + 1
"""

BROKEN = """
import builtins
builtins.imports = getattr(builtins, "imports", 0) + 1
from torchvision import extension
import torch
for name in {operators}:
    torch.library.register_fake("torchvision::" + name)(lambda dets, scores, threshold: None)
"""

OTHERWISE_BROKEN = """
raise RuntimeError("the moon is full")
"""

IMPORT = """
import builtins, sys, torch
from pnetkit_smp3d.torchvision_repair import import_repaired
before = dict(torch.ops.torchvision.__dict__)
"""

FORKS = """
import contextlib, io, json, os, sys, traceback
import torch, pnetkit_smp3d.torchvision_repair
for line in sys.stdin:
    folder, script = json.loads(line)
    if os.fork() == 0:
        sys.path.insert(0, folder)
        said, error = io.StringIO(), ""
        try:
            with contextlib.redirect_stdout(said):
                exec(script, {})
        except BaseException:
            error = traceback.format_exc()
        print(json.dumps([said.getvalue(), error]), flush=True)
        os._exit(0)
    os.wait()
"""


@pytest.fixture(scope="module")
def forks() -> Iterator[subprocess.Popen[str]]:
    """Give a process that has imported torch, and runs each script that it is sent in a child of its own."""
    here = Path(__file__).parents[1]
    path = os.pathsep.join([str(here), str(here.parents[1]), os.environ.get("PYTHONPATH", "")])
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-c", FORKS],
        env={**os.environ, "PYTHONPATH": path},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield process
        process.kill()


Run = Callable[[str, str], str]


@pytest.fixture
def run(forks: subprocess.Popen[str], tmp_path: Path) -> Run:
    """Give what a script says in a process of its own, where torchvision is what it is given as."""

    def said(torchvision: str, script: str) -> str:
        package = tmp_path / "torchvision"
        package.mkdir()
        (package / "__init__.py").write_text(torchvision)
        (package / "extension.py").write_text("import builtins\nbuiltins.seen = getattr(builtins, 'seen', 0) + 1\n")
        return _said(forks, tmp_path, IMPORT + script)

    return said


def _said(forks: subprocess.Popen[str], folder: Path, script: str) -> str:
    assert forks.stdin is not None
    assert forks.stdout is not None
    print(json.dumps([str(folder), script]), file=forks.stdin, flush=True)
    said, error = json.loads(forks.stdout.readline())
    assert not error, error
    return str(said)


@pytest.mark.skipif(find_spec("segmentation_models_pytorch_3d") is None, reason="its library is not installed")
def test_torchvision_is_imported_when_a_network_is_built_and_not_before_and_without_a_warning(
    forks: subprocess.Popen[str], tmp_path: Path
) -> None:
    script = """
import sys
from pnetkit_smp3d.backbone import Smp3D
heavy = ("torchvision", "timm", "segmentation_models_pytorch_3d", "torchmetrics", "lightning")
print([name for name in heavy if name in sys.modules])
import torch
with torch.device("meta"):
    Smp3D(encoder_depth=3)(torch.empty(2, 1, 8, 8, 8))
print([name for name in heavy if name in sys.modules])
"""
    before, after = _said(forks, tmp_path, script).splitlines()
    assert before == "[]"
    assert after == "['torchvision', 'timm', 'segmentation_models_pytorch_3d']"


def test_a_healthy_torchvision_is_imported_once_and_nothing_is_declared(run: Run) -> None:
    script = """
module = import_repaired()
assert module is sys.modules["torchvision"] is import_repaired()
print(builtins.imports, hasattr(torch.ops.torchvision, "nms"), hasattr(torch.ops.torchvision, "qnms"))
"""
    assert run(HEALTHY, script).split() == ["1", "False", "False"]


def test_missing_operators_are_declared_one_by_one_until_the_import_succeeds(run: Run) -> None:
    script = """
import gc
module = import_repaired()
gc.collect()
assert import_repaired() is module is sys.modules["torchvision"]
print(builtins.imports, builtins.seen, torch.ops.torchvision.nms.default._schema, sep="|")
try:
    torch.ops.torchvision.nms(torch.zeros(1, 4), torch.zeros(1), 0.5)
except NotImplementedError:
    print("no implementation")
"""
    schema = "torchvision::nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
    first, second = run(BROKEN.format(operators=("nms", "qnms")), script).splitlines()
    assert first == f"3|3|{schema}"  # submodules of a failed import are imported anew
    assert second == "no implementation"


@pytest.mark.parametrize(
    ("torchvision", "message"),
    [
        (OTHERWISE_BROKEN, "the moon is full"),
        (BROKEN.format(operators=("roi_align",)), "operator torchvision::roi_align does not exist"),
    ],
)
def test_an_error_that_the_repair_is_not_made_for_is_passed_on(run: Run, torchvision: str, message: str) -> None:
    script = """
try:
    import_repaired()
except RuntimeError as error:
    print(error, hasattr(torch.ops.torchvision, "nms"), sep="|")
"""
    assert run(torchvision, script).strip() == f"{message}|False"
