"""Wrong definitions are told with their place and the nearest key."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from isthmus.connector import HttpSettings
from isthmus.connectors import rest
from isthmus.connectors.rest import definition
from isthmus.connectors.rest.connector import connector
from isthmus.connectors.rest.definition import duration, load
from isthmus.connectors.rest.reading import traits_of
from isthmus.connectors.rest.session import RestConfig
from isthmus.errors import Misconfigured
from tests.connectors.rest.definitions import CLASSIC, LINKED, MODERN, PLAIN

WRONG = {
    "resorces: {}\nresources: {a: {path: /a}}": ("resorces", "Did you mean 'resources'"),
    "resources: {a: {path: /a, list: {pagin: {}}}}": ("pagin", "Did you mean 'paging'"),
    "resources: {a: {path: /a, list: {paging: {kind: pages}}}}": ("Invalid enum value 'pages'", ""),
    "resources: {a: {pth: /a}}": ("pth", "Did you mean 'path'"),
    "resources: {a: {}}": ("required field `path`", ""),
    "resources: {a: {path: /a, fields: {x: money}}}": ("'money' is no type", "Types: text"),
    "resources: {a: {path: /a, list: {paging: {kind: cursor}}}}": ("list.paging.path", ""),
    "resources: {a: {path: /a, guard: {header: If-Match}}}": ("guard needs version", ""),
    "resources: {a: {path: /a, version: v, guard: {}}}": ("either header or field", ""),
    "resources: {a: {path: /a, parent: {resource: b, field: b}}}": ("no parent resource 'b'", ""),
    "resources: {a: {path: /a, settle: soon}}": ("'soon' is no duration", "30s"),
    "resources: {a: {path: /a}}\nwebhook: {signature: {header: X}, resource: r, key: k, resources: {x: b}}": (
        "webhook.resources names",
        "",
    ),
}


@pytest.mark.parametrize("text", WRONG)
def test_wrong_definition_is_told_with_its_place(text: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        load(YAML(typ="safe").load(text))
    what, advice = WRONG[text]
    assert what in str(caught.value)
    assert advice in str(caught.value)


def test_place_of_a_wrong_key_is_named() -> None:
    with pytest.raises(Misconfigured, match=r"resources.*list"):
        load({"resources": {"a": {"path": "/a", "list": {"pagin": {}}}}})


@pytest.mark.parametrize("text", [MODERN, CLASSIC, PLAIN, LINKED])
def test_good_definitions_load(text: str) -> None:
    assert load(YAML(typ="safe").load(text)).resources["contacts"].path


@pytest.mark.parametrize(
    ("more", "whole"),
    [("whole_saves: true", True), ("update: {method: PUT, whole: true}", True), ("update: {}", False)],
)
def test_a_save_of_the_whole_record_is_warned_of(more: str, whole: bool) -> None:
    text = f"resources: {{a: {{path: /a, {more}}}}}"
    assert traits_of(load(YAML(typ="safe").load(text)).resources["a"]).whole_saves is whole


def test_durations() -> None:
    assert [duration(text) for text in ("250ms", "30s", "5m", "2h", "1d")] == [
        timedelta(milliseconds=250),
        timedelta(seconds=30),
        timedelta(minutes=5),
        timedelta(hours=2),
        timedelta(days=1),
    ]


@pytest.mark.parametrize(
    ("described", "reason"),
    [
        ({"resources": {"a": {"path": "/a", "parent": {"resource": "a", "field": "x"}}}}, "not inside another"),
        (
            {
                "resources": {"a": {"path": "/a"}},
                "webhook": {"signature": {"header": "X"}, "resource": "r", "key": "k"},
            },
            "no webhook_secret",
        ),
    ],
)
async def test_systems_that_cannot_work_are_not_opened(described: Any, reason: str) -> None:
    with pytest.raises(Misconfigured, match=reason):
        await connector.open(RestConfig(url="http://127.0.0.1:9", definition=described))


async def test_address_that_is_none_is_told() -> None:
    with pytest.raises(Misconfigured, match="not a web address"):
        await connector.open(RestConfig(url="crm.example.com", definition={"resources": {"a": {"path": "/a"}}}))


def test_every_key_is_in_the_reference() -> None:
    text = (Path(rest.__file__).parent / "README.md").read_text(encoding="utf-8")
    structs = [definition.Api, *definition.Api.__mro__[1].__subclasses__(), RestConfig, HttpSettings]
    keys = {name for struct in structs for name in struct.__struct_fields__}
    assert len(keys) > 60
    assert not [key for key in sorted(keys) if not re.search(rf"[`.({{ ]{key}[`:, }}]", text)]
