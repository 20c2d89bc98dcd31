"""Notices as people see them: which there are, what one says, sending one again."""

from __future__ import annotations

from pathlib import Path

import msgspec

from isthmus.app.bootstrap import clock, open_store
from isthmus.desk.notices import LANGUAGES, Notice, NoticeState
from isthmus.errors import NeedsPerson
from isthmus.mail.compose import Text, render
from isthmus.project import Project
from isthmus.store import NoticeOutbox

__all__ = ["NoticeView", "list_notices", "retry_notice", "show_notice"]


class NoticeView(msgspec.Struct, frozen=True, kw_only=True):
    """One notice and what it says. Links are made when it is sent, and not shown."""

    notice: Notice
    text: Text


async def list_notices(folder: Path, state: NoticeState | None, recipient: str | None, limit: int) -> list[Notice]:
    """The newest ones first."""
    async with open_store(folder) as (_, store):
        return await NoticeOutbox(store).notices(state, recipient.strip().lower() if recipient else None, limit)


async def show_notice(folder: Path, id: str) -> NoticeView:
    """One notice. Raises :class:`NeedsPerson` when there is none of this id."""
    async with open_store(folder) as (project, store):
        notice = await NoticeOutbox(store).notice(id)
        if notice is None:
            raise NeedsPerson(f"There is no notice {id}.", advice="See: isthmus notice list")
        return NoticeView(notice=notice, text=render(notice, _language(project, notice)))


async def retry_notice(folder: Path, id: str) -> None:
    """Send it again now. Raises :class:`NeedsPerson` when it is under way, was sent, or does not exist."""
    async with open_store(folder) as (_, store):
        if not await NoticeOutbox(store).retry(id, clock()):
            raise NeedsPerson(f"Notice {id} is not to be sent again.", advice="See: isthmus notice show")


def _language(project: Project, notice: Notice) -> str:
    own = project.approvals.language(notice.recipient) if project.approvals else ""
    return next(
        word for word in (notice.language, own, project.mail.language if project.mail else "en") if word in LANGUAGES
    )
