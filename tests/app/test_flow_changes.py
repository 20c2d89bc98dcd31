"""Changing a flow: drafts, review by somebody else, and a running hub that goes on with it (CH-5)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from isthmus.app.access import Principal
from isthmus.app.bootstrap import clock, open_hub, read_project
from isthmus.app.flow_approved import bring_up, in_force
from isthmus.app.flow_desk import FlowDesk
from isthmus.app.flow_files import file_text, take_up
from isthmus.app.flow_preview import Samples, preview_record
from isthmus.app.job_desk import JobDesk
from isthmus.app.job_work import do_job
from isthmus.app.renewing import changed_project
from isthmus.errors import Conflict, NeedsPerson
from isthmus.store import ChangeState, FlowChange, FlowChanges, Jobs, PostgresStore, Reads
from isthmus.sync.world import World
from tests.app.twin_office import FLOW, Twin, Workers, make_project, served
from tests.store.examples import NOW

PHONE = "  phone: {crm: phone, erp: phone}\n"
BARE = FLOW.replace(PHONE, "")
LOWER = FLOW.replace(
    "  email: {crm: email, erp: email}", "  email: {crm: {path: email, as: lowercase}, erp: email}  # as typed"
)
ENGINEER = frozenset({"engineer"})
ANNA = Principal(login="anna@office.example", name="Anna", roles=ENGINEER)
BO = Principal(login="bo@office.example", name="Bo", roles=ENGINEER)


async def until(condition: Callable[[], bool | Awaitable[bool]], seconds: float = 120) -> None:
    async with asyncio.timeout(seconds):
        while True:
            held = condition()
            if held if isinstance(held, bool) else await held:
                return
            await asyncio.sleep(0.1)


def shown(twin: Twin) -> set[tuple[object, object]]:
    return {(row.get("email"), row.get("phone")) for row in twin.rows.values()}


async def into_force(folder: Path, store: PostgresStore) -> None:
    """What a process of the hub does."""
    await bring_up(folder, store)
    await in_force(read_project(folder), store, clock())


def project_in(folder: Path, url: str) -> Path:
    """Where the phone is not kept in step yet."""
    project = make_project(folder, url)
    (project / "flows" / "customer.yaml").write_text(BARE)
    return project


@pytest.mark.flow("CH-5")
@pytest.mark.timeout(400)
async def test_a_running_hub_and_its_workers_go_on_with_a_flow_that_was_approved(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    crm, erp = Twin("crm", 0.0), Twin("erp", 0.0)
    key = crm.save(None, {"vat": "V1", "name": "One", "email": "One@Example.COM", "phone": "1"})
    monkeypatch.setenv("ISTHMUS_DATABASE_URL", database_url)
    async with served(crm, erp) as url, await PostgresStore.open(database_url) as store:
        folder = project_in(tmp_path / "project", url)
        # Another machine with a folder of its own.
        elsewhere = project_in(tmp_path / "elsewhere", url)
        pages = project_in(tmp_path / "pages", url)
        workers = Workers(folder, database_url)
        other, web = Workers(elsewhere, database_url), Workers(pages, database_url)
        try:
            first, second = await workers.start("run"), await other.start("worker")
            await web.start("web")
            await until(lambda: shown(erp) == {("One@Example.COM", None)})

            project = read_project(folder)
            anna, bo = FlowDesk(store, project, ANNA), FlowDesk(store, project, BO)
            view = await anna.save("customer", LOWER.replace("\n", "\r\n"), 0)
            change = await anna.propose("customer", "Mail addresses in small letters", view.edits)
            with pytest.raises(NeedsPerson, match="Somebody else"):
                await anna.approve(change.id)

            # A dry run of it shows both sides and touches neither.
            writes = (crm.writes, erp.writes)
            desk = JobDesk(store, World(project.flows, project.converters), BO)
            job = await desk.preview("customer", change.id)

            async def done() -> bool:
                found = await Jobs(store).one(job.id)
                return found is not None and found.done_at is not None

            await until(done)
            under_way, made = await desk.latest_preview("customer", change.id)
            assert under_way is None
            assert made is not None
            assert (made.problem, made.result["counts"]["erp"]["customer"]) == ("", {"update": 1})
            assert (crm.writes, erp.writes) == writes
            assert file_text(folder, "flows/customer.yaml") == BARE

            await bo.approve(change.id, "right")
            await until(lambda: shown(erp) == {("One@Example.COM", "1")})
            await until(lambda: file_text(elsewhere, "flows/customer.yaml") == LOWER)
            await until(lambda: file_text(pages, "flows/customer.yaml") == LOWER)
            await until(lambda: file_text(folder, "flows/customer.yaml") == LOWER)
            crm.save(key, {"email": "Two@Example.COM"})
            await until(lambda: shown(erp) == {("two@example.com", "1")})
            assert (first.returncode, second.returncode) == (None, None)

            async def noted() -> bool:
                return (await FlowChanges(store).find("customer"))[0].in_force_at is not None

            await until(noted)
            (found,) = await FlowChanges(store).find("customer")
            assert (found.state, found.decided_by, found.problem) == (ChangeState.APPROVED, BO.login, "")
            versions = await Reads(store).flow_versions("customer")
            assert [(v.content == LOWER, v.by) for v in versions][1:] == [(True, ANNA.login)]

            # From a terminal, too.
            (told,) = await workers.ask("flow", "changes", "customer")
            assert (told["id"], told["state"], told["made_by"]) == (change.id, "approved", ANNA.login)
            (tmp_path / "next.yaml").write_text(LOWER + "# more\n")
            text = await workers.ask("flow", "propose", "customer", str(tmp_path / "next.yaml"), "--by", ANNA.login)
            ahead = await workers.ask("flow", "preview", "customer", "--change", text["id"])
            assert (ahead["counts"], ahead["problems"]) == ({}, {})
            no = await workers.ask("flow", "refuse", text["id"], "--note", "why?", "--by", BO.login)
            assert (no["state"], no["answer"]) == ("refused", "why?")

            # The way back is a change like any other.
            project = read_project(folder)
            back = await FlowDesk(store, project, BO).propose_version("customer", 1)
            assert back.content == BARE
            await FlowDesk(store, project, ANNA).approve(back.id)
            await until(lambda: file_text(folder, "flows/customer.yaml") == BARE)
            crm.save(key, {"email": "Three@Example.COM", "phone": "3"})
            await until(lambda: shown(erp) == {("Three@Example.COM", "1")})
        finally:
            await workers.close()
            await other.close()
            await web.close()
            print(workers.log.read_text()[-6000:], other.log.read_text()[-3000:])


@pytest.mark.flow("CH-5")
@pytest.mark.timeout(200)
async def test_a_record_shows_what_a_text_would_do_to_it_and_nothing_is_written(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    crm, erp = Twin("crm", 0.0), Twin("erp", 0.0)
    crm.save(None, {"vat": "V1", "name": "One", "email": "One@Example.COM", "phone": "1"})
    monkeypatch.setenv("ISTHMUS_DATABASE_URL", database_url)
    async with served(crm, erp) as url:
        folder = project_in(tmp_path / "project", url)
        await Workers(folder, database_url).ask("sync", "--yes")
        writes = (crm.writes, erp.writes)
        async with open_hub(folder) as hub:
            (item,) = await Reads(hub.store).latest_items(5)
            samples = Samples(Reads(hub.store), hub.engine.systems, hub.engine.pauses)
            before = await Reads(hub.store).links_of_items([item.id])

            async def tried(text: str) -> dict[str, object]:
                project = read_project(folder, instead={"flows/customer.yaml": text})
                world = World(project.flows, project.converters, project.entities)
                sample = await samples.take("customer", item.id, clock())
                view = await preview_record(hub.store, ANNA, hub.world, world, sample, clock())
                sides = {side.system: side for side in view.sides}
                return {
                    "read": {(s, r.name): r.new for s, side in sides.items() for r in side.reads if r.changed},
                    "questions": list(view.questions),
                    "hub": {row.name: (row.old, row.new) for row in view.hub},
                    "steps": {s: (str(side.old_step), str(side.new_step)) for s, side in sides.items()},
                    "writes": {s: list(side.writes) for s, side in sides.items() if side.writes},
                    "made": {(s, r.name) for s, side in sides.items() for r in side.made},
                    "asks": list(view.questions),
                }

            same = await tried(BARE)
            assert same["steps"] == {"crm": ("nothing", "nothing"), "erp": ("nothing", "nothing")}
            assert (same["read"], same["hub"], same["writes"], same["made"]) == ({}, {}, {}, set())

            # Another case is the same fact: it is read so, and nothing that is there is written.
            lower = await tried(LOWER.replace(PHONE, ""))
            assert lower["read"] == {("crm", "email"): "one@example.com"}
            assert (lower["hub"], lower["writes"]) == ({}, {})

            more = await tried(FLOW)
            assert more["read"] == {("crm", "phone"): "1"}
            assert more["hub"] == {"phone": (None, "1")}
            assert more["steps"] == {"crm": ("nothing", "nothing"), "erp": ("nothing", "update")}
            assert more["writes"] == {"erp": [("phone", None, None, "1")]}
            assert more["made"] == {("crm", "phone"), ("erp", "phone")}

            gone = await tried(BARE.replace("  email: {crm: email, erp: email}\n", ""))
            assert gone["read"] == {("crm", "email"): None, ("erp", "email"): None}
            assert gone["writes"] == {}

            # The ERP's mail would be kept where it has another value: met as at first contact.
            moved = await tried(BARE.replace("erp: email}", "erp: name}"))
            assert (moved["hub"], moved["writes"]) == ({}, {})
            assert moved["questions"] == ["email of One: changed in erp and elsewhere since they last agreed."]
            assert await Reads(hub.store).links_of_items([item.id]) == before
            calls = crm.calls
            await tried(LOWER)
            assert crm.calls == calls, "typing calls no far system"
        assert (crm.writes, erp.writes) == writes


async def test_what_was_typed_is_kept_and_two_people_are_told_of_each_other(
    tmp_path: Path, store: PostgresStore
) -> None:
    folder = make_project(tmp_path / "project", "http://127.0.0.1:1")
    project = read_project(folder)
    anna, bo = FlowDesk(store, project, ANNA), FlowDesk(store, project, BO)
    assert (await anna.save("customer", FLOW, 0)).draft is None, "nothing was typed"
    broken = FLOW.replace("entity: Customer", "entity: Custmer")
    one = await anna.save("customer", broken, 0)
    assert (one.edits, one.text) == (0, broken)
    two = await anna.save("customer", LOWER, one.edits)
    assert (await anna.open("customer")).text == LOWER
    with pytest.raises(Conflict, match="Another window"):
        await anna.save("customer", broken, one.edits)
    assert (await anna.open("customer")).text == LOWER
    seen = await bo.open("customer")
    assert seen.text == FLOW
    assert [other.made_by for other in seen.others] == [ANNA.login]

    # Bo is approved first; Anna is told, keeps her text, and takes in what he did.
    his = FLOW.replace("owner: crm", "owner: erp")
    change = await bo.propose_text("customer", his, "the ERP names them")
    assert [one.id for one in (await anna.open("customer")).proposed] == [change.id]
    await anna.approve(change.id)
    await into_force(folder, store)
    late = await anna.open("customer")
    assert (late.overtaken, late.text, late.present) == (True, LOWER, his)
    with pytest.raises(Conflict, match="has changed since you began"):
        await anna.propose("customer", "", late.edits)
    await anna.take_in("customer")
    assert not (await anna.open("customer")).overtaken
    assert two.draft is not None

    # Both propose from the same text: the second one cannot be approved over the first.
    mine = await anna.save("customer", his + "# anna\n", (await anna.open("customer")).edits)
    hers = await anna.propose("customer", "", mine.edits)
    his_second = await bo.propose_text("customer", his + "# bo\n", "")
    await bo.approve(hers.id)
    # Before anybody can know what it would be laid over, the next one waits.
    with pytest.raises(Conflict, match="not in force yet"):
        await anna.approve(his_second.id)
    await into_force(folder, store)
    with pytest.raises(Conflict, match="has changed since"):
        await anna.approve(his_second.id)
    assert file_text(folder, "flows/customer.yaml") == his + "# anna\n"
    await bo.withdraw(his_second.id)
    with pytest.raises(NeedsPerson, match="does not wait"):
        await anna.refuse(his_second.id, "too late")


async def test_a_change_with_faults_is_not_proposed_and_one_person_may_do_where_the_project_says_so(
    tmp_path: Path, store: PostgresStore
) -> None:
    folder = make_project(tmp_path / "project", "http://127.0.0.1:1")
    settings = (folder / "isthmus.toml").read_text()
    (folder / "isthmus.toml").write_text(settings.replace("[hub]\n", '[hub]\nflow_review = "one person"\n'))
    desk = FlowDesk(store, read_project(folder), ANNA)
    check = await desk.check("customer", FLOW.replace("crm: name", "crm: name as shout"))
    (fault,) = check.faults
    assert (fault.file, fault.line) == ("flows/customer.yaml", FLOW.splitlines().index(
        "  name: {crm: name, erp: name, owner: crm}") + 1)  # fmt: skip
    assert fault.column > 1
    assert "shout" in fault.message
    with pytest.raises(NeedsPerson, match=r"customer\.yaml:\d+:\d+: "):
        await desk.propose_text("customer", FLOW.replace("crm: name", "crm: name as shout"), "")
    with pytest.raises(NeedsPerson, match="must keep its name"):
        await desk.propose_text("customer", FLOW.replace("flow: customer", "flow: client"), "")
    wrong = FLOW + "examples:\n- {name: wrong, hub: {name: Two}, crm: {name: One}}\n"
    with pytest.raises(NeedsPerson, match="example does not hold"):
        await desk.propose_text("customer", wrong, "")
    with pytest.raises(NeedsPerson, match="nothing to propose"):
        await desk.propose_text("customer", FLOW, "")
    change = await desk.propose_text("customer", LOWER, "")
    assert (await desk.approve(change.id)).state is ChangeState.APPROVED


def a_change(place: int, base: str | None, content: str | None) -> FlowChange:
    return FlowChange(
        id=f"c{place}",
        flow="customer",
        file="flows/customer.yaml",
        base=base,
        content=content,
        made_by="anna",
        made_at=NOW,
        saved_at=NOW,
        place=place,
    )


def test_a_folder_takes_up_what_was_approved_once_and_leaves_what_somebody_edited_by_hand(tmp_path: Path) -> None:
    file = tmp_path / "flows" / "customer.yaml"
    changes = [a_change(1, None, "one"), a_change(2, "one", "two"), a_change(3, "two", "three")]
    assert take_up(tmp_path, "hub", changes[:1]).there == ["c1"]
    assert file.read_text() == "one"
    assert take_up(tmp_path, "hub", changes).left == {}
    assert file.read_text() == "three"

    # Somebody goes back by hand: that is not taken back.
    file.write_text("two")
    assert take_up(tmp_path, "hub", changes).left == {}
    assert file.read_text() == "two"
    # And a change of another text than the folder has is not laid over it.
    done = take_up(tmp_path, "hub", [*changes, a_change(4, "three", "four")])
    assert file.read_text() == "two"
    assert set(done.left) == {"c4"}
    assert take_up(tmp_path, "hub", [a_change(5, "two", None)]).there == ["c5"]
    assert not file.exists()


async def test_a_folder_that_cannot_be_written_keeps_its_flows_and_says_so(
    tmp_path: Path, store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_project(tmp_path / "project", "http://127.0.0.1:1")
    project = read_project(folder)
    change = await FlowDesk(store, project, ANNA).propose_text("customer", LOWER, "\0")
    await FlowDesk(store, project, BO).approve(change.id)

    def refused(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patched:
        patched.setattr("isthmus.app.flow_approved.take_up", refused)
        assert await changed_project(project, store) is None
    told = await FlowChanges(store).one(change.id)
    assert told is not None
    assert "cannot be written: Permission denied" in told.problem
    assert (told.note, told.in_force_at) == ("", None)
    found = await changed_project(project, store)
    assert found is not None
    await in_force(found, store, clock())
    told = await FlowChanges(store).one(change.id)
    assert told is not None
    assert (told.problem, told.in_force_at is not None) == ("", True)
    with pytest.raises(NeedsPerson, match="NUL"):
        await FlowDesk(store, project, ANNA).save("customer", LOWER + "\0", 0)


async def test_flows_that_cannot_be_read_leave_what_is_in_force(tmp_path: Path, store: PostgresStore) -> None:
    folder = make_project(tmp_path / "project", "http://127.0.0.1:1")
    project = read_project(folder)
    (folder / "flows" / "customer.yaml").write_text("flow: [")
    assert await changed_project(project, store) is None
    (folder / "flows" / "customer.yaml").write_text(FLOW)
    assert await changed_project(project, store) is None
    (folder / "flows" / "customer.yaml").write_text(LOWER)
    found = await changed_project(project, store)
    assert found is not None
    assert found.sources["customer"].content == LOWER


def test_a_folder_that_is_new_to_a_hub_comes_to_what_was_approved_last(tmp_path: Path) -> None:
    file = tmp_path / "flows" / "customer.yaml"
    file.parent.mkdir()
    changes = [a_change(1, "one", "two"), a_change(2, "two", "three")]
    file.write_text("three")
    assert take_up(tmp_path, "hub", changes).left == {}
    assert file.read_text() == "three"
    file.write_text("one")
    assert take_up(tmp_path, "another hub", changes).left == {}
    assert file.read_text() == "three"


async def test_a_job_whose_worker_goes_on_with_other_flows_is_begun_anew_and_counts_as_no_death(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ISTHMUS_DATABASE_URL", database_url)
    begun = asyncio.Event()

    async def never(*_: object) -> None:
        begun.set()
        await asyncio.Event().wait()

    monkeypatch.setattr("isthmus.app.job_work.make_plan", never)
    async with open_hub(make_project(tmp_path / "project", "http://127.0.0.1:1")) as hub:
        job = await JobDesk(hub.store, hub.world, ANNA).plan("customer")
        for _ in range(5):
            begun.clear()
            task = asyncio.create_task(do_job(hub, job))
            await begun.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            left = (await Jobs(hub.store).all_open())[0].job
            assert (left.id, left.attempts, left.started_at, left.done_at) == (job.id, 0, None, None)
