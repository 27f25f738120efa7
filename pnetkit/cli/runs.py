"""`pnetkit runs`: what was run, where each number comes from, and what the store holds for nothing."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from pnetkit.cli.as_json import JSON, print_json
from pnetkit.cli.console import print_grid
from pnetkit.errors import counted

RUNS = click.option(
    "--runs", "root", type=click.Path(path_type=Path), default=Path("runs"), show_default=True, help="Folder of runs."
)


@click.group()
def runs() -> None:
    """List finished runs, trace their numbers, and tidy the store."""


@runs.command("list")
@RUNS
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_command(root: Path, as_json: bool) -> None:
    """List the finished runs in a folder, newest last."""
    from pnetkit.errors import StoreError

    found, unreadable = [], []
    for folder in _folders(root):
        try:
            found.append((folder, _record(folder)))
        except StoreError as error:
            unreadable.append(str(error))
    found.sort(key=lambda item: item[1]["began"])
    if as_json:
        keys = ("recipe", "profile", "cohort", "began", "seconds", "device", "run_key")
        click.echo(json.dumps([{"folder": str(f), **{k: r.get(k) for k in keys}} for f, r in found], indent=2))
        return
    for line in unreadable:
        click.echo(f"Not listed: {line}", err=True)
    if not found:
        click.echo(f"There is no finished run in {root}.")
        return
    rows = [
        (
            r["began"],
            r["recipe"],
            r.get("profile") or "-",
            f"{r['seconds']:.0f} s",
            str(len(r["failed"])),
            r["cohort"],
            str(f),
        )
        for f, r in found
    ]
    columns = ["began", "recipe", "profile", "took", "failed", "cohort", "folder"]
    print_grid(columns, rows, names=2, prose=["cohort", "folder"])


@runs.command("show")
@click.argument("folder", metavar="RUN", type=click.Path(path_type=Path))
@RUNS
@click.option("--case", "case_id", help="Trace one case: every stage behind its numbers.")
@click.option("--store", type=click.Path(path_type=Path), help="The store. [default: the run's own]")
@JSON
def show(folder: Path, root: Path, case_id: str | None, store: Path | None, as_json: bool) -> None:
    """Show what is behind a run's numbers: inputs, plugins, versions, hardware; with --case each stage of a case.

    RUN is its folder, or its name in the folder of runs; of one recipe's only run, the recipe's name.
    """
    from pnetkit.errors import StoreError
    from pnetkit.pipeline.outcome.finished import behind, find_run, read_run
    from pnetkit.store.store import Store

    folder = find_run(folder, root)
    run = read_run(folder)
    record = run.record
    if case_id is None and as_json:
        print_json(record)
        return
    if case_id is None:
        for line in _summary(record):
            click.echo(line)
        return
    if case_id not in record["cases"]:
        raise StoreError(f"{folder}: has no case {case_id!r}.")
    case = record["cases"][case_id]
    kept = Store(store or run.store)
    if as_json:
        results = [{**node, "record": _record_of(kept, node)} for node in behind(run, case_id)]
        print_json({"case_id": case_id, **case, "results": results})
        return
    click.echo(f"{case_id}: abnormal {case['abnormal']}, fold {case['fold']}, patient number {case['patient']}")
    for phase, files in case["files"].items():
        for kind in ("image", "label"):
            click.echo(f"  {phase} {kind}: {'none' if files[kind] is None else 'sha256 ' + files[kind]}")
        if "shape" in files:  # not in runs of earlier releases
            click.echo(f"  {phase} voxels: {_edges(files['shape'])}, of {_edges(files['spacing_mm'])} mm")
    for node in behind(run, case_id):
        click.echo(f"  {node['stage']} {node['label']}: {node['key'][:16]}")
        if not kept.has(node["stage"], node["key"]):
            click.echo(f"    not in {kept.root}")
            continue
        made = kept.record(node["stage"], node["key"])
        click.echo(
            f"    {made['seconds']} s on {made['device']}, {made['threads']} threads, {_versions(made['versions'])}"
        )
        click.echo(f"    made with {_pairs(made.get('made_with', {})) or 'no plugin'}")


@runs.command("gc")
@RUNS
@click.option(
    "--store", type=click.Path(path_type=Path), default=Path("runs") / ".store", show_default=True, help="The store."
)
@click.option("--yes", is_flag=True, help="Delete; without it, only say what would be.")
def gc(root: Path, store: Path, yes: bool) -> None:
    """Delete results and unfinished work in the store that no run needs, finished or still going, wherever it lies."""
    from pnetkit.errors import StoreError
    from pnetkit.pipeline.stages.table import STAGES
    from pnetkit.store.garbage import delete, unused_results
    from pnetkit.store.store import Store

    for folder in (root, store):
        if not folder.is_dir():
            raise StoreError(f"{folder}: there is no such folder, so what is needed is not known; nothing is deleted.")
    unused = unused_results(Store(store), _folders(root), STAGES)
    size = sum(item.size for item in unused) / 2**20
    if not unused:
        if yes:
            delete(Store(store), [])  # locks that nobody holds
        click.echo("Every result is needed by a run.")
    elif yes:
        deleted, busy = delete(Store(store), unused)
        left = f" {busy} are being made at this moment and were left." if busy else ""
        click.echo(f"{deleted} results deleted, of {size:.1f} MiB.{left}")
    else:
        what = (
            f"{counted(len(unused), 'result')}, {size:.1f} MiB, {'is' if len(unused) == 1 else 'are'} needed by no run"
        )
        click.echo(f"{what}. Delete with --yes.")


def _record_of(kept: Any, node: Mapping[str, Any]) -> dict[str, Any] | None:
    """Give the record of a result; None where the store has it no more."""
    return kept.record(node["stage"], node["key"]) if kept.has(node["stage"], node["key"]) else None


def _folders(root: Path) -> list[Path]:
    from pnetkit.pipeline.outcome.finished import is_run

    return [folder for folder in sorted(root.iterdir()) if is_run(folder)] if root.is_dir() else []


def _edges(numbers: list[float]) -> str:
    return " x ".join(f"{number:g}" for number in numbers)


def _record(folder: Path) -> dict[str, Any]:
    from pnetkit.pipeline.outcome.finished import read_run

    return dict(read_run(folder).record)


def _summary(record: Mapping[str, Any]) -> list[str]:
    lines = [
        f"recipe: {record['recipe']}" + (f", profile {record['profile']}" if record["profile"] else ""),
        f"cohort: {record['cohort']}, {len(record['cases'])} cases",
        f"began {record['began']}, took {record['seconds']} s",
        f"device {record['device']}, workers {record['workers']}",
        f"hardware: {_pairs(record['hardware'])}; {record['threads']} thread a worker",
        f"versions: {_versions(record['versions'])}",
        f"seeds: {_pairs(record['seeds'])}",
    ]
    for job, chosen in record["plugins"].items():
        if chosen is None:
            lines.append(f"{job}: none, segmentations were made elsewhere")
            continue
        lines += [
            f"{job}: {plugin['plugin']} from {plugin['distribution']} {plugin['version']}, "
            f"source sha256 {plugin['source'][:16]}, {json.dumps(plugin['params'])}"
            for plugin in (chosen if isinstance(chosen, list) else [chosen])
        ]
    counts: dict[str, int] = {}
    for node in record["stages"]:
        counts[node["stage"]] = counts.get(node["stage"], 0) + 1
    lines.append(f"stages: {_pairs(counts)}")
    lines += [f"failed: {item['stage']} of {item['label']}: {item['reason']}" for item in record["failed"]]
    return lines


def _versions(versions: dict[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def _pairs(values: dict[str, Any]) -> str:
    return ", ".join(f"{key} {str(value)[:16]}" for key, value in values.items())
