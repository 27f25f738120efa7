"""Read a model folder: what `pnetkit export` wrote, on whatever machine it is now.

    model.json        what the model is: plugins, networks, label map, contract, operating point, cohort, evaluation
    recipe.yaml       the recipe with all defaults
    networks/         one safetensors file for each input and fold
    classifiers/      one folder for each input and fold, where the case classifier was trained
    fusion/           what the fusion of phases learned, where it does
    README.md         the model card
    SHA256SUMS        the digest of every other file, as `sha256sum -c` reads it

Digests show damage and change of single files. They are no signature: who changes a file and its digest too is not
found out.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pnetkit.errors import MissingPluginError, ModelError, PluginError, did_you_mean
from pnetkit.files import file_digest
from pnetkit.imaging.spacing import Spacing
from pnetkit.plain_files import not_plain
from pnetkit.registry import plugin_info
from pnetkit.sources import source_digest

SUMS, MODEL, RECIPE, CARD = "SHA256SUMS", "model.json", "recipe.yaml", "README.md"
"""The files of a model folder that have fixed names."""

FORMAT, FORMAT_VERSION = "pnetkit-model", 2
"""What `model.json` says it is: 1 where networks see the scanner's voxels, 2 where they have a spacing of their own."""


@dataclass(frozen=True, slots=True)
class FoldModel:
    """Name the files of one input and fold: a network's tensors, and a trained classifier's folder or None.

    `spacing_mm` is that of the voxels which the network sees; None for the scanner's.
    """

    input: str
    fold: int
    weights: Path
    classifier: Path | None
    spacing_mm: Spacing | None = None


@dataclass(frozen=True, slots=True)
class Model:
    """Hold a model folder that was found whole.

    `digest` names the model; `content` is its `model.json`; `fusion` is the folder of what the fusion learned, None for
    a rule; `notes` say in which way what is installed here is not what the model was made with.
    """

    folder: Path
    digest: str
    content: Mapping[str, Any]
    folds: tuple[FoldModel, ...]
    fusion: Path | None
    notes: tuple[str, ...]

    @property
    def name(self) -> str:
        """Give the name of the model's recipe."""
        return str(self.content["name"])

    @property
    def resamples(self) -> bool:
        """Tell whether its networks see scans at a spacing of their own, whatever the scanner's is."""
        return any(fold.spacing_mm is not None for fold in self.folds)


def read_model(folder: Path) -> Model:
    """Read a model folder and hold it to its digests and to the plugins that are installed here.

    Raises:
        ModelError: it is no model folder, a file is missing, damaged or was changed, it was written by a later
            release, or it needs plugins that are not installed; the text names the file, or what to install.
    """
    digest = _checked(folder)
    try:
        content = json.loads((folder / MODEL).read_text(encoding="utf-8"))
        if content["format"] != FORMAT:
            raise ModelError(f"{folder / MODEL}: is a {content['format']!r}, wanted a {FORMAT!r}.")
        if content["format_version"] > FORMAT_VERSION:
            raise ModelError(
                f"{folder}: is of format {content['format_version']}; this pnetkit reads up to {FORMAT_VERSION}. "
                f"Install pnetkit {content['versions']['pnetkit']} or later."
            )
        folds = tuple(
            FoldModel(
                item["input"],
                item["fold"],
                folder / item["weights"],
                None if item["classifier"] is None else folder / item["classifier"],
                _spacing(item.get("spacing_mm")),  # not in models that see the scanner's voxels
            )
            for item in content["networks"]
        )
        learned = content.get("fusion")  # not in models of earlier releases
        fusion = None if learned is None else folder / learned["folder"]
        _require_summed(folder, [path for of in folds for path in (of.weights, of.classifier) if path], fusion)
        _require_plain(folder, [path for path in (*(of.classifier for of in folds), fusion) if path is not None])
        notes = _require_plugins(folder, plugins_of(content), _sources(content))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{folder / MODEL}: cannot be read as a model ({error!r}). Export it again.") from error
    return Model(folder, digest, content, folds, fusion, notes)


def require_unchanged(model: Model) -> None:
    """Hold a model's files to their digests again, once they were loaded: `digest` has to name what was.

    Raises ModelError as `read_model` does, and where the folder holds another model now.
    """
    if _checked(model.folder) != model.digest:
        raise ModelError(f"{model.folder}: was changed while it was loaded. Run the same command again.")


def plugins_of(content: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Give the identities of all plugins that a model names."""
    plugins = content["plugins"]
    return [plugins["backbone"], *plugins["postprocess"], plugins["classifier"], plugins["fusion"]]


def write_sums(folder: Path) -> bytes:
    """Give the text of SHA256SUMS for all files of a folder, in the order of their names."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != SUMS)
    return "".join(f"{file_digest(path)}  {path.relative_to(folder).as_posix()}\n" for path in files).encode()


def _checked(folder: Path) -> str:
    """Hold every file to its digest and give the digest of them all."""
    sums = folder / SUMS
    if not sums.is_file():
        raise ModelError(f"{folder}: is no model folder ({SUMS} is missing). `pnetkit export RUN DIR` writes one.")
    try:
        lines = [line.split("  ", 1) for line in sums.read_text(encoding="utf-8").splitlines()]
        wanted = {name: digest for digest, name in lines}
    except (OSError, ValueError) as error:
        raise ModelError(f"{sums}: cannot be read ({error}). Copy the model again.") from error
    outside = [
        name for name in wanted if "\0" in name or not (folder / name).resolve().is_relative_to(folder.resolve())
    ]
    if outside or MODEL not in wanted:
        raise ModelError(
            f"{sums}: is damaged ({repr(outside[0]) if outside else 'names no ' + MODEL}). Copy the model again."
        )
    problems = []
    for name, digest in wanted.items():
        path = folder / name
        if not path.is_file():
            problems.append(f"{name} is missing")
        elif file_digest(path) != digest:
            problems.append(f"{name} is not what was exported: it is damaged, or was changed")
    if problems:
        raise ModelError(f"{folder}: {'; '.join(problems)}. Copy the model again, or export it again.")
    return sha256(sums.read_bytes()).hexdigest()


def _require_summed(folder: Path, named: Sequence[Path], fusion: Path | None) -> None:
    """Make sure that all a model names lies in its folder and stands in its sums: what does not is held to nothing.

    Raises ModelError naming what does not.
    """
    summed = {line.split("  ", 1)[1] for line in (folder / SUMS).read_text(encoding="utf-8").splitlines()}
    top, loose = folder.resolve(), []
    for path in [*named, *([] if fusion is None else [fusion]), folder / RECIPE]:
        inside = path.resolve().is_relative_to(top)
        files = [path] if not path.is_dir() else [file for file in sorted(path.rglob("*")) if file.is_file()]
        if not inside or any(file.relative_to(folder).as_posix() not in summed for file in files):
            loose.append(str(path))
    if loose:
        raise ModelError(
            f"{folder / SUMS}: holds {', '.join(loose)} to no digest, or it lies outside the model's folder, so "
            f"that it may be anything. Export the model again."
        )


def _require_plain(folder: Path, learned: Sequence[Path]) -> None:
    """Make sure that what plugins saved is data: it is given to them to load. Raises ModelError naming what is not."""
    faults = [f"{path.relative_to(folder).as_posix()}/{fault}" for path in learned for fault in not_plain(path)]
    if faults:
        raise ModelError(
            f"{folder}: {'; '.join(faults)}, which may hold code. Do not use it; ask where it came from for a model "
            f"whose plugins save safetensors, JSON or text."
        )


def _spacing(edges: Sequence[float] | None) -> Spacing | None:
    if edges is None:
        return None
    x, y, z = (float(edge) for edge in edges)
    if min(x, y, z) <= 0:
        raise ValueError(f"a spacing of {edges} mm")
    return x, y, z


def _sources(content: Mapping[str, Any]) -> dict[str, set[str]]:
    """Give the source digests that made the model's parts, by kind and name of the plugin."""
    found: dict[str, set[str]] = {}
    for part in content["networks"]:
        for name, digests in part.get("made_with", {}).items():  # not in models of earlier releases
            found.setdefault(name, set()).update(digests)
    for name, digest in ((content.get("fusion") or {}).get("made_with", {})).items():
        found.setdefault(name, set()).add(digest)
    return found


def _require_plugins(
    folder: Path, wanted: Sequence[Mapping[str, Any]], sources: Mapping[str, set[str]]
) -> tuple[str, ...]:
    """Find every plugin of a model, and say where it is another version or source than the model was made with.

    `sources` are those that really made its parts; with `--on-code-change warn` they can be others than its keys'.
    """
    missing, notes = [], []
    for identity in wanted:
        kind, name = identity["kind"], identity["plugin"]
        what = f"the {kind} {name!r} of {identity['distribution']} {identity['version']}"
        try:
            info = plugin_info(kind, name)
            source = source_digest(kind, name)
        except MissingPluginError as error:
            there = _installed(identity["distribution"])
            hint = f"{there} is installed here, and does not offer it" if there else (
                f"install {identity['distribution']} {identity['version']} from where the model came from: on a public "
                f"index its name may be anybody's"
            )  # fmt: skip
            missing.append(f"{what}: {error} {hint}")
            continue
        except PluginError as error:  # there is one, or two
            missing.append(f"{what}: {error}")
            continue
        if (info.distribution, info.version) != (identity["distribution"], identity["version"]):
            notes.append(f"{what} was used in training; here it is {info.distribution} {info.version}")
        elif source != identity["source"]:
            notes.append(f"the source of {what} has changed since the training")
        elif sources.get(f"{kind} {name}", set()) - {source}:
            notes.append(
                f"parts of the model were made by another source of {what} than the one that is installed here"
            )
    if missing:
        raise ModelError(
            "\n".join([f"{folder}: needs plugins that cannot be used here:", *(f"  {m}" for m in missing)])
        )
    return tuple(dict.fromkeys(notes))


def _installed(distribution: str) -> str:
    try:
        return f"{distribution} {version(distribution)}"
    except PackageNotFoundError:
        return ""


def chosen_folds(model: Model, folds: Sequence[int] | None) -> tuple[int, ...]:
    """Give the folds whose networks vote: all, or those asked for. Raises ModelError for one that is not there."""
    there = tuple(sorted({item.fold for item in model.folds}))
    unknown = [fold for fold in folds or () if fold not in there]
    if unknown:
        hint = did_you_mean(str(unknown[0]), map(str, there))
        raise ModelError(f"{model.folder}: has no network of fold {unknown[0]}.{hint}")
    return tuple(sorted(set(folds))) if folds else there
