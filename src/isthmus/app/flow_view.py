"""A flow as people read it: its fields as a table across systems, and what it does to records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from isthmus.model.flow import Const, Convert, Each, Expr, FieldRule, Flow, Join, Path, Struct, Use
from isthmus.project.notation import print_path

__all__ = ["FlowRow", "Place", "expression_text", "flow_rows"]


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where one system keeps a field."""

    text: str
    use: Use


class FlowRow(msgspec.Struct, frozen=True, kw_only=True):
    """One field."""

    rule: FieldRule
    kind: str
    """What it holds; a reference with the entity."""
    places: Sequence[Place | None]
    """In the order of the flow's systems; None: not kept there."""


def flow_rows(flow: Flow) -> list[FlowRow]:
    """All fields of a flow, in its order."""
    rows = []
    for name, rule in flow.fields.items():
        kind = flow.entity.fields[name]
        exprs = [rule.exprs.get(system) for system in flow.sides]
        places = [None if expr is None else Place(text=expression_text(expr), use=expr.use) for expr in exprs]
        rows.append(FlowRow(rule=rule, kind=kind.entity or str(kind.kind), places=places))
    return rows


def expression_text(expr: Expr) -> str:
    """An expression in one line, near to how it is written in a flow's file."""
    match expr:
        case Path():
            return print_path(expr.segments) + (f" as {_convert(expr.convert)}" if expr.convert is not None else "")
        case Struct():
            return _parts(expr.parts)
        case Join():
            return f" {expr.by!r} ".join(expression_text(path) for path in expr.paths)
        case Each():
            return f"each {expression_text(expr.path)} {_parts(expr.parts)}"
        case Const():
            return f"always {expr.value}"


def _parts(parts: Mapping[str, Expr]) -> str:
    return "{" + ", ".join(f"{name}: {expression_text(part)}" for name, part in parts.items()) + "}"


def _convert(convert: Convert) -> str:
    given = [*convert.args, *(f"{far}={hub}" for far, hub in convert.pairs)]
    return f"{convert.name}({', '.join(given)})" if given else convert.name
