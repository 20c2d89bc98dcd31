"""Public test kit: contracts of connectors and processes, an in-memory system and store, a proxy with bad days, the
simulator (:mod:`isthmus.testing.simulator`).

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
    from isthmus.testing.process_contract import Mishap, ProcessStage, run_every_step_twice

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
    "Mishap",
    "People",
    "ProcessStage",
    "Request",
    "ResourceCase",
    "Trouble",
    "config_fixture",
    "run_every_step_twice",
]


_CONTRACTS = {
    "ConnectorContract": "contract",
    "config_fixture": "contract",
    "Mishap": "process_contract",
    "ProcessStage": "process_contract",
    "run_every_step_twice": "process_contract",
}


def __getattr__(name: str) -> Any:
    """The contracts, with assertions that say what they compared."""
    module = _CONTRACTS.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    pytest = import_module("pytest")
    for asserting in ("reading", "writing", "changing", "calling", "asking", "failing", "stage", "process_contract"):
        pytest.register_assert_rewrite(f"{__name__}.{asserting}")
    return getattr(import_module(f"{__name__}.{module}"), name)
