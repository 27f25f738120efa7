"""`pnetkit export`: make a model folder of a run."""

from pathlib import Path

import click


@click.command()
@click.argument("run_folder", metavar="RUN", type=click.Path(path_type=Path))
@click.argument("out", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--store",
    type=click.Path(path_type=Path),
    help="The store of the run. [default: the one that it was made with]",
)
@click.option("--onnx", is_flag=True, help="Write each network as ONNX too, compared with torch; needs pnetkit[onnx].")
def export(run_folder: Path, out: Path, store: Path | None, onnx: bool) -> None:
    """Write the trained networks of RUN, with all that is needed to use them elsewhere, into the new folder DIR.

    RUN is its folder, or its name in the folder `runs`. Weights are safetensors, everything else is JSON, YAML and
    text; `pnetkit screen DIR` uses it.
    """
    from pnetkit.pipeline.outcome.export import export_model
    from pnetkit.pipeline.outcome.finished import find_run
    from pnetkit.store.store import Store

    folder = export_model(find_run(run_folder), out, None if store is None else Store(store), onnx=onnx)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    click.echo(f"Model: {folder} ({size / 2**20:.1f} MiB). Research use only; read {folder / 'README.md'}.")
