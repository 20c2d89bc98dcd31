"""Public test kit: contracts of connectors and processes, an in-memory system, a proxy with bad days. For tests."""

import pytest

for _module in ("reading", "writing", "changing", "calling", "failing", "stage", "process_contract"):
    pytest.register_assert_rewrite(f"isthmus.testing.{_module}")

from isthmus.testing.case import Delivery, ResourceCase  # noqa: E402
from isthmus.testing.contract import ConnectorContract, config_fixture  # noqa: E402
from isthmus.testing.faults import Fault, FaultyProxy, Request  # noqa: E402
from isthmus.testing.memory import Call, Faults, MemoryResource, MemoryWorld, People, Trouble  # noqa: E402
from isthmus.testing.memory_driver import MemoryConfig, MemoryConnector  # noqa: E402
from isthmus.testing.process_contract import Mishap, ProcessStage, run_every_step_twice  # noqa: E402

__all__ = [
    "Call",
    "ConnectorContract",
    "Delivery",
    "Fault",
    "Faults",
    "FaultyProxy",
    "MemoryConfig",
    "MemoryConnector",
    "MemoryResource",
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
