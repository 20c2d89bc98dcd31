"""Commands that need the open hub: its systems, its store, its rules."""

from __future__ import annotations

import getpass
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated

import typer

from isthmus.app.bootstrap import open_hub
from isthmus.app.business import OpenBusiness
from isthmus.cli.show import console, print_json, run

__all__ = ["ByOption", "LinesArgument", "said", "who", "with_hub"]

ByOption = Annotated[str | None, typer.Option("--by", help="Who does it; you, when left out.")]
LinesArgument = Annotated[list[str], typer.Argument(help="SKU=QUANTITY, as many as you like.")]


def with_hub[T](project: Path, work: Callable[[OpenBusiness], Awaitable[T]]) -> T:
    """Open the hub, do the work, close it again."""

    async def whole() -> T:
        async with open_hub(project) as hub:
            return await work(OpenBusiness(hub))

    return run(whole())


def who(by: str | None) -> str:
    """Whoever was named, or the user of this machine."""
    return by or getpass.getuser()


def said(json: bool, kind: str, number: str, text: str) -> None:
    """That something was done with a document."""
    if json:
        print_json({kind: number})
    else:
        console.print(f"{number} {text}", markup=False)
