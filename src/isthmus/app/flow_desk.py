"""Changing a flow: a draft that is kept while somebody types, a proposal, its review by somebody else.

Nothing here touches the project's folder. What was approved is brought there, and into force, by every process of the
hub (:mod:`.flow_approved`, :mod:`.renewing`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import msgspec

from isthmus.app.access import Access, Principal
from isthmus.app.bootstrap import clock, new_id
from isthmus.app.flow_check import FlowCheck, check_flow
from isthmus.app.flow_files import file_text, unix_lines
from isthmus.app.flow_history import earlier_file
from isthmus.errors import Conflict, NeedsPerson
from isthmus.project import FlowSource, Project
from isthmus.store import ChangeState, FlowChange, FlowChanges, PostgresStore, Reads

__all__ = ["EditView", "FlowDesk", "Review"]

LONGEST = 100_000
"""Characters of a flow's text."""
LONGEST_NOTE = 1000
AT_WORK = timedelta(days=1)
"""For how long somebody counts as editing a flow after the last letter."""


class EditView(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody needs who edits a flow."""

    flow: str
    file: str
    source: FlowSource
    draft: FlowChange | None
    """What this person has typed so far; None: nothing yet."""
    text: str
    present: str | None
    """The file as it is in the folder now."""
    others: Sequence[FlowChange]
    """Drafts of other people who are at it."""
    proposed: Sequence[FlowChange]
    """Changes of this flow that wait for a review."""

    @property
    def edits(self) -> int:
        """For :meth:`FlowDesk.save`."""
        return self.draft.edits if self.draft is not None else 0

    @property
    def overtaken(self) -> bool:
        """The file has another text than when the draft was begun."""
        return self.draft is not None and self.draft.base != self.present

    @property
    def by_hand(self) -> bool:
        """The file was edited in the folder since the hub read it."""
        known = self.source.content
        return self.present != (known if known is None else unix_lines(known))


class Review(msgspec.Struct, frozen=True, kw_only=True):
    """A change as whoever reviews it sees it."""

    change: FlowChange
    check: FlowCheck
    overtaken: bool
    """The file has another text than the change was made from: it cannot be approved."""
    own: bool
    """Whoever looks made it, and somebody else must approve."""


class FlowDesk:
    """The use cases, for one person."""

    def __init__(
        self,
        store: PostgresStore,
        project: Project,
        me: Principal,
        *,
        now: Callable[[], datetime] = clock,
        ids: Callable[[], str] = new_id,
    ) -> None:
        self._store, self._project, self._me, self._now, self._ids = store, project, me, now, ids
        self._changes, self._access = FlowChanges(store), Access(store, now=now)

    # -- writing ---------------------------------------------------------------------------------------------------

    async def open(self, flow: str) -> EditView:
        """The flow as this person left it. Raises ``NeedsPerson`` for one that there is not."""
        source, file = self._source(flow), self._file(flow)
        present = await asyncio.to_thread(file_text, self._project.folder, file)
        draft = await self._changes.draft(flow, self._me.login)
        drafts = await self._changes.find(flow, [ChangeState.DRAFT])
        start = present if present is not None else source.start(flow)
        return EditView(
            flow=flow,
            file=file,
            source=source,
            draft=draft,
            text=draft.content or "" if draft is not None else start,
            present=present,
            others=[one for one in drafts if one.made_by != self._me.login and self._now() - one.saved_at < AT_WORK],
            proposed=await self._changes.find(flow, [ChangeState.PROPOSED]),
        )

    async def save(self, flow: str, text: str, edits: int) -> EditView:
        """Keep what was typed. ``edits``: how often it was saved when this window last saw it. Raises ``Conflict`` when
        another window of the same person has saved something else since."""
        text = _clean(text)
        view = await self.open(flow)
        if view.text == text:
            return view
        if view.draft is None:
            if edits:
                raise Conflict("This draft was thrown away or proposed meanwhile.", advice="Open the page anew.")
            await self._begin(view, text)
        elif await self._changes.save_draft(view.draft.id, text, edits, self._now()) is None:
            raise Conflict(
                "Another window of yours has changed this draft.",
                advice="Copy what you typed, then open the page anew.",
            )
        return await self.open(flow)

    async def _begin(self, view: EditView, text: str) -> None:
        made = await self._changes.add(
            id=self._ids(),
            flow=view.flow,
            file=view.file,
            base=view.present,
            content=text,
            by=self._me.login,
            now=self._now(),
        )
        if made is None:
            raise Conflict("Another window of yours has begun a draft.", advice="Open the page anew.")

    async def take_in(self, flow: str) -> None:
        """What the file holds by now has been looked at: the draft is a change of that from now on."""
        view = await self.open(flow)
        if view.draft is not None:
            await self._changes.rebase(view.draft.id, view.present, self._now())

    async def discard(self, flow: str) -> None:
        """Throw this person's draft away."""
        draft = await self._changes.draft(flow, self._me.login)
        if draft is not None:
            await self._changes.drop(draft.id)

    async def check(self, flow: str, text: str | None) -> FlowCheck:
        """What is wrong with a text, or the project with it."""
        self._source(flow)
        return await asyncio.to_thread(check_flow, self._project.folder, flow, self._file(flow), text)

    # -- proposing -------------------------------------------------------------------------------------------------

    async def propose(self, flow: str, note: str, edits: int) -> FlowChange:
        """Let this person's draft wait for its review. Raises ``NeedsPerson`` when it cannot be in force."""
        view = await self.open(flow)
        if view.draft is None or view.draft.content == view.present:
            raise NeedsPerson("There is nothing to propose: the text is as the file has it.")
        if view.overtaken:
            raise Conflict("The file has changed since you began.", advice="Look at what is new there first.")
        await self._checked(flow, view.draft.content)
        await self._access.note(
            self._me.login, "flow change proposed", flow, {"change": view.draft.id, "note": _note(note)}
        )
        made = await self._changes.propose(view.draft.id, _note(note), edits, self._now())
        if made is None:
            raise Conflict("Another window of yours has changed this draft.", advice="Open the page anew.")
        return made

    async def propose_text(self, flow: str, text: str, note: str) -> FlowChange:
        """Propose a whole text at once, without a draft."""
        return await self._propose(flow, _clean(text), note)

    async def propose_version(self, flow: str, number: int) -> FlowChange:
        """Propose to go back to an earlier version."""
        versions = await Reads(self._store).flow_versions(flow)
        version = next((one for one in versions if one.number == number), None)
        if version is None:
            raise NeedsPerson(f"There is no version {number} of flow '{flow}'.")
        instead = earlier_file(self._project, version)
        if self._file(flow) not in instead:
            raise NeedsPerson("The flow is as it was then already.")
        return await self._propose(flow, instead[self._file(flow)], f"Back to version {number}.")

    async def _propose(self, flow: str, text: str | None, note: str) -> FlowChange:
        view = await self.open(flow)
        if text == view.present:
            raise NeedsPerson("There is nothing to propose: the text is as the file has it.")
        await self._checked(flow, text)
        id = self._ids()
        await self._access.note(self._me.login, "flow change proposed", flow, {"change": id, "note": _note(note)})
        made = await self._changes.add(
            id=id,
            flow=flow,
            file=view.file,
            base=view.present,
            content=text,
            by=self._me.login,
            now=self._now(),
            state=ChangeState.PROPOSED,
            note=_note(note),
        )
        assert made is not None, "only drafts are single"
        return made

    async def _checked(self, flow: str, text: str | None) -> FlowCheck:
        check = await self.check(flow, text)
        if check.faults:
            first = check.faults[0]
            where = f"{first.file}:{first.line}:{first.column}: " if first.line else ""
            raise NeedsPerson(f"{where}{first.message}", advice=first.advice)
        if check.failures:
            raise NeedsPerson(f"An example does not hold: {check.failures[0]}")
        return check

    # -- reviewing -------------------------------------------------------------------------------------------------

    async def changes(self, flow: str | None = None, limit: int = 20) -> list[FlowChange]:
        """What was proposed, and what came of it; the newest first."""
        return await self._changes.find(flow, [one for one in ChangeState if one is not ChangeState.DRAFT], limit)

    async def review(self, id: str) -> Review | None:
        """One of them; None for one that there is not."""
        change = await self._changes.one(id)
        if change is None or change.state is ChangeState.DRAFT:
            return None
        waits = change.state is ChangeState.PROPOSED
        check = await self.check(change.flow, change.content) if waits else FlowCheck()
        present = await asyncio.to_thread(file_text, self._project.folder, change.file)
        return Review(
            change=change,
            check=check,
            overtaken=waits and present != change.base,
            own=self._needs_another and change.made_by == self._me.login,
        )

    async def approve(self, id: str, answer: str = "") -> FlowChange:
        """Let it come into force. Raises ``NeedsPerson`` when it cannot, or when somebody else must do this."""
        review = await self.review(id)
        if review is None or review.change.state is not ChangeState.PROPOSED:
            raise NeedsPerson("This change does not wait for a review.")
        if review.own:
            raise NeedsPerson("Somebody else must approve it.", advice="You made it yourself.")
        if review.overtaken:
            raise Conflict(
                "The file has changed since this change was made.", advice="Have it made anew from what is there now."
            )
        await self._checked(review.change.flow, review.change.content)
        return await self._decide(review.change, ChangeState.APPROVED, "approved", answer)

    async def refuse(self, id: str, answer: str) -> FlowChange:
        """Do not let it come into force; ``answer`` says why."""
        change = await self._waiting(id)
        if not _note(answer):
            raise NeedsPerson("Say why, for whoever made it.")
        return await self._decide(change, ChangeState.REFUSED, "refused", answer)

    async def withdraw(self, id: str) -> FlowChange:
        """Take one's own back."""
        change = await self._waiting(id)
        if change.made_by != self._me.login:
            raise NeedsPerson("Only whoever made it can take it back.", advice="Refuse it instead.")
        return await self._decide(change, ChangeState.WITHDRAWN, "withdrawn", "")

    async def _waiting(self, id: str) -> FlowChange:
        change = await self._changes.one(id)
        if change is None or change.state is not ChangeState.PROPOSED:
            raise NeedsPerson("This change does not wait for a review.")
        return change

    async def _decide(self, change: FlowChange, state: ChangeState, word: str, answer: str) -> FlowChange:
        detail = {"change": change.id, "made_by": change.made_by, "answer": _note(answer)}
        await self._access.note(self._me.login, f"flow change {word}", change.flow, detail)
        decided = await self._changes.decide(change.id, state, by=self._me.login, answer=_note(answer), now=self._now())
        if decided is None and (now := await self._changes.one(change.id)) and now.state is ChangeState.PROPOSED:
            raise Conflict(
                "A change of this flow was approved and is not in force yet.",
                advice="Wait until it is (a hub must run), then look at this one again.",
            )
        if decided is None:
            raise Conflict("Somebody was faster.", advice="Look at what was decided.")
        return decided

    # -- what it is about ------------------------------------------------------------------------------------------

    @property
    def _needs_another(self) -> bool:
        return self._project.hub.flow_review != "one person"

    def _source(self, flow: str) -> FlowSource:
        source = self._project.sources.get(flow)
        if source is None:
            known = ", ".join(sorted(self._project.sources))
            raise NeedsPerson(f"There is no flow '{flow}'.", advice=f"Known: {known}.")
        return source

    def _file(self, flow: str) -> str:
        return self._source(flow).file or f"flows/{flow}.yaml"


def _clean(text: str) -> str:
    if len(text) > LONGEST:
        raise NeedsPerson(f"A flow's text may have at most {LONGEST} characters.")
    if "\0" in text:
        raise NeedsPerson("The text holds a character that no file may hold (NUL).")
    return unix_lines(text)


def _note(text: str) -> str:
    """What people say beside it, as it is kept."""
    return text.replace("\0", "").strip()[:LONGEST_NOTE]
