"""Checking the text of a flow before it is anywhere: faults with their places, examples, and what it changes."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from isthmus.app.bootstrap import read_project
from isthmus.app.checking import check_examples
from isthmus.app.flow_view import FlowRow, flow_rows
from isthmus.errors import Misconfigured
from isthmus.model.flow import Flow
from isthmus.project import Project, ProjectErrors

__all__ = ["ComparedRow", "DiffLine", "Fault", "FlowCheck", "check_flow", "compare_rows", "diff_lines"]

CONTEXT = 3
"""Lines that a difference shows around what changed."""
MOST_LINES = 400
MOST_FAULTS = 50


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is wrong. ``line`` 0: it stands in no line of this text."""

    file: str
    line: int
    column: int
    message: str
    advice: str


class FlowCheck(msgspec.Struct, frozen=True, kw_only=True):
    """What checking came to."""

    faults: Sequence[Fault] = ()
    project: Project | None = None
    """The whole project with this text; None when there are faults."""
    failures: Sequence[str] = ()
    """Examples that do not hold."""
    examples: int = 0
    """How many of this flow were run."""


class ComparedRow(msgspec.Struct, frozen=True, kw_only=True):
    """One field in two versions of a flow; None: it is not in that one."""

    name: str
    old: FlowRow | None
    new: FlowRow | None
    old_cells: Sequence[str]
    new_cells: Sequence[str]
    """As text, one for each system of either version, then who wins, who may set it, to whom it is shown."""

    @property
    def changed(self) -> bool:
        """Whether anything about the field is another."""
        return list(self.old_cells) != list(self.new_cells)


class DiffLine(msgspec.Struct, frozen=True):
    """A line of a difference. ``sign``: one of ``+``, ``-``, ``@`` and a blank."""

    sign: str
    text: str


def check_flow(folder: Path, flow: str, file: str, text: str | None) -> FlowCheck:
    """Read the project with this text instead of the flow's file (None: without it). Blocks; writes nothing."""
    try:
        project = read_project(folder, instead={file: text})
    except ProjectErrors as error:
        return FlowCheck(faults=[_fault(one, file) for one in error.errors[:MOST_FAULTS]])
    except Misconfigured as error:
        return FlowCheck(faults=[_fault(error, file)])
    if text is not None and flow not in project.flows:
        message = f"The flow must keep its name '{flow}'."
        return FlowCheck(faults=[Fault(file=file, line=1, column=1, message=message, advice="")])
    count = sum(example.flow == flow for example in project.examples)
    return FlowCheck(project=project, failures=check_examples(project, flow), examples=count)


def _fault(error: Misconfigured, file: str) -> Fault:
    place = error.place
    here = place is not None and place.file == file
    return Fault(
        file=place.file if place is not None else "",
        line=place.line if place is not None and here else 0,
        column=place.column if place is not None and here else 0,
        message=error.message,
        advice=error.advice,
    )


def compare_rows(old: Flow | None, new: Flow | None) -> tuple[list[str], list[ComparedRow]]:
    """The systems of either version, and all fields of either, those of the new one first."""
    systems = list(dict.fromkeys([*(new.sides if new else ()), *(old.sides if old else ())]))
    before, after = _by_name(old), _by_name(new)
    rows = [
        ComparedRow(
            name=name,
            old=before.get(name),
            new=after.get(name),
            old_cells=_cells(old, before.get(name), systems),
            new_cells=_cells(new, after.get(name), systems),
        )
        for name in dict.fromkeys([*after, *before])
    ]
    return systems, rows


def _by_name(flow: Flow | None) -> Mapping[str, FlowRow]:
    return {row.rule.name: row for row in flow_rows(flow)} if flow is not None else {}


def _cells(flow: Flow | None, row: FlowRow | None, systems: Sequence[str]) -> list[str]:
    if flow is None or row is None:
        return []
    places = dict(zip(flow.sides, row.places, strict=True))
    kept = [places.get(system) for system in systems]
    shown = ["" if one is None else one.text + ("" if one.use == "both" else f" ({one.use})") for one in kept]
    return [
        *shown,
        *(str(part or "") for part in (row.rule.owner, row.rule.merge)),
        *row.rule.writers,
        str(row.rule.role),
    ]


def diff_lines(old: str | None, new: str | None) -> list[DiffLine]:
    """What is another in the new text, with some lines around it."""
    lines = difflib.unified_diff((old or "").splitlines(), (new or "").splitlines(), n=CONTEXT, lineterm="")
    found = [DiffLine(line[:1], line[1:] if line[:1] in "+- " else line) for line in list(lines)[2:]]
    return found if len(found) <= MOST_LINES else [*found[:MOST_LINES], DiffLine("@", "…")]
