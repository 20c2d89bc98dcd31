"""The command ``isthmus``."""

from __future__ import annotations

from typing import Annotated

import typer

from isthmus import __version__
from isthmus.cli.commands import Commands

__all__ = ["app"]

app = typer.Typer(
    name="isthmus",
    cls=Commands,
    help="Keeps CRM, ERP and their neighbours in step, and says why when they are not.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"isthmus {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show it.")] = False,
) -> None:
    """Keeps CRM, ERP and their neighbours in step, and says why when they are not."""
