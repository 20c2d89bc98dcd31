"""Default mappings: how a kind of system holds the built-in entities (``connectors/<kind>/mapping.yaml``)."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import msgspec

from isthmus.errors import Place
from isthmus.model.entities import BUILT_IN
from isthmus.model.flow import Condition, Expr
from isthmus.project.conditions import archive_of, where_of
from isthmus.project.expressions import expression_of
from isthmus.project.faults import Faults
from isthmus.project.nodes import mapping_of, text_of
from isthmus.project.yaml_file import read_yaml

__all__ = ["DEFAULT_KEYS", "DefaultMapping", "ResourceMapping", "load_default_mapping"]

DEFAULT_KEYS = ("resource", "fields", "where", "archive")
"""Keys of one entity in a default mapping."""


class ResourceMapping(msgspec.Struct, frozen=True, kw_only=True):
    """How one resource holds one entity."""

    entity: str
    resource: str
    fields: Mapping[str, Expr]
    where: tuple[Condition, ...] = ()
    """Over far fields: what in the resource is such a thing at all, unless a flow says otherwise."""
    archive: Mapping[str, Any] = {}
    """Far fields that archive a record."""
    place: Place


type DefaultMapping = Mapping[str, ResourceMapping]
"""``Customer``, or ``SalesOrder@estimate`` for a further way to hold the same entity -> its mapping."""


def load_default_mapping(path: Path | Traversable, file: str = "") -> DefaultMapping:
    """Read and check a default mapping; ``file`` is its name in messages (its own name when empty). Raises
    :class:`~isthmus.project.ProjectErrors` with everything that is wrong."""
    faults = Faults()
    label = file or path.name
    root = read_yaml(path.read_text(encoding="utf-8"), label, faults)
    found: dict[str, ResourceMapping] = {}
    if root is not None:
        for name, node in mapping_of(root, "a default mapping", None, faults).items():
            entity = name.partition("@")[0]
            if entity not in BUILT_IN:
                faults.unknown(root.keys[name], "entity", entity, BUILT_IN)
                continue
            entries = mapping_of(node, f"'{name}'", DEFAULT_KEYS, faults)
            resource = text_of(entries["resource"], "'resource'", faults) if "resource" in entries else None
            if "resource" not in entries or "fields" not in entries:
                if len(entries) == len(node.entries()):
                    faults.add(root.keys[name], f"'{name}' needs 'resource' and 'fields'.")
                continue
            types = BUILT_IN[entity].fields
            exprs = {
                field: expression_of(inner, types[field], (), faults)
                for field, inner in mapping_of(entries["fields"], f"fields of '{entity}'", tuple(types), faults).items()
                if not inner.is_off
            }
            found[name] = ResourceMapping(
                entity=entity,
                resource=resource or "",
                fields={field: expr for field, expr in exprs.items() if expr is not None},
                where=where_of(entries["where"], faults) if "where" in entries else (),
                archive=archive_of(entries["archive"], faults) if "archive" in entries else {},
                place=root.keys[name],
            )
    faults.check()
    return found
