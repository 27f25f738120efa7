"""`pnetkit export`: make a model folder of a run."""

from pathlib import Path

import click


@click.command()
@click.argument("run_folder", metavar="RUN", type=click.Path(path_type=Path))
@click.argument("out", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--store",
    type=click.Path(path_type=Path),
    default=Path("runs") / ".store",
    show_default=True,
    help="The store of the run.",
)
@click.option("--onnx", is_flag=True, help="Write each network as ONNX too, compared with torch; needs pnetkit[onnx].")
def export(run_folder: Path, out: Path, store: Path, onnx: bool) -> None:
    """Write the trained networks of RUN, with all that is needed to use them elsewhere, into the new folder DIR.

    Weights are safetensors, everything else is JSON, YAML and text; `pnetkit screen DIR` uses it.
    """
    from pnetkit.pipeline.store import Store
    from pnetkit.screening.export import export_model

    folder = export_model(run_folder, out, Store(store), onnx=onnx)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    click.echo(f"Model: {folder} ({size / 2**20:.1f} MiB). Research use only; read {folder / 'README.md'}.")
