"""Expressions as users write them, read as values of :mod:`isthmus.model.flow` and checked against field types."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import msgspec

from isthmus.errors import Place, Unmappable
from isthmus.mapping.converters import converter_names
from isthmus.model.fields import FieldType, Kind, canonical
from isthmus.model.flow import Const, Convert, Each, Expr, Join, Path, Segment, Struct, Use
from isthmus.project.faults import Faults, nearest
from isthmus.project.nodes import Node, elements_of, mapping_of, plain, text_of, word_of
from isthmus.project.notation import KEY, NotationError, parse_convert, parse_path

__all__ = [
    "CONVERTERS",
    "CUT",
    "EXPRESSION_KEYS",
    "convert_of",
    "expression_of",
    "far_name",
    "is_cut",
    "refs_of",
    "with_convert",
]

EXPRESSION_KEYS = ("path", "as", "only", "fields", "join", "by", "const", "each")
"""Keys of a written-out expression."""

_FORMS = {
    "path": ("path", "as", "only"),
    "each": ("path", "each", "only"),
    "fields": ("fields", "only"),
    "join": ("join", "by", "only"),
    "const": ("const", "only"),
}

_SCALARS = frozenset(Kind) - {Kind.REF, Kind.STRUCT, Kind.LIST}
_TEXT = frozenset({Kind.TEXT})
CONVERTERS: Mapping[str, frozenset[Kind]] = {
    "text": _TEXT,
    "lowercase": _TEXT,
    "uppercase": _TEXT,
    "digits": _TEXT,
    "compact": _TEXT,
    "phone": _TEXT,
    "country": _TEXT,
    "language": _TEXT,
    "currency": _TEXT,
    "integer": frozenset({Kind.INTEGER, Kind.DECIMAL}),
    "decimal": frozenset({Kind.DECIMAL}),
    "date": frozenset({Kind.DATE}),
    "instant": frozenset({Kind.INSTANT}),
    "boolean": frozenset({Kind.BOOLEAN}),
    "choice": frozenset({Kind.TEXT, Kind.BOOLEAN, Kind.INTEGER}),
    "summary": frozenset({Kind.LIST}),
    "ref": frozenset({Kind.REF}),
}
"""Which field types a converter can give; the names must be those of :func:`converter_names`."""


def expression_of(
    node: Node, kind: FieldType, own: Collection[str], faults: Faults, *, part: bool = False
) -> Expr | None:
    """The expression for a field of this type, checked; None when it is wrong (and remembered). ``own`` are names of
    the project's converters; ``part`` inside structs and lists."""
    if not node.is_map:
        path = _path_of(node, faults)
        return None if path is None else _checked_path(path, node, kind, own, faults)
    if is_cut(node.value.get("as")):
        faults.add(node.value["as"].place, *CUT)
        return None
    entries = mapping_of(node, "an expression", EXPRESSION_KEYS, faults)
    form = _form_of(node, entries, faults)
    if form is None:
        return None
    use = _use_of(entries.get("only"), part, faults)
    match form:
        case "path":
            return _full_path(entries, kind, own, use, faults)
        case "fields":
            parts = _parts_of(entries["fields"], kind, own, faults)
            return None if parts is None else Struct(parts, use=use)
        case "join":
            return _join_of(node, entries, kind, use, faults)
        case "each":
            return _each_of(entries, kind, own, use, faults)
        case _:
            return _const_of(entries["const"], kind, use, faults)


CUT = ("The converter is cut at its comma.", "Inside { } put it in quotes: as: 'choice(a=b, c=d)'.")
"""Message and advice when :func:`is_cut`."""


def is_cut(node: Node | None) -> bool:
    """Whether YAML took the comma of ``{as: choice(a=b, c=d)}`` for its own."""
    return node is not None and isinstance(node.value, str) and "(" in node.value and ")" not in node.value


def _form_of(node: Node, entries: Mapping[str, Node], faults: Faults) -> str | None:
    form = next((name for name in ("each", "fields", "join", "const", "path") if name in entries), None)
    if form is None:
        if len(entries) == len(node.entries()):
            faults.add(node.place, "An expression needs one of path, fields, join, const.")
        return None
    for name in entries:
        if name not in _FORMS[form]:
            faults.add(node.keys[name], f"'{name}' does not go with '{form}'.", f"Possible: {', '.join(_FORMS[form])}.")
            return None
    if form == "each" and "path" not in entries:
        faults.add(node.place, "'each' needs a 'path' to the list.")
        return None
    return form


def _use_of(node: Node | None, part: bool, faults: Faults) -> Use:
    if node is None:
        return Use.BOTH
    word = word_of(node, "value of 'only'", ("read", "create", "write"), faults)
    if part and word in ("create", "write"):
        faults.add(node.place, f"A part of a struct or list cannot be 'only: {word}'.", "Set it for the whole field.")
    return Use(word) if word else Use.BOTH


def _path_of(node: Node, faults: Faults) -> Path | None:
    if isinstance(node.value, tuple):
        faults.add(node.place, "A list is no expression.", "For several places as one text: {join: [a, b]}.")
        return None
    text = text_of(node, "An expression", faults)
    if text is None:
        return None
    if text == KEY:
        return Path((Segment(KEY),), use=Use.READ)
    try:
        return Path(parse_path(text))
    except NotationError as error:
        faults.add(node.inside(error.offset), f"Path '{text}': {error}.")
        return None


def _full_path(
    entries: Mapping[str, Node], kind: FieldType, own: Collection[str], use: Use, faults: Faults
) -> Path | None:
    path = _path_of(entries["path"], faults)
    if path is None:
        return None
    if path.use is Use.READ and use in (Use.CREATE, Use.WRITE):
        faults.add(entries["only"].place, "A record's key is given by its system and never written.")
        return None
    if use is not Use.BOTH:
        path = msgspec.structs.replace(path, use=use)
    if "as" in entries:
        convert = convert_of(entries["as"], faults)
        if convert is None:
            return None
        path = msgspec.structs.replace(path, convert=convert)
    return _checked_path(path, entries.get("as", entries["path"]), kind, own, faults)


def convert_of(node: Node, faults: Faults) -> Convert | None:
    """A converter, as ``name``, ``name(a, b=c)`` or ``{choice: {a: b}}``, ``{ref: flow}``."""
    if node.is_map:
        entries = mapping_of(node, "'as'", ("choice", "ref"), faults)
        if "ref" in entries:
            flow = text_of(entries["ref"], "'ref'", faults)
            return None if flow is None else Convert("ref", (flow,))
        if "choice" in entries:
            pairs = [
                (far, str(plain(hub)).lower() if isinstance(hub.value, bool) else str(plain(hub)))
                for far, hub in entries["choice"].entries().items()
            ]
            return Convert("choice", (), tuple(pairs))
        return None
    text = text_of(node, "'as'", faults)
    if text is None:
        return None
    try:
        return parse_convert(text)
    except NotationError as error:
        faults.add(node.inside(error.offset), f"Converter '{text}': {error}.")
        return None


def with_convert(
    path: Path, convert: Convert, node: Node, kind: FieldType, own: Collection[str], faults: Faults
) -> Path:
    """A plain path with the converter of its field (``as`` at field level)."""
    return _checked_path(msgspec.structs.replace(path, convert=convert), node, kind, own, faults) or path


def _checked_path(path: Path, node: Node, kind: FieldType, own: Collection[str], faults: Faults) -> Path | None:
    convert = path.convert
    if convert is None:
        if kind.kind is Kind.REF:
            faults.add(
                node.place, "The field refers to another record: say by which flow.", "{path: …, as: ref(FLOW)}."
            )
            return None
        return path
    problem = _converter_problem(convert, kind, own)
    if problem is not None:
        faults.add(node.place, *problem)
        return None
    if convert.name == "summary" and convert.name not in own and path.use is not Use.WRITE:
        faults.add(node.place, "A summary cannot be read back.", "Add 'only: write'.")
        return None
    return path


def _converter_problem(convert: Convert, kind: FieldType, own: Collection[str]) -> tuple[str, str] | None:
    """Message and advice when the converter does not exist, has wrong arguments or cannot give such a field."""
    name = convert.name
    if name in own:
        return (f"The project's converter '{name}' takes no arguments.", "") if convert.args or convert.pairs else None
    if name not in CONVERTERS:
        return f"Unknown converter '{name}'.", nearest(name, [*converter_names(), *own])
    if kind.kind not in CONVERTERS[name]:
        shown = f"a field of type {kind.kind}"
        possible = [n for n, kinds in CONVERTERS.items() if kind.kind in kinds]
        return f"Converter '{name}' cannot give {shown}.", f"Possible: {', '.join(possible)}." if possible else ""
    return _argument_problem(convert, kind)


def _argument_problem(convert: Convert, kind: FieldType) -> tuple[str, str] | None:
    name, args = convert.name, convert.args
    if name == "choice":
        return _choice_problem(convert, kind)
    if convert.pairs:
        return f"Converter '{name}' takes no pairs.", ""
    if name == "ref":
        return None if len(args) == 1 else ("ref takes the name of one flow, as in ref(customer).", "")
    if name == "phone" and args and not (len(args) == 1 and len(args[0]) == 2 and args[0].isupper()):
        return "phone takes the ISO code of the country whose numbers have no country code, as in phone(DE).", ""
    if name == "decimal" and args and not (len(args) == 1 and args[0].isascii() and args[0].isdigit()):
        return "decimal takes the number of decimal places, as in decimal(2).", ""
    if args and name not in ("phone", "decimal"):
        return f"Converter '{name}' takes no arguments.", ""
    return None


def _choice_problem(convert: Convert, kind: FieldType) -> tuple[str, str] | None:
    if convert.args or not convert.pairs:
        return "choice takes pairs, as in choice(open=draft, closed=done).", ""
    fars = [far for far, _ in convert.pairs]
    twice = next((far for far in fars if fars.count(far) > 1), None)
    if twice is not None:
        return f"choice gives '{twice}' two meanings.", ""
    for _, hub in convert.pairs:
        try:
            canonical(kind, hub)
        except Unmappable as error:
            return f"choice: {error.message}", ""
    return None


def _parts_of(node: Node, kind: FieldType, own: Collection[str], faults: Faults) -> Mapping[str, Expr] | None:
    if kind.kind is not Kind.STRUCT:
        faults.add(node.place, f"A field of type {kind.kind} has no parts.")
        return None
    parts: dict[str, Expr] = {}
    for name, inner in mapping_of(node, "the parts", tuple(kind.fields), faults).items():
        if inner.is_off:
            continue
        expr = expression_of(inner, kind.fields[name], own, faults, part=True)
        if expr is not None:
            parts[name] = expr
    lacking = [name for name in kind.required if name not in node.entries()]
    if lacking:
        faults.add(node.place, f"The value means nothing without its {lacking[0]}.", f"Add '{lacking[0]}'.")
        return None
    if not parts:
        if not node.entries():
            faults.add(node.place, "A struct needs at least one part.", nearest("", kind.fields))
        return None
    return parts


def _join_of(node: Node, entries: Mapping[str, Node], kind: FieldType, use: Use, faults: Faults) -> Join | None:
    if kind.kind is not Kind.TEXT:
        faults.add(node.keys["join"], f"join gives text, but the field is of type {kind.kind}.")
        return None
    elements = elements_of(entries["join"], "'join'", faults)
    paths = [_path_of(element, faults) for element in elements]
    by = entries.get("by")
    between = " " if by is None else by.value
    if not isinstance(between, str) or not between:
        faults.add(entries["by"].place, "'by' must be the text between the parts.")
        return None
    if len(elements) < 2:
        faults.add(node.keys["join"], "join needs at least two paths.")
    found = tuple(path for path in paths if path is not None)
    return Join(found, by=between, use=use) if len(found) == len(elements) > 1 else None


def _each_of(
    entries: Mapping[str, Node], kind: FieldType, own: Collection[str], use: Use, faults: Faults
) -> Each | None:
    path = _path_of(entries["path"], faults)
    if kind.kind is not Kind.LIST or kind.of is None or kind.of.kind is not Kind.STRUCT:
        faults.add(entries["each"].place, f"'each' is for lists of structs, but the field is of type {kind.kind}.")
        return None
    parts = _parts_of(entries["each"], kind.of, own, faults)
    return None if path is None or parts is None else Each(path, parts, use=use)


def _const_of(node: Node, kind: FieldType, use: Use, faults: Faults) -> Const | None:
    try:
        return Const(canonical(kind, plain(node)), use=use)
    except Unmappable as error:
        faults.add(node.place, f"The constant does not fit a field of type {kind.kind}: {error.message}")
        return None


def refs_of(expr: Expr, kind: FieldType) -> list[tuple[str, str]]:
    """(flow, entity) of every ``ref`` in an expression for a field of this type."""
    match expr:
        case Path(convert=Convert(name="ref", args=(flow,))):
            return [(flow, kind.entity or "")]
        case Struct():
            return [ref for name, part in expr.parts.items() for ref in refs_of(part, kind.fields[name])]
        case Each() if kind.of is not None:
            return [ref for name, part in expr.parts.items() for ref in refs_of(part, kind.of.fields[name])]
        case _:
            return []


def far_name(node_place: Place, text: str, faults: Faults) -> str | None:
    """A plain dotted name of a far field, as conditions and archive use it."""
    try:
        segments = parse_path(text)
    except NotationError as error:
        faults.add(node_place, f"Field '{text}': {error}.")
        return None
    if any(segment.index is not None or segment.where is not None for segment in segments):
        faults.add(node_place, f"Field '{text}': a condition looks at plain fields, not into lists.")
        return None
    return ".".join(segment.name for segment in segments)
