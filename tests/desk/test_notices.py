"""The outbox on PostgreSQL and a real mail server: once each, whatever happens to server and worker."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from isthmus.app.mailing import Mailer
from isthmus.desk.notices import Notice, NoticeState, queue_notice
from isthmus.errors import Unavailable
from isthmus.store import NoticeOutbox, PostgresStore
from tests.desk.asking import Desk, ask
from tests.desk.rules import RULES
from tests.mail_fixtures import PostOffice

pytestmark = [pytest.mark.lab, pytest.mark.flow("MAIL-1")]

NOW = datetime(2031, 5, 6, 7, 0, tzinfo=UTC)


class Outbox:
    """A sender whose time moves by hand."""

    def __init__(self, store: PostgresStore, post: PostOffice) -> None:
        self.store, self.post, self.now = store, post, NOW
        self.rows = NoticeOutbox(store)
        self.mailer = self.worker()

    def worker(self) -> Mailer:
        return Mailer(
            self.store,
            self.post.settings(),
            address="https://hub.example",
            name="lab",
            language=lambda address: RULES.language(address) or "en",
            now=lambda: self.now,
            jitter=lambda: 0.0,
        )

    async def queue(self, to: str, milestone: str = "order_confirmed", key: str = "SO1", **more: Any) -> bool:
        async with self.store.transaction() as tx:
            return await queue_notice(
                tx, milestone, document="SalesOrder", key=key, recipient=to, context={}, now=self.now, **more
            )

    async def only(self, to: str) -> Notice:
        [found] = await self.rows.notices(None, to, 10)
        return found


@pytest.fixture
def outbox(store: PostgresStore, post: PostOffice) -> Outbox:
    return Outbox(store, post)


async def test_a_notice_is_sent_once_however_often_it_is_queued(outbox: Outbox) -> None:
    to = outbox.post.address("buyer")
    assert await outbox.queue(to)
    assert not await outbox.queue(to.upper())
    for _ in range(2):
        assert await outbox.mailer.send_due() is None
    assert not await outbox.queue(to)
    assert await outbox.mailer.send_due() is None
    [mail] = await asyncio.to_thread(outbox.post.mails, to)
    assert mail["Subject"] == "Order SO1: confirmed"
    assert mail["To"] == to
    found = await outbox.only(to)
    assert (found.state, found.attempts, found.sent_at) == (NoticeState.SENT, 1, NOW)


async def test_what_is_rolled_back_is_not_told(outbox: Outbox) -> None:
    to = outbox.post.address("buyer")

    async def fail() -> None:
        async with outbox.store.transaction() as tx:
            await queue_notice(
                tx, "delivered", document="SalesOrder", key="SO1", recipient=to, context={}, now=outbox.now
            )
            raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        await fail()
    assert await outbox.rows.notices(None, to, 10) == []


async def test_notices_about_one_document_are_one_thread(outbox: Outbox) -> None:
    to, other = outbox.post.address("buyer"), outbox.post.address("clerk")
    for milestone in ("order_confirmed", "dispatched", "delivered"):
        await outbox.queue(to, milestone)
    await outbox.queue(to, "dispatched", detail="2")
    await outbox.queue(to, key="SO2")
    await outbox.queue(other)
    await outbox.mailer.send_due()
    mails = await asyncio.to_thread(outbox.post.mails, to)
    [first] = [mail["Message-ID"] for mail in mails if mail["Subject"] == "Order SO1: confirmed"]
    answers = {str(mail["Subject"]): mail["In-Reply-To"] for mail in mails}
    assert answers == {
        "Order SO1: confirmed": None,
        "Order SO1: dispatched": first,
        "Order SO1: delivered": first,
        "Order SO2: confirmed": None,
    }
    assert len({mail["Message-ID"] for mail in mails}) == 5
    [mail] = await asyncio.to_thread(outbox.post.mails, other)
    assert mail["In-Reply-To"] is None


async def test_people_are_told_in_their_language(outbox: Outbox) -> None:
    to = outbox.post.address("buyer")
    await outbox.queue(to, language="zh")
    await outbox.mailer.send_due()
    [mail] = await asyncio.to_thread(outbox.post.mails, to)
    assert mail["Subject"] == "订单 SO1：已确认"


async def test_a_server_that_is_down_loses_nothing_and_doubles_nothing(outbox: Outbox) -> None:
    addresses = [outbox.post.address(f"buyer{number}") for number in range(5)]
    outbox.post.system.kill()
    for to in addresses:
        await outbox.queue(to)
    for _ in range(3):
        problem = await outbox.mailer.send_due()
        assert isinstance(problem, Unavailable)
        outbox.now += timedelta(hours=30)
    told = [await outbox.only(to) for to in addresses]
    assert {one.state for one in told} == {NoticeState.QUEUED}
    assert any("cannot be used" in one.problem.message for one in told if one.problem), "people see why it waits"
    await asyncio.to_thread(outbox.post.system.start)
    assert await outbox.mailer.send_due() is None
    for to in addresses:
        assert len(await asyncio.to_thread(outbox.post.mails, to)) == 1
        found = await outbox.only(to)
        assert (found.state, found.problem) == (NoticeState.SENT, None)


async def test_a_greylisted_notice_is_tried_again_with_growing_pauses(outbox: Outbox) -> None:
    to = outbox.post.address("later")
    await outbox.queue(to)
    waits = []
    for _ in range(2):
        await outbox.mailer.send_due()
        found = await outbox.only(to)
        assert found.state is NoticeState.QUEUED
        assert found.problem is not None
        assert "451 4.7.1 Greylisted" in found.problem.message
        waits.append(found.next_at - outbox.now)
        await outbox.mailer.send_due()
        assert (await outbox.only(to)).attempts == found.attempts, "not before its time"
        outbox.now = found.next_at
    assert waits[1] > waits[0]
    await outbox.mailer.send_due()
    assert (await outbox.only(to)).state is NoticeState.SENT
    assert len(await asyncio.to_thread(outbox.post.mails, to)) == 1


async def test_after_five_days_it_is_given_up_and_can_be_sent_again(outbox: Outbox) -> None:
    to = outbox.post.address("later")
    await outbox.queue(to)
    outbox.now += timedelta(days=6)
    await outbox.mailer.send_due()
    found = await outbox.only(to)
    assert found.state is NoticeState.REFUSED
    assert await outbox.rows.retry(found.id, outbox.now)
    await outbox.mailer.send_due()
    assert (await outbox.only(to)).state is NoticeState.QUEUED, "the second of two tries that are put off"


async def test_a_refused_notice_says_why_and_holds_up_nobody(outbox: Outbox) -> None:
    to, other, none = outbox.post.address("refused"), outbox.post.address("buyer"), "no address"
    foreign = outbox.post.address("übung")
    for address in (to, none, foreign, other):
        await outbox.queue(address)
    assert await outbox.mailer.send_due() is None
    refused, broken = await outbox.only(to), await outbox.only(none)
    assert (await outbox.only(foreign)).state is NoticeState.REFUSED, "names beyond ASCII need a server that has them"
    assert refused.problem is not None
    assert (refused.state, "No such user here" in refused.problem.message) == (NoticeState.REFUSED, True)
    assert broken.state is NoticeState.REFUSED
    assert len(await asyncio.to_thread(outbox.post.mails, other)) == 1


async def test_a_bounce_is_found_and_shown(outbox: Outbox) -> None:
    to = outbox.post.address("full")
    await outbox.queue(to)
    await outbox.mailer.send_due()
    mailbox = outbox.post.settings().mailbox
    assert mailbox is not None
    assert await outbox.mailer.take_bounces(mailbox) == 1
    assert await outbox.mailer.take_bounces(mailbox) == 0
    found = await outbox.only(to)
    assert found.state is NoticeState.BOUNCED
    assert found.problem is not None
    assert found.problem.message == f"{to}: 552 5.2.2 Mailbox full"
    assert not await outbox.queue(to), "what came back is not sent again by itself"


async def test_two_workers_send_each_notice_once(outbox: Outbox, database_url: str) -> None:
    addresses = [outbox.post.address(f"buyer{number}") for number in range(10)]
    for to in addresses:
        await outbox.queue(to)
    async with await PostgresStore.open(database_url) as second:
        other = Outbox(second, outbox.post)
        tasks = [asyncio.create_task(one.mailer.run()) for one in (outbox, other)]
        for _ in range(300):
            if len(await outbox.rows.notices(NoticeState.SENT, None, 50)) == len(addresses):
                break
            await asyncio.sleep(0.1)
        await asyncio.sleep(0.5)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for to in addresses:
        assert len(await asyncio.to_thread(outbox.post.mails, to)) == 1


class Killed(BaseException):
    """The worker is no more."""


@pytest.mark.parametrize("moment", ["before it is stored that the data goes", "after it is stored"])
async def test_a_worker_that_dies_before_the_data_doubles_nothing(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    to = outbox.post.address("buyer")
    await outbox.queue(to)
    save = NoticeOutbox.save

    async def dying(self: NoticeOutbox, notice: Notice) -> None:
        if moment.startswith("after"):
            await save(self, notice)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(NoticeOutbox, "save", dying)
        with pytest.raises(Killed):
            await outbox.mailer.send_due()
    await outbox.worker().send_due()
    assert len(await asyncio.to_thread(outbox.post.mails, to)) == 1
    assert (await outbox.only(to)).state is NoticeState.SENT


async def test_a_worker_that_dies_after_the_data_sends_the_same_mail_again(outbox: Outbox) -> None:
    """The one moment of doubt: both carry one Message-ID, so that the second can be dropped."""
    to = outbox.post.address("slow")
    await outbox.queue(to)
    sending = asyncio.create_task(outbox.mailer.send_due())
    await asyncio.to_thread(outbox.post.wait_for, to)
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    assert (await outbox.only(to)).state is NoticeState.SENDING
    await outbox.worker().send_due()
    one, other = await asyncio.to_thread(outbox.post.mails, to)
    assert one["Message-ID"] == other["Message-ID"]
    assert one["Date"] == other["Date"]
    assert (await outbox.only(to)).attempts == 2


async def test_without_mail_notices_are_set_aside_until_somebody_wants_them(outbox: Outbox) -> None:
    to = outbox.post.address("buyer")
    await outbox.queue(to)
    assert await outbox.rows.no_mail() == 1
    await outbox.mailer.send_due()
    found = await outbox.only(to)
    assert found.state is NoticeState.OFF
    assert await outbox.rows.retry(found.id, outbox.now)
    await outbox.mailer.send_due()
    assert len(await asyncio.to_thread(outbox.post.mails, to)) == 1
    assert not await outbox.rows.retry(found.id, outbox.now), "what was sent is not sent again"


async def test_a_request_asks_by_mail_with_links(outbox: Outbox) -> None:
    desk = Desk(outbox.store)
    await desk.request(ask(id=f"so-{outbox.post.address('x')}"))
    await outbox.mailer.send_due()
    sent = await outbox.rows.notices(NoticeState.SENT, "anna@lab.example", 1)
    mails = [m for m in await asyncio.to_thread(outbox.post.mails, "anna@lab.example") if sent[0].id in m["Message-ID"]]
    [mail] = mails
    text = mail.get_body(("plain",))
    assert text is not None
    said = text.get_content()
    assert "Approve: https://hub.example/approve/" in said
    assert "Refuse: https://hub.example/approve/" in said
    stored = repr(await outbox.rows.notice(sent[0].id))
    token = said.split("/approve/")[1].split()[0]
    assert token not in stored, "the database holds no links"
