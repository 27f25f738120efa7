"""`pnetkit doctor`: what a bug report needs, and what will hurt."""

import json

import click


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor(as_json: bool) -> None:
    """Say what this machine has, which plugins work, and what will hurt. Exit code 5 when a plugin is broken."""
    from pnetkit.diagnosis import diagnose

    report = diagnose()
    if as_json:
        click.echo(
            json.dumps({"facts": report.facts, "plugins": report.plugins, "problems": report.problems}, indent=2)
        )
    else:
        for name, value in report.facts.items():
            click.echo(f"{name + ':':<12} {value}")
        for name, state in report.plugins.items():
            click.echo(f"{'plugin:':<12} {name}: {state}")
        for problem in report.problems:
            click.echo(f"{'problem:':<12} {problem}")
        if not report.problems:
            click.echo("No problem found.")
    if report.broken:
        raise click.exceptions.Exit(5)
