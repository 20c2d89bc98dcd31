"""Values and places of YAML and TOML files."""

import json
import tomllib
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.errors import Place
from isthmus.project.faults import Faults, nearest
from isthmus.project.nodes import Node, plain
from isthmus.project.toml_file import read_toml
from isthmus.project.yaml_file import read_yaml

TOML = """\
title = 'x'  # a comment with [brackets] = and "quotes"
a.b."c d" = 1

[systems.crm]
url   = "http://x#y"
list = [ "a", # one ]
  { x = 1, y = [2, 3] },
  '''
  ] = [
  ''',
]
text = \"\"\"
[not.a.table]
key = "no"\"\"\"
after = true

[[rows]]
n = 1
[[rows]]
n = 2
[rows.sub]
m = 3
"""


def toml(text: str) -> Node:
    faults = Faults()
    node = read_toml(text, "t.toml", faults)
    faults.check()
    assert node is not None
    return node


def keys(node: Node, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], Place]:
    found = {(*path, name): place for name, place in node.keys.items()}
    for name, inner in node.entries().items():
        found |= keys(inner, (*path, name))
    if node.is_list:
        for position, inner in enumerate(node.value):
            found |= keys(inner, (*path, str(position)))
    return found


def test_toml_places() -> None:
    node = toml(TOML)
    assert plain(node) == tomllib.loads(TOML)
    at = {".".join(path): (place.line, place.column) for path, place in keys(node).items()}
    assert at["title"] == (1, 1)
    assert at["a.b.c d"] == (2, 5)
    assert at["systems.crm"] == (4, 10)
    assert at["systems.crm.list.1.y"] == (7, 12)
    assert at["systems.crm.after"] == (15, 1)
    assert at["rows.0.n"] == (18, 1)
    assert at["rows.1.n"] == (20, 1)
    assert at["rows.1.sub.m"] == (22, 1)
    crm = node.value["systems"].value["crm"]
    assert crm.value["url"].place == Place("t.toml", 5, 9)
    assert crm.value["list"].value[2].place == Place("t.toml", 8, 3)


words = st.from_regex(r"[a-zA-Z0-9_-]{1,8}", fullmatch=True) | st.text("ab .#[]={},'é", min_size=1, max_size=6)
scalars = st.integers(-99, 99) | st.booleans() | st.text("ab #[]={},'\\n", max_size=8)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3), max_leaves=8
)


def written(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)} = {written(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + " ,\n # ] in a comment\n ".join(written(v) for v in value) + "]"
    return json.dumps(value)


@given(st.dictionaries(words, st.dictionaries(words, values, max_size=4), max_size=3))
def test_every_toml_key_stands_at_its_place(document: dict[str, dict[str, object]]) -> None:
    text = ""
    for table, entries in document.items():
        text += f"[{json.dumps(table)}] # x\n"
        text += "".join(f"  {json.dumps(key)}= {written(value)}\n" for key, value in entries.items())
    node = toml(text)
    assert plain(node) == document
    lines = text.split("\n")
    for path, place in keys(node).items():
        assert lines[place.line - 1][place.column - 1 :].startswith(json.dumps(path[-1]))


def test_wrong_toml_says_where() -> None:
    faults = Faults()
    assert read_toml("a = 1\nb = = 2\n", "t.toml", faults) is None
    assert str(faults.found[0]) == "t.toml:2:5: Not valid TOML: Invalid value."


def yaml(text: str) -> tuple[Node | None, list[str]]:
    faults = Faults()
    node = read_yaml(text, "t.yaml", faults)
    return node, [str(error) for error in faults.found]


def test_yaml_values_and_places() -> None:
    node, found = yaml('a: [x, "1", 1, 1.50, ~, true, off, 2024-01-05]\nb:\n  c: |\n    long\n')
    assert not found
    assert node is not None
    assert plain(node) == {"a": ["x", "1", 1, Decimal("1.50"), None, True, "off", "2024-01-05"], "b": {"c": "long\n"}}
    inner = node.value["a"].value
    assert [element.place.column for element in inner] == [5, 8, 13, 16, 22, 25, 31, 36]
    assert inner[1].quoted
    assert node.value["b"].keys["c"] == Place("t.yaml", 3, 3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "t.yaml: The file is empty."),
        ("a: 1\na: 2", "t.yaml:2:1: 'a' is given twice (first in line 1)."),
        ("a: @key", 't.yaml:1:4: Not valid YAML: a text may not start with @ unless it is in quotes. Write "@key".'),
        ("a:\n\tb: 1", "t.yaml:2:1: Not valid YAML: indented by a tab. Indent by spaces."),
        ("a: [1", "t.yaml:1:6: Not valid YAML: expected ',' or ']', but got '<stream end>'."),
        ("a: &x 1\nb: *x", "t.yaml:1:4: Anchors and aliases (& and *) are not used in project files. Write it out."),
        ("a: !python 1", "t.yaml:1:4: Tags such as !python are not used in project files."),
        ("a: 1\n---\nb: 1", "t.yaml:2:1: A file holds one document. Make a file of its own for what follows '---'."),
        ("? [a]\n: 1", "t.yaml:1:3: A key must be a plain word."),
        ("a: " + "[" * 1500, "t.yaml: The file is nested too deeply."),
        ("a: \x07", "t.yaml:1:4: Not valid YAML: special characters are not allowed."),
    ],
)
def test_wrong_yaml_says_where(text: str, message: str) -> None:
    assert yaml(text)[1][0] == message


def test_nearest_names() -> None:
    assert nearest("feilds", ["fields", "flow"]) == "Did you mean 'fields'?"
    assert nearest("Account", ["account"]) == "Did you mean 'account'?"
    assert nearest("zzz", ["b", "a"]) == "Known: a, b."
    assert nearest("zzz", []) == ""
