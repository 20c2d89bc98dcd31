"""Public test kit: the connector contract, an in-memory system and store, a proxy with bad days, the simulator
(:mod:`isthmus.testing.simulator`).

Only the contract needs pytest, so only who asks for it imports that: ``isthmus simulate`` runs without.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from isthmus.testing.case import Delivery, ResourceCase
from isthmus.testing.faults import Fault, FaultyProxy, Request
from isthmus.testing.memory import Call, Faults, MemoryResource, MemoryWorld, People, Trouble
from isthmus.testing.memory_database import MemoryDatabase
from isthmus.testing.memory_driver import MemoryConfig, MemoryConnector
from isthmus.testing.memory_store import MemoryStore

if TYPE_CHECKING:
    from isthmus.testing.contract import ConnectorContract, config_fixture

__all__ = [
    "Call",
    "ConnectorContract",
    "Delivery",
    "Fault",
    "Faults",
    "FaultyProxy",
    "MemoryConfig",
    "MemoryConnector",
    "MemoryDatabase",
    "MemoryResource",
    "MemoryStore",
    "MemoryWorld",
    "People",
    "Request",
    "ResourceCase",
    "Trouble",
    "config_fixture",
]


def __getattr__(name: str) -> Any:
    """The contract, with assertions that say what they compared."""
    if name not in ("ConnectorContract", "config_fixture"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    pytest = import_module("pytest")
    for module in ("reading", "writing", "changing", "calling", "failing", "stage"):
        pytest.register_assert_rewrite(f"{__name__}.{module}")
    return getattr(import_module(f"{__name__}.contract"), name)
