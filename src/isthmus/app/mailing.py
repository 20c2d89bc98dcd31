"""Sending what is in the outbox of notices, and taking in what bounces: in every worker, of which one does it.

What happens at a kill: until the mail server has agreed to take a mail, and that is stored, it was surely not sent and
is sent again. Between its data going out and its being stored as sent (some milliseconds) it is not known; then it is
sent again under the same Message-ID, by which mail servers and programs can tell that it is the same. So a notice
arrives at least once, and a second time only when a worker dies in that moment.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from email.errors import MessageError

from jinja2 import TemplateError
from msgspec.structs import replace

from isthmus import events
from isthmus.app.bootstrap import Hub, clock
from isthmus.app.waking import Bell
from isthmus.desk.approval_state import Choice
from isthmus.desk.mail_settings import Mailbox, MailSettings
from isthmus.desk.notices import Notice, NoticeState
from isthmus.errors import IsthmusError, Rejected, Retryable, StoreUnavailable, Unauthorized, UnknownOutcome
from isthmus.mail.compose import compose
from isthmus.mail.imap import mark_read, unread_bounces
from isthmus.mail.links import ANSWER_PATH, Link, new_secret, sign_link
from isthmus.mail.smtp import ConnectionLost, Session, connect
from isthmus.model.state import Problem
from isthmus.store import NoticeOutbox, PostgresStore
from isthmus.sync.outcome import pause

__all__ = ["LINK_SECRET", "Mailer", "hub_address", "link_secret", "serve_mail"]

LINK_SECRET = "approval_link_secret"  # noqa: S105 - its name
"""Name of the fact under which the store keeps what links are signed with."""
LOCK = "notices"
LOOK = 5.0
"""Seconds between looks into the outbox when nothing new is told: for what is to be tried again."""
TOLD = "isthmus_notices"
LOOK_FOR_BOUNCES = 30.0
AGAIN = 5.0
"""Seconds until another worker tries to be the one that sends."""
AT_ONCE = 50
GIVE_UP = timedelta(days=5)
"""As long as mail servers try."""
LINK_DAYS = timedelta(days=30)
"""How long a link is good where its question has no deadline."""


async def link_secret(store: PostgresStore) -> str:
    """What links in mails are signed with: made by the first who asks."""
    return str(await store.made_once(LINK_SECRET, new_secret()))


def hub_address(hub: Hub) -> str:
    """Address of the hub for people's browsers."""
    settings = hub.project.hub
    return settings.public_url or f"http://{settings.host}:{settings.port}"


async def serve_mail(hub: Hub) -> None:
    """Send until cancelled. Without ``[mail]`` what waits is set aside now and then."""
    settings, approvals = hub.project.mail, hub.project.approvals
    outbox = NoticeOutbox(hub.store)
    if settings is None:
        while True:
            await _calmly(outbox.no_mail)
            await asyncio.sleep(LOOK_FOR_BOUNCES)

    def language(address: str) -> str:
        return (approvals.language(address) if approvals else "") or settings.language

    mailer = Mailer(hub.store, settings, address=hub_address(hub), name=hub.project.hub.name, language=language)
    await mailer.run()


async def _calmly(work: Callable[[], Awaitable[object]]) -> None:
    """Do something that can be done later as well when the database is away."""
    try:
        await work()
    except StoreUnavailable as error:
        await asyncio.sleep(error.wait or AGAIN)


class Mailer:
    """The sender of one hub; only the worker that holds the lock sends."""

    def __init__(
        self,
        store: PostgresStore,
        settings: MailSettings,
        *,
        address: str,
        name: str,
        language: Callable[[str], str],
        now: Callable[[], datetime] = clock,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._store, self._outbox, self._settings = store, NoticeOutbox(store), settings
        self._address, self._name, self._language = address, name, language
        self._now, self._jitter = now, jitter
        self._failures = 0
        """Failed connections in a row."""

    async def run(self) -> None:
        """Until cancelled."""
        bell = Bell(self._store, TOLD)
        async with asyncio.TaskGroup() as group:
            group.create_task(bell.listen())
            if self._settings.mailbox is not None:
                group.create_task(self._watch(self._settings.mailbox))
            while True:
                await _calmly(self._look)
                await bell.wait(LOOK)

    async def _look(self) -> None:
        if not await self._mine():
            await asyncio.sleep(AGAIN)
            return
        problem = await self.send_due()
        if problem is not None:
            self._failures += 1
            if self._failures == 1:
                level = logging.ERROR if isinstance(problem, Unauthorized) else logging.WARNING
                events.emit(events.MAIL_DOWN, level, code=problem.code, message=problem.message)
            await asyncio.sleep(pause(self._failures - 1, self._jitter()).total_seconds())

    async def _mine(self) -> bool:
        return await self._store.holds(LOCK) or await self._store.try_lock(LOCK)

    async def send_due(self) -> IsthmusError | None:
        """Send what is due now; why the mail server could not be used, when it could not."""
        due = await self._outbox.due(self._now(), AT_ONCE)
        if not due:
            return None
        secret = await link_secret(self._store)
        try:
            async with connect(self._settings) as session:
                if self._failures:
                    self._failures = 0
                    events.emit(events.MAIL_UP)
                for notice in due:
                    if not await self._send(session, notice, secret):
                        break
        except StoreUnavailable:
            raise
        except (Retryable, Unauthorized) as error:
            # Nobody's fault but the server's: all wait as they are, and the first one says why.
            await self._outbox.save(replace(due[0], problem=_problem(error, self._now())))
            return error
        return None

    async def _send(self, session: Session, notice: Notice, secret: str) -> bool:
        """Send one notice and store what came of it; False when the connection is of no use any more."""
        sending = replace(notice, state=NoticeState.SENDING, attempts=notice.attempts + 1)

        async def agreed() -> None:
            await self._outbox.save(sending)

        try:
            mail = compose(
                notice,
                sender=self._settings.sender,
                domain=self._settings.domain,
                hub=self._name,
                language=self._language(notice.recipient),
                links=self._links(notice, secret),
            )
            await session.send(mail, notice.recipient, agreed)
        except (TemplateError, KeyError, MessageError, ValueError, IndexError) as error:
            # An address or a text that makes no mail.
            await self._refuse(notice, Rejected(f"This makes no mail: {type(error).__name__}: {error}"))
        except Rejected as error:
            await self._refuse(sending, error)
        except UnknownOutcome as error:
            await self._later(sending, error)
            return False
        except (StoreUnavailable, ConnectionLost):
            raise
        except Retryable as error:
            await self._later(replace(sending, state=NoticeState.QUEUED), error)
        else:
            await self._outbox.save(replace(sending, state=NoticeState.SENT, sent_at=self._now(), problem=None))
            events.emit(events.NOTICE_SENT, notice=notice.id, milestone=notice.milestone)
        return True

    async def _later(self, notice: Notice, error: IsthmusError) -> None:
        now = self._now()
        if now - notice.queued_at > GIVE_UP:
            await self._refuse(notice, error)
            return
        next_at = now + pause(notice.attempts - 1, self._jitter())
        await self._outbox.save(replace(notice, next_at=next_at, problem=_problem(error, now)))
        events.emit(events.NOTICE_RETRY, logging.WARNING, notice=notice.id, code=error.code, attempts=notice.attempts)

    async def _refuse(self, notice: Notice, error: IsthmusError) -> None:
        problem = _problem(error, self._now())
        await self._outbox.save(replace(notice, state=NoticeState.REFUSED, problem=problem))
        events.emit(events.NOTICE_REFUSED, logging.ERROR, notice=notice.id, code=error.code)

    def _links(self, notice: Notice, secret: str) -> Mapping[str, str]:
        """Addresses by which the reader answers, where the notice asks for an answer."""
        if notice.milestone != "approval_needed":
            return {}
        context = notice.context
        until = context.get("until") or int((notice.queued_at + LINK_DAYS).timestamp())
        place = (str(context["request"]), int(context["stage"]), bool(context["escalated"]))
        links = {choice: Link(*place, notice.recipient, choice, int(until)) for choice in Choice}
        return {str(choice): self._address + ANSWER_PATH + sign_link(link, secret) for choice, link in links.items()}

    async def _watch(self, mailbox: Mailbox) -> None:
        """Look for bounces until cancelled."""
        failures = 0
        while True:
            try:
                if await self._store.holds(LOCK):
                    await self.take_bounces(mailbox)
                failures = 0
                wait = LOOK_FOR_BOUNCES
            except StoreUnavailable as error:
                wait = error.wait or AGAIN
            except Retryable as error:
                failures += 1
                if failures == 1:
                    events.emit(events.MAIL_DOWN, logging.WARNING, code=error.code, message=error.message)
                wait = pause(failures + 4, self._jitter()).total_seconds()
            await asyncio.sleep(wait)

    async def take_bounces(self, mailbox: Mailbox) -> int:
        """Take unread bounces in; how many were news. Raises :class:`Unavailable`."""
        found = await asyncio.to_thread(unread_bounces, mailbox, self._settings.domain)
        news = 0
        for _, bounce in found:
            if bounce is None:
                continue
            problem = Problem(code="bounced", message=f"{bounce.recipient}: {bounce.reason}", at=self._now())
            if await self._outbox.bounced(bounce.notice, problem):
                news += 1
                events.emit(events.NOTICE_BOUNCED, logging.WARNING, notice=bounce.notice)
        if found:
            # Only now: killed before this, the same mail is read again, and is no news.
            await asyncio.to_thread(mark_read, mailbox, [uid for uid, _ in found])
        return news


def _problem(error: IsthmusError, now: datetime) -> Problem:
    return Problem(code=error.code, message=error.message, advice=error.advice, at=now)
