"""What approvals need from a store."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol

from isthmus.desk.approval_state import ApprovalAnswer, ApprovalRequest, Delegation
from isthmus.desk.notices import NoticeRows
from isthmus.process.ports import ProcessRows

__all__ = ["ApprovalRows", "ApprovalStore", "ApprovalTransaction"]


class ApprovalRows(Protocol):
    """Rows of approvals, in the transaction they were asked from."""

    async def add(self, request: ApprovalRequest) -> bool:
        """Store a new request; False when there is one of this id."""

    async def load(self, id: str) -> ApprovalRequest | None:
        """The request, locked until the transaction ends."""

    async def save(self, request: ApprovalRequest) -> None:
        """Store where it stands."""

    async def answers(self, id: str) -> list[ApprovalAnswer]:
        """Its answers, oldest first."""

    async def add_answer(self, answer: ApprovalAnswer) -> bool:
        """Store an answer; False when this seat has one."""

    async def deputies(self, people: tuple[str, ...], now: datetime) -> list[Delegation]:
        """Delegations of these people that are valid now."""

    async def delegators(self, deputy: str, now: datetime) -> list[Delegation]:
        """Delegations to this deputy that are valid now."""

    async def add_delegation(self, delegation: Delegation) -> None:
        """Store a delegation."""

    async def end_delegation(self, id: str, now: datetime) -> bool:
        """End a delegation before its time; False when there is none of this id that is still to end."""


class ApprovalTransaction(Protocol):
    """A transaction of the hub: what it changes is committed together."""

    @property
    def approvals(self) -> ApprovalRows:
        """Rows of approvals."""

    @property
    def notices(self) -> NoticeRows:
        """Rows of notices."""

    @property
    def processes(self) -> ProcessRows:
        """Rows of processes."""


class ApprovalStore(Protocol):
    """The hub's memory, as far as approvals need it."""

    def transaction(self) -> AbstractAsyncContextManager[ApprovalTransaction]:
        """Begin; commits at the end of the block, rolls back on an exception."""
