"""The approval process: stage after stage is opened, people answer or the deadline passes, the end is told.

All that it does is in the hub's own database, in the transaction that remembers the step: nothing of it can happen
twice. Its row of ``approval_request`` says who must act, since when and until when.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import msgspec

from isthmus.desk.approval_rules import Stage
from isthmus.desk.approval_state import RequestState, names_of
from isthmus.desk.approvals import PROCESS, end_request, open_stage, topic_of
from isthmus.process import Definition, Run, process

__all__ = ["approval_process"]


def approval_process(clock: Callable[[], datetime]) -> Definition:
    """The process; started by :func:`~isthmus.desk.approvals.request_approval`."""

    @process(PROCESS)
    async def approval(run: Run, given: Any) -> str:
        outcome = RequestState.APPROVED
        for number, stage in enumerate(msgspec.convert(given["stages"], tuple[Stage, ...])):
            outcome = await _decided(run, given, number, stage, clock)
            if outcome is not RequestState.APPROVED:
                break
        await run.change("end", lambda tx: end_request(tx, given["id"], outcome, clock()))
        return outcome

    return approval


async def _decided(run: Run, given: Any, number: int, stage: Stage, clock: Callable[[], datetime]) -> RequestState:
    """What one stage comes to, its escalation included."""
    for escalated, seats in ((False, stage.seats), (True, stage.escalate)):
        if not seats:
            continue

        async def opened(tx: Any, escalated: bool = escalated) -> datetime | None:
            return await open_stage(tx, given["id"], number, clock(), escalated=escalated)

        until = await run.change(f"{'escalate' if escalated else 'ask'} {stage.name}", opened)
        # The deadline is that of the request's row, also when this worker was killed right after it was stored.
        left = None if until is None else msgspec.convert(until, datetime) - clock()
        answer = await run.wait(
            topic_of(number, escalated), given["title"], who=names_of(seats), within=_positive(left)
        )
        if answer is not None:
            return RequestState(answer.value)
    return RequestState.EXPIRED


def _positive(left: timedelta | None) -> timedelta | None:
    return None if left is None else max(left, timedelta(0))
