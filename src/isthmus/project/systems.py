"""From ``[systems.NAME]`` to the configuration its connector asks for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
from msgspec import inspect

from isthmus.errors import Misconfigured, Place
from isthmus.project.faults import Faults
from isthmus.project.nodes import Node, read_text
from isthmus.project.secrets import is_reference, resolve
from isthmus.project.settings import RawSystem, has_password
from isthmus.project.yaml_file import read_yaml

__all__ = ["ConfiguredSystem", "bind"]


class ConfiguredSystem(msgspec.Struct, frozen=True, kw_only=True):
    """One system of the project with the configuration its connector opens it by. Its ``repr`` shows no values."""

    name: str
    kind: str
    config: Any
    place: Place

    def __repr__(self) -> str:
        return f"ConfiguredSystem(name={self.name!r}, kind={self.kind!r}, place={self.place})"


def bind(
    system: RawSystem, config: type[msgspec.Struct], folder: Path, environ: Mapping[str, str], faults: Faults
) -> msgspec.Struct | None:
    """The connector's configuration of a system, with references resolved; None when it is wrong (and remembered).

    Texts annotated with ``msgspec.Meta(extra={"secret": True})`` must be references, and texts annotated with
    ``msgspec.Meta(extra={"path": True})`` become paths below the project ``folder``. Where a table is wanted, the name
    of a YAML file of the project may stand.
    """
    node = Node(
        {name: inner for name, inner in system.node.entries().items() if name != "kind"},
        system.node.place,
        system.node.keys,
    )
    binder = _Binder(folder, environ, faults)
    before = len(faults.found)
    values = binder.value(node, inspect.type_info(config), f"[systems.{system.name}]")
    if len(faults.found) > before:
        return None
    try:
        return msgspec.convert(values, config, strict=False)
    except msgspec.ValidationError as error:
        message, path = _split(str(error))
        at = _at(node, path, binder.included)
        faults.add(at.place, binder.redacted(f"{_key_of(path)}{message}"), _missing_advice(message))
    except Misconfigured as error:
        place = error.place or system.place
        faults.add(place, binder.redacted(error.message), binder.redacted(error.advice))
    return None


class _Binder:
    """Walks nodes and the types wanted for them side by side."""

    def __init__(self, folder: Path, environ: Mapping[str, str], faults: Faults) -> None:
        self._folder, self._environ, self._faults = folder, environ, faults
        self._resolved: list[str] = []
        self.included: dict[Place, Node] = {}
        """Place of a file's name -> its content."""

    def redacted(self, text: str) -> str:
        """A message without any value that came by a reference."""
        for value in sorted(self._resolved, key=len, reverse=True):
            text = text.replace(value, "***")
        return text

    def value(self, node: Node, wanted: inspect.Type, what: str) -> Any:
        marks, wanted = _unwrapped(wanted, node)
        if isinstance(wanted, inspect.StructType | inspect.DictType) and isinstance(node.value, str):
            included = self._included(node, what)
            if included is None:
                return None
            node = included
        if isinstance(wanted, inspect.StructType) and node.is_map:
            fields = {field.encode_name: field.type for field in wanted.fields}
            for name in node.entries():
                if name not in fields:
                    self._faults.unknown(node.keys[name], f"key of {what}", name, fields)
            known = {name: inner for name, inner in node.entries().items() if name in fields}
            return {name: self.value(inner, fields[name], f"'{name}'") for name, inner in known.items()}
        if isinstance(wanted, inspect.DictType) and node.is_map:
            return {
                name: self.value(inner, _with(marks, wanted.value_type), what) for name, inner in node.value.items()
            }
        if isinstance(wanted, inspect.ListType | inspect.VarTupleType) and node.is_list:
            return [self.value(inner, _with(marks, wanted.item_type), what) for inner in node.value]
        if isinstance(node.value, str):
            return self._text(node, marks, what)
        if marks.get("secret") and not (node.is_map or node.is_list):
            self._faults.add(node.place, f"{what} must be text: env:NAME or file:PATH.")
            return None
        if node.is_map or node.is_list:
            return self._untyped(node, what)
        return float(node.value) if isinstance(node.value, Decimal) else node.value

    def _included(self, node: Node, what: str) -> Node | None:
        """The YAML file of the project that stands for a table."""
        if not node.value.endswith((".yaml", ".yml")):
            self._faults.add(node.place, f"{what} must be a table, or the name of a YAML file of the project.")
            return None
        path = self._folder / node.value
        if not path.is_file():
            self._faults.add(node.place, f"There is no file '{node.value}' in the project.")
            return None
        text = read_text(path, node.value, self._faults)
        included = None if text is None else read_yaml(text, node.value, self._faults)
        if included is not None and not included.is_map:
            self._faults.add(included.place, "The file must hold a mapping.")
            return None
        if included is not None:
            self.included[node.place] = included
        return included

    def _untyped(self, node: Node, what: str) -> Any:
        if node.is_map:
            return {name: self.value(inner, inspect.AnyType(), f"'{name}'") for name, inner in node.value.items()}
        return [self.value(inner, inspect.AnyType(), what) for inner in node.value]

    def _text(self, node: Node, marks: Mapping[str, Any], what: str) -> Any:
        text: str = node.value
        if is_reference(text):
            value = resolve(text, node.place, self._folder, self._environ, self._faults)
            if value is not None:
                self._resolved.append(value)
            return value
        if marks.get("secret"):
            self._faults.add(node.place, f"{what} is a secret.", "Write env:NAME or file:PATH instead of the value.")
            return None
        if has_password(text):
            advice = "Write env:NAME or file:PATH instead of the address."
            self._faults.add(node.place, f"{what} holds a password.", advice)
            return None
        if marks.get("path"):
            return str((self._folder / Path(text).expanduser()).absolute())
        return text


def _unwrapped(wanted: inspect.Type, node: Node) -> tuple[Mapping[str, Any], inspect.Type]:
    """The marks of a type, and the member of a union that this node can be."""
    marks: dict[str, Any] = {}
    while True:
        if isinstance(wanted, inspect.Metadata):
            marks |= wanted.extra or {}
            wanted = wanted.type
        elif isinstance(wanted, inspect.UnionType):
            members = [member for member in wanted.types if not isinstance(member, inspect.NoneType)]
            for member in members:
                if isinstance(member, inspect.Metadata):
                    marks |= member.extra or {}
            bare = [member.type if isinstance(member, inspect.Metadata) else member for member in members]
            fitting = [member for member in bare if _fits(member, node)]
            if len(fitting) != 1:
                return marks, inspect.AnyType()
            wanted = fitting[0]
        else:
            return marks, wanted


def _fits(member: inspect.Type, node: Node) -> bool:
    if isinstance(member, inspect.StructType | inspect.DictType):
        return node.is_map or (isinstance(node.value, str) and node.value.endswith((".yaml", ".yml")))
    if isinstance(member, inspect.ListType | inspect.VarTupleType):
        return node.is_list
    return not (node.is_map or node.is_list)


def _with(marks: Mapping[str, Any], wanted: inspect.Type) -> inspect.Type:
    return inspect.Metadata(wanted, extra=dict(marks)) if marks else wanted


def _split(message: str) -> tuple[str, tuple[str, ...]]:
    """msgspec's "Expected `int`, got `str` - at `$.retry.max`" as words and path."""
    text, _, path = message.partition(" - at `$")
    names = re.findall(r"\.([^.\[`]+)|\[(\d+|\.\.\.)\]", path)
    return text.replace("`", "'") + ".", tuple(name or position for name, position in names)


def _key_of(path: tuple[str, ...]) -> str:
    return f"'{'.'.join(path)}': " if path else ""


def _missing_advice(message: str) -> str:
    return "Add it to the table." if "missing required" in message else ""


def _at(node: Node, path: tuple[str, ...], included: Mapping[Place, Node]) -> Node:
    for name in path:
        node = included.get(node.place, node)
        if node.is_map and name in node.value:
            node = node.value[name]
        elif node.is_list and name.isdigit() and int(name) < len(node.value):
            node = node.value[int(name)]
        else:
            break
    return node
