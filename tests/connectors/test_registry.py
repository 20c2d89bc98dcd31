"""The registry of connectors: bundled ones, plug-ins, and clear errors for the rest."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from types import ModuleType

import pytest

from isthmus import connectors
from isthmus.connectors import rest
from isthmus.errors import Misconfigured


@pytest.fixture
def plug_in(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A module `acme_plug_in` that entry points may name."""
    module = ModuleType("acme_plug_in")
    monkeypatch.setitem(sys.modules, "acme_plug_in", module)
    points = {
        name: EntryPoint(name, value, connectors.GROUP)
        for name, value in {"acme": "acme_plug_in:connector", "broken": "no_such_module:connector"}.items()
    }
    monkeypatch.setattr(connectors, "_installed", lambda: points)
    return module


def test_bundled_kinds_are_known_and_load() -> None:
    assert {"bottlecrm", "rest", "tryton"} <= set(connectors.kinds())
    assert connectors.find("rest") is rest.connector
    assert connectors.find("rest").kind == "rest"


def test_unknown_kind_names_the_nearest() -> None:
    with pytest.raises(Misconfigured, match=r"'tritton'.*Did you mean 'tryton'"):
        connectors.find("tritton")
    with pytest.raises(Misconfigured, match=r"Known kinds: .*rest"):
        connectors.find("qqqqqqqq")


def test_plug_in_is_found(plug_in: ModuleType) -> None:
    class Acme:
        kind = "acme"
        config = rest.RestConfig

        async def open(self, config: object) -> None: ...

    plug_in.connector = Acme()  # type: ignore[attr-defined]
    assert "acme" in connectors.kinds()
    assert connectors.find("acme") is plug_in.connector


def test_plug_in_that_is_not_a_connector_is_told(plug_in: ModuleType) -> None:
    plug_in.connector = object()  # type: ignore[attr-defined]
    with pytest.raises(Misconfigured, match=r"is not a connector of that kind"):
        connectors.find("acme")


def test_plug_in_that_cannot_be_loaded_is_told(plug_in: ModuleType) -> None:
    with pytest.raises(Misconfigured, match=r"'broken'.*cannot be loaded: ModuleNotFoundError"):
        connectors.find("broken")
