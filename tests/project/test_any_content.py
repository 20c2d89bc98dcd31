"""Whatever stands in a file, reading it ends in values or in errors with a place; never in a crash."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from isthmus.model.entities import BUILT_IN
from isthmus.project import load_default_mapping
from isthmus.project.entities import read_entities
from isthmus.project.faults import Faults
from isthmus.project.flows import World, check_refs, read_flow
from isthmus.project.nodes import Node, overlaid, plain
from isthmus.project.packs import known_packs, renamed
from isthmus.project.settings import read_settings
from isthmus.project.systems import bind
from isthmus.project.yaml_file import read_yaml
from tests.project.folder import CRM_MAPPING, ERP_MAPPING, SETTINGS, CrmConfig
from tests.project.test_load import ENTITIES, WHOLE
from tests.project.test_places import toml

leaves = st.sampled_from(
    [None, True, 0, -1, 1.5, "", "off", "crm", "erp", "name", "customer", "a.b", "a[0", "env:X", "ref(customer)",
     "present", "always", "archive", "@key", "similar 0.9", "Customer", "é" * 300]
)  # fmt: skip
values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["crm", "path", "as", "each", "name", "fields", "use", "x.y"]), inner, max_size=3
        )
    ),
    max_leaves=6,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """All paths into a document."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, part in inner for found in places(part, (*path, key)))]


def changed(document: Any, path: tuple[Any, ...], value: Any, rename: bool) -> Any:
    """The document with another value, or another key, at one place."""
    if not path:
        return value
    first, *rest = path
    copy = dict(document) if isinstance(document, dict) else list(document)
    if rename and not rest and isinstance(copy, dict):
        copy[f"{first}x"] = copy.pop(first)
    else:
        copy[first] = changed(copy[first], tuple(rest), value, rename)
    return copy


def node_of(document: Any) -> Node:
    node = read_yaml(json.dumps(document, default=str), "any.yaml", Faults())
    assert node is not None
    return node


def documents(text: str) -> st.SearchStrategy[Any]:
    node = read_yaml(text, "whole.yaml", Faults())
    assert node is not None
    whole = plain(node)
    return st.builds(
        lambda path, value, rename: changed(whole, path, value, rename),
        st.sampled_from(places(whole)),
        values,
        st.booleans(),
    )


def located(faults: Faults) -> bool:
    return all(error.place is not None and error.place.line > 0 for error in faults.found)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("kinds")
    mappings = {}
    for kind, text in {"somecrm": CRM_MAPPING, "someerp": ERP_MAPPING}.items():
        (folder / kind).write_text(text)
        mappings[kind] = load_default_mapping(folder / kind)
    entities = read_entities(
        [node_of({"entity": "Customer", "fields": {"segments": {"list": "text"}, "vat": "text"}})], Faults()
    )
    return World(kinds={"crm": "somecrm", "erp": "someerp"}, entities=entities, mappings=mappings, converters=("vat",))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(document=documents(WHOLE), overlay=st.booleans())
def test_any_flow(world: World, document: Any, overlay: bool) -> None:
    faults = Faults()
    root = node_of(document)
    if overlay:
        whole = read_yaml(WHOLE, "whole.yaml", Faults())
        assert whole is not None
        root = overlaid(renamed(whole, {"crm": "crm", "erp": "erp"}), root, 3)
    result = read_flow(root, world, faults) if root.is_map else None
    if result is not None:
        assert not faults.found
        check_refs(result[0], root, {result[0].name: result[0]}, (), faults)
        assert result[0].fields
    assert result is not None or faults.found or not root.is_map
    assert located(faults)


@given(documents(ENTITIES))
def test_any_entity(document: Any) -> None:
    faults = Faults()
    entities = read_entities([node_of(document)], faults)
    assert set(entities) >= set(BUILT_IN)
    assert located(faults)


@given(documents(json.dumps(plain(toml(SETTINGS + '[packs]\nuse = ["crm-erp"]\ncrm-erp = {crm = "erp"}\n')))))
def test_any_settings(document: Any) -> None:
    faults = Faults()
    found = read_settings(node_of(document), Path("/nonexistent"), {}, known_packs(), faults)
    for system in found.systems.values():
        bind(system, CrmConfig, Path("/nonexistent"), {}, faults)
    assert located(faults)


def test_an_error_is_kept_once() -> None:
    faults = Faults()
    for _ in range(2):
        faults.add(node_of({}).place, "x")
    assert len(faults.found) == 1
