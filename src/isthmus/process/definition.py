"""Processes as their authors write them: a name and a plain function."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from isthmus.process.run import Run

__all__ = ["Definition", "process"]

type ProcessFunction = Callable[[Run, Any], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Definition:
    """A kind of process. ``name`` is stored with each one: it never changes while any is open."""

    name: str
    function: ProcessFunction


def process(name: str) -> Callable[[ProcessFunction], Definition]:
    """Declare a process. Steps, waits and sleeps must come in the same order at each replay: a changed function must
    begin with those that open processes have behind them."""
    return lambda function: Definition(name, function)
