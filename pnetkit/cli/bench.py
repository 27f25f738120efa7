"""`pnetkit bench`: what a recipe takes on this machine."""

from pathlib import Path

import click


@click.command()
@click.argument("recipe_path", metavar="RECIPE", type=click.Path(path_type=Path))
@click.option("--profile", help="Apply this profile of the recipe.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override one key; repeatable.")
@click.option(
    "--shape", nargs=3, type=click.IntRange(min=1), default=(512, 512, 320), show_default=True, help="Voxels of the CT."
)
@click.option(
    "--spacing",
    nargs=3,
    type=click.FloatRange(min=0.05, max=50),
    default=(0.75, 0.75, 1.0),
    show_default=True,
    help="Edges of its voxels in mm, for a recipe that resamples.",
)
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1, mps.")
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True, help="Threads, as of a worker.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def bench(
    recipe_path: Path,
    profile: str | None,
    overrides: tuple[str, ...],
    shape: tuple[int, int, int],
    spacing: tuple[float, float, float],
    device: str,
    threads: int,
    as_json: bool,
) -> None:
    """Time RECIPE's network on this machine, and predict time and memory for one phase of a CT."""
    from pnetkit.pipeline.budget import throughput
    from pnetkit.process_memory import keep_freed_memory
    from pnetkit.recipe.check import load_recipe

    keep_freed_memory()  # as a worker does
    found = throughput.predict(
        load_recipe(recipe_path, profile, overrides).recipe,
        shape,
        device=device,
        threads=threads,
        spacing_mm=spacing,
    )
    if as_json:
        click.echo(throughput.as_json(found))
        return
    click.echo(
        f"Network: {found.parameters:,} parameters, windows of {_times(found.window)}, {found.precision}, "
        f"{found.device}, {threads} thread{'s' * (threads > 1)}"
    )
    click.echo(f"A window takes {found.window_seconds:.3g} s: {1 / found.window_seconds:.3g} windows per second.")
    passes = f"{found.windows:,} windows, at most {_duration(found.seconds)} on one worker;"
    if found.coarse_windows:
        passes = (
            f"{found.coarse_windows:,} windows to find the region, then some of {found.windows:,}: "
            f"{_duration(found.least_seconds)} and what the region takes, {_duration(found.seconds)} where all is;"
        )
    click.echo(f"One phase of {_times(shape)} voxels: {passes}")
    click.echo("windows without body are not run, and the other stages take seconds.")
    click.echo(f"Memory of a worker: at most {found.memory_mib / 1024:.1f} GiB.")


def _times(edges: tuple[int, ...]) -> str:
    return " x ".join(map(str, edges))


def _duration(seconds: float) -> str:
    if seconds < 120:  # noqa: PLR2004
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"  # noqa: PLR2004
