"""``lab up | down | status | seed`` and ``demo``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from isthmus.app.lab_project import LAB_FOLDER, write_lab_project
from isthmus.cli.demo import Stage, play
from isthmus.cli.show import Exit, JsonOption, console, errors, print_json, table
from isthmus.lab import SYSTEMS, Lab

__all__ = ["app", "demo"]

app = typer.Typer(no_args_is_help=True)

FolderOption = Annotated[
    Path, typer.Option("--project", "-C", help="The folder whose lab is meant.", envvar="ISTHMUS_PROJECT")
]
SizeOption = Annotated[str, typer.Option(help="full (2,000 customers, 1,000 products) or small.")]


def _lab(folder: Path, quiet: bool = False) -> Lab:
    def report(message: str) -> None:
        if not quiet:
            errors.print(message, markup=False, highlight=False)

    return Lab(folder / LAB_FOLDER, report=report)


def _size(text: str) -> Literal["full", "small"]:
    if text not in ("full", "small"):
        raise typer.BadParameter("full or small")
    return "small" if text == "small" else "full"


@app.command("up")
def up(
    systems: Annotated[
        list[str] | None,
        typer.Argument(
            help="tryton, bottlecrm, mail; all of these when none is named. login: an OpenID provider (needs node)."
        ),
    ] = None,
    folder: FolderOption = Path(),
    json: JsonOption = False,
    size: SizeOption = "full",
) -> None:
    """Install, seed and start the lab's systems; makes a project for them when the folder has none."""
    lab = _lab(folder, json)
    lab.up(tuple(systems) if systems else SYSTEMS, size=_size(size))
    if not (folder / "isthmus.toml").exists() and not systems:
        write_lab_project(folder, lab)
    _show(lab, json)


@app.command("down")
def down(folder: FolderOption = Path(), json: JsonOption = False) -> None:
    """Stop the lab's systems; their data stays."""
    lab = _lab(folder, json)
    lab.down()
    _show(lab, json)


@app.command("status")
def status(folder: FolderOption = Path(), json: JsonOption = False) -> None:
    """How each system is."""
    lab = _lab(folder, json)
    _show(lab, json)
    raise typer.Exit(Exit.OK if all(one.state == "up" for one in lab.status()) else Exit.DIFFERENT)


@app.command("seed")
def seed(folder: FolderOption = Path(), json: JsonOption = False, size: SizeOption = "full") -> None:
    """Throw the lab's data away and start again from the seed."""
    lab = _lab(folder, json)
    lab.seed(_size(size))
    _show(lab, json)


def _show(lab: Lab, json: bool) -> None:
    found = lab.status()
    if json:
        print_json(
            [
                {
                    "name": s.name,
                    "state": s.state,
                    "url": s.url,
                    "version": s.version,
                    "size": s.size,
                    "log": str(s.log),
                }
                for s in found
            ]
        )
        return
    rows = [(s.name, s.state, s.url or "–", s.version or "–", s.size or "–", s.log) for s in found]
    console.print(table("Lab", ("system", "state", "address", "version", "seed", "log"), rows))


def demo(
    folder: Annotated[Path, typer.Option("--project", "-C", help="Where the demo lives.")] = Path("demo"),
    exit_after: Annotated[bool, typer.Option("--exit", help="Stop everything at the end.")] = False,
    stop: Annotated[bool, typer.Option("--stop", help="Only stop what an earlier demo left running.")] = False,
    size: SizeOption = "full",
    json: JsonOption = False,
) -> None:
    """A business day between a real CRM and a real ERP, from nothing; prints what happened where."""
    if stop:
        Stage(folder, lambda text: None).tear_down()
        return
    # With --json the story goes to standard error, and what was seen to standard output.
    results = play(folder, _size(size), errors if json else console, stop_after=exit_after)
    if json:
        print_json(results)
    raise typer.Exit(Exit.OK if all(result.seen for result in results) else Exit.DIFFERENT)
