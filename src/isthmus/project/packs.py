"""Packs: flows that come with Isthmus, written for roles (``crm``, ``erp``) that a project's systems take."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable

import msgspec

from isthmus.errors import Place
from isthmus.project.faults import Faults
from isthmus.project.nodes import Node, elements_of, mapping_of, text_of
from isthmus.project.settings import PackUse
from isthmus.project.yaml_file import read_yaml

__all__ = ["PACK_KEYS", "Pack", "flow_text", "known_packs", "read_pack", "renamed", "systems_of"]

PACK_KEYS = ("pack", "description", "roles", "processes")
"""Keys of a pack's ``pack.yaml``."""

_SYSTEM_MAPS = ("systems", "deletes")


class Pack(msgspec.Struct, frozen=True, kw_only=True):
    """A pack as it is written, before a project's systems take its roles."""

    name: str
    description: str
    roles: tuple[str, ...]
    flows: Mapping[str, Node]
    processes: tuple[str, ...] = ()
    """Names of bundled processes that it switches on."""
    place: Place


def _folder() -> Traversable:
    return files("isthmus.project").joinpath("packs")


def known_packs() -> tuple[str, ...]:
    """Names of all packs."""
    return tuple(sorted(entry.name for entry in _folder().iterdir() if entry.joinpath("pack.yaml").is_file()))


def read_pack(name: str, faults: Faults) -> Pack:
    """One pack; ``name`` must be one of :func:`known_packs`."""
    folder = _folder().joinpath(name)
    label = f"packs/{name}"
    root = _read(folder.joinpath("pack.yaml"), f"{label}/pack.yaml", faults)
    entries = mapping_of(root, "a pack", PACK_KEYS, faults)
    roles = [text_of(element, "A role", faults) for element in elements_of(entries["roles"], "'roles'", faults)]
    flows: dict[str, Node] = {}
    for path in sorted(folder.joinpath("flows").iterdir(), key=lambda entry: entry.name):
        if path.name.endswith(".yaml"):
            flow = _read(path, f"{label}/flows/{path.name}", faults)
            flows[str(flow.entries()["flow"].value)] = flow
    return Pack(
        name=name,
        description=text_of(entries["description"], "'description'", faults) or "",
        roles=tuple(role for role in roles if role),
        flows=flows,
        processes=tuple(
            text_of(element, "A process", faults) or ""
            for element in (elements_of(entries["processes"], "'processes'", faults) if "processes" in entries else ())
        ),
        place=Place(f"{label}/pack.yaml", 1, 1),
    )


def flow_text(flow: Node) -> str:
    """The text of a pack's flow."""
    return files("isthmus.project").joinpath(flow.place.file).read_text(encoding="utf-8")


def _read(path: Traversable, label: str, faults: Faults) -> Node:
    node = read_yaml(path.read_text(encoding="utf-8"), label, faults)
    assert node is not None, f"{label} comes with Isthmus and is read by its tests"
    return node


def systems_of(
    pack: Pack, use: PackUse | None, systems: Mapping[str, object], place: Place, faults: Faults
) -> Mapping[str, str] | None:
    """Role -> system of the project; None when a role is not taken (and remembered)."""
    given = use.systems if use else {}
    for role in given:
        if role not in pack.roles:
            at = use.node.keys[role] if use and use.node else place
            faults.unknown(at, f"role of pack '{pack.name}'", role, (*pack.roles, "without"))
    found: dict[str, str] = {}
    for role in pack.roles:
        system = given.get(role, role)
        if system not in systems:
            message = f"Pack '{pack.name}' needs a system for its role '{role}'."
            faults.add(place, message, f"Call one '{role}', or add {pack.name} = {{{role} = \"NAME\"}} below [packs].")
            return None
        found[role] = system
    return found


def renamed(flow: Node, names: Mapping[str, str]) -> Node:
    """A pack's flow with the project's systems in place of the roles."""
    entries = {}
    for key, node in flow.entries().items():
        if key in _SYSTEM_MAPS:
            entries[key] = _keys_renamed(node, names)
        elif key == "first":
            entries[key] = _word_renamed(node, names)
        elif key == "fields":
            rules = {name: _rule_renamed(rule, names) for name, rule in node.entries().items()}
            entries[key] = Node(rules, node.place, node.keys)
        else:
            entries[key] = node
    return Node(entries, flow.place, flow.keys)


def _rule_renamed(rule: Node, names: Mapping[str, str]) -> Node:
    if not rule.is_map:
        return rule
    rule = _keys_renamed(rule, names)
    entries = {k: _word_renamed(v, names) if k in ("owner", "writers") else v for k, v in rule.entries().items()}
    return Node(entries, rule.place, rule.keys)


def _keys_renamed(node: Node, names: Mapping[str, str]) -> Node:
    if not node.is_map:
        return node
    keys = {names.get(key, key): place for key, place in node.keys.items()}
    return Node({names.get(key, key): inner for key, inner in node.value.items()}, node.place, keys)


def _word_renamed(node: Node, names: Mapping[str, str]) -> Node:
    if node.is_list:
        return Node(tuple(_word_renamed(inner, names) for inner in node.value), node.place)
    return Node(names.get(node.value, node.value), node.place, quoted=node.quoted)
