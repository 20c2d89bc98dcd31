"""How commands speak: tables for people, JSON for programs, one way to fail."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Coroutine, Iterable, Sequence
from datetime import datetime
from enum import IntEnum
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from isthmus.errors import IsthmusError, LabError, Misconfigured, Retryable

__all__ = [
    "Exit",
    "JsonOption",
    "ProjectOption",
    "age",
    "as_json",
    "console",
    "errors",
    "fail",
    "print_json",
    "run",
    "table",
    "value_text",
]


class Exit(IntEnum):
    """Exit codes of every command."""

    OK = 0
    DIFFERENT = 1
    """It ran, and what it looked at is not in step, not found or not right."""
    USAGE = 2
    """The command or the project is wrong."""
    UNREACHABLE = 3
    """A system, the database or the lab cannot be used."""
    NEEDS_PERSON = 4
    """Everything that could be done was done; the rest waits in the inbox."""


ProjectOption = Annotated[Path, typer.Option("--project", "-C", help="The project folder.", envvar="ISTHMUS_PROJECT")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]

# Without a terminal the width is unknown; tables for a log or a pipe may be wide.
console = Console(width=None if sys.stdout.isatty() else 160)
errors = Console(stderr=True)


_LOG_FORMAT = "%(asctime)s %(levelname)s %(message)s"


def log_to(file: Path) -> None:
    """Keep the log of this process in a file, not among what is shown."""
    file.parent.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(filename=file, level=logging.INFO, format=_LOG_FORMAT)


def run[T](work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end, with logs on standard error at the level of ``ISTHMUS_LOG`` (default warning)."""
    logging.basicConfig(level=os.environ.get("ISTHMUS_LOG", "WARNING").upper(), format=_LOG_FORMAT)
    return asyncio.run(work)


def fail(error: IsthmusError) -> int:
    """Print an error for people and give its exit code."""
    errors.print(f"[bold red]{error.code}[/bold red] ", end="")
    errors.print(str(error), markup=False, highlight=False)
    if isinstance(error, Misconfigured):
        return Exit.USAGE
    if isinstance(error, Retryable | LabError):
        return Exit.UNREACHABLE
    return Exit.DIFFERENT


def as_json(value: Any) -> str:
    """Indented JSON of our values."""
    return msgspec.json.format(msgspec.json.encode(value, enc_hook=str), indent=2).decode()


def print_json(value: Any) -> None:
    """JSON to standard output, unwrapped and uncoloured."""
    typer.echo(as_json(value))


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """A table; cells are texts, never markup (a customer's name may look like markup)."""
    made = Table(title=title, title_justify="left", title_style="bold", header_style="dim", expand=False)
    for column in columns:
        made.add_column(column, overflow="fold")
    for row in rows:
        made.add_row(*(Text(str(cell)) if not isinstance(cell, Text) else cell for cell in row))
    return made


def value_text(value: Any, limit: int = 60) -> str:
    """A hub value in one short line."""
    if value is None:
        return "–"
    if isinstance(value, dict) and set(value) == {"amount", "currency"}:
        return f"{value['amount']} {value['currency']}"
    if isinstance(value, dict):
        text = ", ".join(str(v) for v in value.values() if v not in (None, ""))
    elif isinstance(value, list):
        text = f"{len(value)} lines"
    else:
        text = str(value)
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 1] + "…"


def age(moment: datetime | None, now: datetime) -> str:
    """How long ago, in a few characters."""
    if moment is None:
        return "never"
    seconds = (now - moment).total_seconds()
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(0.0, seconds):.1f} s"
