"""The default mapping names only fields that BottleCRM has, and writes only what can be written."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files

import pytest

from isthmus.connectors.bottlecrm import BottleCrm
from isthmus.connectors.bottlecrm.custom_fields import TARGETS
from isthmus.connectors.bottlecrm.resource import CrmResource
from isthmus.model.flow import Each, Expr, Join, Path, Struct, Use
from isthmus.project.defaults import load_default_mapping

MAPPING = load_default_mapping(files("isthmus.connectors.bottlecrm").joinpath("mapping.yaml"))


def places(expr: Expr, use: Use = Use.BOTH) -> Iterator[tuple[list[str], Use]]:
    """Every far path of an expression with its use."""
    use = expr.use if expr.use is not Use.BOTH else use
    match expr:
        case Path():
            yield [segment.name for segment in expr.segments], use
        case Join():
            for path in expr.paths:
                yield from places(path, use)
        case Struct():
            for part in expr.parts.values():
                yield from places(part, use)
        case Each():
            yield from places(expr.path, use)


def test_every_entity_that_bottlecrm_holds_is_mapped() -> None:
    assert set(MAPPING) == {
        "Customer",
        "Contact",
        "Product",
        "Opportunity",
        "SalesOrder",
        "SalesOrder@estimate",
        "Invoice",
        "Payment",
        "ServiceCase",
    }


@pytest.mark.parametrize("name", MAPPING)
async def test_mapped_fields_exist_and_what_is_written_can_be(crm: BottleCrm, name: str) -> None:
    mapping = MAPPING[name]
    resource = crm.resources()[mapping.resource]
    assert isinstance(resource, CrmResource)
    known = await resource.fields()
    for expr in mapping.fields.values():
        for path, use in places(expr):
            if path == ["@key"]:
                continue
            assert path[0] in known, f"{name}: {path}"
            assert use is Use.READ or not known[path[0]].readonly, f"{name} writes {path}"
            if path[0] == "custom_fields":
                assert mapping.resource in TARGETS or mapping.resource == "product"
                assert len(path) == 2
    for condition in mapping.where:
        assert condition.field in known
    assert set(mapping.archive) <= set(known)
