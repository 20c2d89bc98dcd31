"""Which flows depend on which: a flow whose fields refer to another's records comes after it (SPEC 6)."""

from __future__ import annotations

from collections.abc import Mapping

from isthmus.model.flow import Each, Expr, Flow, Path, Struct

__all__ = ["parents_first", "refers_to"]


def refers_to(expr: Expr) -> set[str]:
    """Names of the flows an expression refers to."""
    match expr:
        case Path():
            return {expr.convert.args[0]} if expr.convert is not None and expr.convert.name == "ref" else set()
        case Struct() | Each():
            return {name for part in expr.parts.values() for name in refers_to(part)}
        case _:
            return set()


def parents_first(flows: Mapping[str, Flow]) -> list[str]:
    """Flow names, each after the flows it refers to. Cycles are allowed: a child in a cycle waits by itself for the
    record it needs, so order only saves rounds."""
    needs = {
        name: {
            ref
            for rule in flow.fields.values()
            for expr in rule.exprs.values()
            for ref in refers_to(expr)
            if ref in flows and ref != name
        }
        for name, flow in flows.items()
    }
    done: list[str] = []
    while len(done) < len(needs):
        ready = [name for name in needs if name not in done and needs[name] <= set(done)]
        rest = [name for name in needs if name not in done]
        done.extend(ready or rest[:1])
    return done
