"""Read weights in a process of its own, from `pnetkit weights import`: `python -m pnetkit.transfer.reading`.

It is told what to read as JSON on its input, and leaves a file of tensors and one of JSON in a folder. It never sees a
store or a recipe. What it may take of memory is limited to a few times the file, where the system has such limits.
"""

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from pnetkit.errors import PnetkitError, WeightsError
from pnetkit.files import file_digest
from pnetkit.transfer import bundle, nnunet, own_model
from pnetkit.transfer.archives import require_sane
from pnetkit.transfer.card import NOT_STATED, WEIGHTS
from pnetkit.transfer.checkpoints import load_checkpoint
from pnetkit.transfer.licenses import stated_license
from pnetkit.transfer.states import deduplicated, find_state

FOUND, FAILED = "found.json", "failed.json"
"""What the reading process leaves: what it found, or why it found nothing."""

ROOM_BYTES = 2 * 2**30
"""Address space that reading may take beside four times the file."""

REFUSED = 3
"""The exit code of a reading that says in words why it was none."""


def main() -> None:
    """Read what the input asks for; leave what was found, or why nothing was."""
    asked = json.load(sys.stdin)
    out = Path(asked.pop("out"))
    torch.set_num_threads(1)
    try:
        found = read(Path(asked["source"]), out, asked, before_loading=_limit_memory)
        (out / FOUND).write_text(json.dumps(found), encoding="utf-8")
    except PnetkitError as error:
        (out / FAILED).write_text(json.dumps(str(error)), encoding="utf-8")
        sys.exit(REFUSED)


def read(
    source: Path, out: Path, asked: Mapping[str, Any], *, before_loading: Callable[[int], None] | None = None
) -> dict[str, Any]:
    """Read weights into `out` and give what a card says of them.

    `asked` may say `kind`, `fold`, `input`, `configuration` and `orientation`. `before_loading` is told how
    many bytes the file has before it is loaded. The calling process is left as it is. Raises WeightsError in words.
    """
    kind = asked.get("kind") or kind_of(source)
    file, said = _file_and_description(source, kind, asked)
    size = require_sane(file)
    if before_loading is not None:
        before_loading(size)
    content = load_checkpoint(file)
    state, under = find_state(content, str(file))
    if kind == "nnunet":
        state = _without_copies(state)
        said = nnunet.with_mirroring(said, content)
    tensors, aliases = deduplicated(state)
    save_file(tensors, out / WEIGHTS)
    folder = source if source.is_dir() else source.parent
    license_text, license_from = stated_license(folder, kind)
    stated = (
        {"license": license_text, "license_from": license_from} if said.get("license", NOT_STATED) == NOT_STATED else {}
    )
    return {
        "name": source.resolve().name,
        **said,
        **stated,
        "kind": kind,
        "source": {"file": file.name, "sha256": file_digest(file)},
        "aliases": aliases,
        "parameters": sum(_count(tensor) for tensor in tensors.values()),
        "notes": [*said.get("notes", []), *([f"The tensors lay under {under!r}."] if under else [])],
    }


def kind_of(source: Path) -> str:
    """Tell what weights are by how they lie. Raises WeightsError where that is nothing known."""
    if source.is_file():
        return "state-dict"
    found = [kind for kind, fits in _KINDS.items() if fits(source)]
    if found:
        return found[0]
    if not source.is_dir():
        raise WeightsError(f"{source}: there is no such file or folder.")
    inner = sorted(path.parent for path in source.rglob("plans.json"))[:4] if len(list(source.iterdir())) < 100 else []  # noqa: PLR2004
    hint = f" Did you mean {' or '.join(map(str, inner))}?" if inner else ""
    raise WeightsError(
        f"{source}: is no nnU-Net trained folder (plans.json, dataset.json), MONAI bundle (configs/metadata.json), "
        f"model of pnetkit (model.json), nor a file of tensors.{hint}"
    )


_KINDS = {"nnunet": nnunet.is_trained_folder, "monai": bundle.is_bundle, "pnetkit": own_model.is_model}


def _file_and_description(source: Path, kind: str, asked: Mapping[str, Any]) -> tuple[Path, dict[str, Any]]:
    if kind == "state-dict":
        return source, {}
    if not _KINDS[kind](source):
        raise WeightsError(f"{source}: is not of the kind {kind}. Leave --kind out to have it found.")
    if kind == "nnunet":
        file = nnunet.checkpoint_of(source, asked.get("fold"))
        return file, nnunet.describe(source, asked.get("configuration"), asked.get("orientation"))
    if kind == "monai":
        return bundle.weights_of(source), bundle.describe(source)
    return own_model.network_of(source, asked.get("input"), asked.get("fold"))


def _without_copies(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Leave out nnU-Net's second and third names of tensors that trainers on some devices save as copies."""
    plain = {
        name: tensor
        for name, tensor in state.items()
        if ".all_modules." not in name and not name.startswith("decoder.encoder.")
    }
    return plain or dict(state)


def _count(tensor: Tensor) -> int:
    return tensor.numel() if tensor.is_floating_point() else 0


def _limit_memory(size: int) -> None:
    """Limit this process to what reading such a file can take; where a system has no such limit, sizes were checked."""
    try:
        import resource  # noqa: PLC0415  # not on every system

        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        limit = pages * resource.getpagesize() + 4 * size + ROOM_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (limit, resource.getrlimit(resource.RLIMIT_AS)[1]))
    except (ImportError, OSError, ValueError):
        return


if __name__ == "__main__":
    main()
