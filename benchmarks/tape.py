"""Recording what the hub asks of far systems: every call with its arguments, times and answers."""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, cast

import msgspec

from benchmarks.phases import Phases
from isthmus.connector import Page, Resource, System

__all__ = ["Call", "Tape", "gaps", "overlap", "recorded_system", "union"]

CALLS = ("fields", "fetch", "scan", "changes", "write", "find_created")
"""What a resource can be asked."""
WHOLE = ("check", "close", "subscribe", "verify", "missing", "prepare")
"""What a system can be asked as a whole; passed on, not recorded: nothing of it happens while linking."""

type Span = tuple[float, float]


class Call(msgspec.Struct, kw_only=True):
    """One call of one method of a resource. Times are of ``time.perf_counter``."""

    system: str
    resource: str
    method: str
    arguments: tuple[Any, ...]
    start: float
    end: float = 0.0
    answer: Any = None
    """What came back; the exception when it raised."""

    @property
    def kind(self) -> str:
        """Which call of which resource: ``system resource.method``."""
        return f"{self.system} {self.resource}.{self.method}"

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.end - self.start

    @property
    def records(self) -> int:
        """How many records it was about."""
        answer = self.answer
        return len(answer.items) if isinstance(answer, Page) else len(answer) if isinstance(answer, Sequence) else 0


class Tape:
    """Calls in the order they began."""

    def __init__(self) -> None:
        self.calls: list[Call] = []

    def of(self, system: str) -> list[Call]:
        """The calls of one system."""
        return [call for call in self.calls if call.system == system]

    def systems(self) -> list[str]:
        """All systems that were called."""
        return list(dict.fromkeys(call.system for call in self.calls))

    def counts(self) -> Mapping[str, int]:
        """How often each method of each resource was called."""
        return dict(Counter(call.kind for call in self.calls).most_common())


def recorded_system(name: str, system: System, tape: Tape, phases: Phases) -> System:
    """A stand-in for ``system`` whose resources note every call on ``tape``.

    It has exactly the methods that the system has, so that ``isinstance`` sees the same protocols.
    """
    resources = {key: _recorded(name, key, one, tape, phases) for key, one in system.resources().items()}
    members: dict[str, Any] = {"resources": lambda _: resources}
    for method in WHOLE:
        if hasattr(system, method):
            members[method] = staticmethod(getattr(system, method))
    return cast(System, type(f"Recorded_{name}", (), members)())


def _recorded(system: str, name: str, resource: Resource, tape: Tape, phases: Phases) -> Resource:
    members: dict[str, Any] = {
        "name": property(lambda _: resource.name),
        "traits": property(lambda _: resource.traits),
    }
    for method in CALLS:
        if hasattr(resource, method):
            members[method] = staticmethod(_noting(system, name, method, getattr(resource, method), tape, phases))
    return cast(Resource, type(f"Recorded_{name}", (), members)())


def _noting(
    system: str, resource: str, method: str, ask: Callable[..., Awaitable[Any]], tape: Tape, phases: Phases
) -> Callable[..., Awaitable[Any]]:
    metered = phases.metered(f"client {system}", ask)

    async def noted(*arguments: Any) -> Any:
        call = Call(system=system, resource=resource, method=method, arguments=arguments, start=time.perf_counter())
        tape.calls.append(call)
        try:
            call.answer = await metered(*arguments)
        except BaseException as error:
            call.answer = error
            raise
        finally:
            call.end = time.perf_counter()
        return call.answer

    return noted


def union(calls: Sequence[Call]) -> list[Span]:
    """The times in which at least one of the calls was under way, in order, not overlapping."""
    spans: list[Span] = []
    for start, end in sorted((call.start, call.end) for call in calls):
        if spans and start <= spans[-1][1]:
            spans[-1] = (spans[-1][0], max(end, spans[-1][1]))
        else:
            spans.append((start, end))
    return spans


def overlap(one: Sequence[Span], other: Sequence[Span]) -> float:
    """Seconds that lie in both; each is in order and does not overlap itself."""
    total, at = 0.0, 0
    for start, end in one:
        while at < len(other) and other[at][1] <= start:
            at += 1
        ahead = at
        while ahead < len(other) and other[ahead][0] < end:
            total += max(0.0, min(end, other[ahead][1]) - max(start, other[ahead][0]))
            ahead += 1
    return total


def gaps(tape: Tape) -> list[tuple[str, int, float, float]]:
    """Where a system waited for the hub between two calls: (system, and what was handled meanwhile; how often;
    seconds; the part of them in which no other system was busy either), longest first."""
    found: dict[str, tuple[int, float, float]] = {}
    for system in tape.systems():
        own = sorted(tape.of(system), key=lambda call: call.start)
        others = union([call for call in tape.calls if call.system != system])
        for before, after in itertools.pairwise(own):
            if after.start <= before.end:
                continue
            span = (before.end, after.start)
            what = f"{system}: after {before.resource}.{before.method}, before {after.resource}.{after.method}"
            times, seconds, alone = found.get(what, (0, 0.0, 0.0))
            length = span[1] - span[0]
            found[what] = (times + 1, seconds + length, alone + length - overlap([span], others))
    return sorted(((what, *row) for what, row in found.items()), key=lambda row: -row[3])
