"""The commands about saved notebooks: ``sync``, ``strip``, ``verify``, ``replay``, ``export``, ``methods``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

__all__ = ["COMMANDS"]

NOTEBOOK = click.argument("notebook", type=click.Path(path_type=Path, dir_okay=False, exists=True))
OUTPUT = click.option(
    "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write here instead of in place."
)


@click.command()
@NOTEBOOK
@OUTPUT
def sync(notebook: Path, output: Path | None) -> None:
    """Copy the records in the outputs of a saved NOTEBOOK into its cells' metadata.

    Runs of this machine that have ended since it was saved are shown as they ended.
    """
    from wan_notebook.notebook.cards import ended
    from wan_notebook.record.recorder import sync as copy_records

    click.echo(str(copy_records(notebook, output, ended)))


@click.command()
@NOTEBOOK
@OUTPUT
@click.option("--all", "everything", is_flag=True, help="Also videos whose file is not in the notebook's folder.")
def strip(notebook: Path, output: Path | None, everything: bool) -> None:
    """Take the embedded videos whose clips lie in its folder out of a saved NOTEBOOK; its records stay."""
    from wan_notebook.record.embeds import strip as take_out

    click.echo(str(take_out(notebook, output, everything=everything)))


@click.command()
@NOTEBOOK
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def verify(notebook: Path, as_json: bool) -> None:
    """Check the records of a saved NOTEBOOK against its cells, inputs and clips; exit code 1 if anything differs."""
    from wan_notebook.hall.verification import verify as check

    report = check(notebook)
    click.echo(json.dumps(report.as_json(), indent=1, ensure_ascii=False) if as_json else str(report))
    if not report.ok:
        sys.exit(1)


@click.command()
@click.argument("source", metavar="NOTEBOOK", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option("--cell", help="Which run: the id of its cell, its place (from 1), or the run's name.")
@click.option("--run", help="Which run: its id.")
@click.option("--region", help="Where it is sent; never taken from the record.")
@click.option("-o", "--output-dir", type=click.Path(path_type=Path, file_okay=False), help="Folder (beside NOTEBOOK).")
@click.option("-y", "--yes", is_flag=True, help="Do not ask before paying.")
@click.option("--force", is_flag=True, help="Pay even where a replay of this run is still under way.")
@click.option("--max-cost", help="The most it may cost: 0.5, or '0.5 USD'.")
@click.option("--budget", help="The most all runs of this command may cost (or WAN_NOTEBOOK_BUDGET).")
@click.option("--project-budget", help="The most the project may cost, ever (or WAN_NOTEBOOK_PROJECT_BUDGET).")
@click.option(
    "--project", type=click.Path(path_type=Path, file_okay=False), help="Its folder, with all below; this one."
)
@click.option("--prompt", help="Given again, where the record holds its digest only.")
@click.option("--negative-prompt", help="The same.")
@click.option("--image", help="Given again, where its file is gone or it was at an address.")
@click.option("--last-frame", help="The same.")
@click.option("--audio-url", help="The same.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: the clip's path and its record.")
def replay(**said: Any) -> None:
    """Repeat a run of NOTEBOOK (or of a clip with its .json) from its record: a new clip, paid anew.

    The very same request is sent; the service does not promise the identical video. Says what differs today and the
    price, and asks.
    """
    from wan_notebook.doors.generation import replay as again

    again(**said)


@click.command()
@NOTEBOOK
@click.option("--crate", required=True, type=click.Path(path_type=Path), help="A new folder or .zip file.")
@click.option("--license", "licence", help="Of what is in it: an address, or words.")
@click.option("--agent", help="Name of the person who ran it.")
def export(notebook: Path, crate: Path, licence: str | None, agent: str | None) -> None:
    """Write NOTEBOOK with its inputs, clips and runs as an RO-Crate (Process Run Crate)."""
    from wan_notebook.record.crate import export_crate

    click.echo(str(export_crate(notebook, crate, license=licence, agent=agent)))


@click.command()
@NOTEBOOK
@click.option("--format", "form", type=click.Choice(["text", "bibtex", "csv"]), default="text", show_default=True)
def methods(notebook: Path, form: str) -> None:
    """Describe the runs of NOTEBOOK as a paper does: a paragraph, a BibTeX entry, or a table of all runs."""
    from wan_notebook.record.manuscript import methods as describe

    told = describe(notebook)
    click.echo(getattr(told, form), nl=form == "text")
    for reason in told.left_out:
        click.echo(f"left out: {reason}", err=True)


COMMANDS = (sync, strip, verify, replay, export, methods)
