"""What the benchmarks reach into is there: they run too seldom to find out by themselves."""

from __future__ import annotations

import importlib
import pkgutil

import pytest

import benchmarks
from benchmarks.phases import Phases, metering
from isthmus.sync.observe import Observer


@pytest.mark.parametrize("name", [m.name for m in pkgutil.iter_modules(benchmarks.__path__) if m.name != "__main__"])
def test_every_benchmark_can_be_imported(name: str) -> None:
    importlib.import_module(f"benchmarks.{name}")


def test_everything_that_is_metered_is_there() -> None:
    before = Observer.ingest
    with metering(Phases()):
        assert Observer.ingest is not before
    assert Observer.ingest is before
