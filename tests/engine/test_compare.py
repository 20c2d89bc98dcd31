"""Complete comparison (CH-5): nothing is overlooked, nothing is shown that is none, while everything goes on; and what
was found is repaired by rule or by choice."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from typing import Any, cast

import pytest

from isthmus.app import comparing
from isthmus.app.bootstrap import Hub
from isthmus.connector import Page
from isthmus.errors import Misconfigured, Unavailable
from isthmus.model.flow import Brake, DeletePolicy
from isthmus.model.state import InboxKind, LinkState
from isthmus.reconcile import Choice, Drift, DriftKind, Repairer, compare_flow
from isthmus.store import Reads
from isthmus.sync.engine import Round
from isthmus.testing import Trouble
from tests.engine.flows import p
from tests.engine.office import ACME, ACME_ERP, Office

pytestmark = [pytest.mark.flow("CH-5")]

type MakeOffice = Callable[..., Office]


async def compare(office: Office, flow: str = "Customer", **options: Any) -> list[Drift]:
    """What a comparison finds, by system and key."""
    engine = office.engine
    resources = {name: system.resources() for name, system in engine.systems.items()}
    await compare_flow(office.store, engine.world, engine.world.flows[flow], resources, clock=office.clock, **options)
    return sorted(await Reads(office.store).drifts([flow]), key=lambda drift: (drift.system, drift.key))


def told(drifts: list[Drift]) -> list[tuple[str, str, set[str]]]:
    return [(drift.kind.value, drift.system, set(drift.fields)) for drift in drifts]


async def repair(office: Office, drifts: list[Drift], choice: Choice = Choice.RULE) -> Mapping[str, str]:
    repairer = Repairer(office.engine, by="anna", clock=office.clock, new_id=office.new_id)
    refused = await repairer.repair(drifts, choice)
    await office.engine.settle(Round())
    return refused


async def linked(make: MakeOffice, count: int = 8, **options: Any) -> Office:
    """So many customers in step, born in the CRM."""
    office = make(**options)
    for number in range(count):
        more = {"name": f"Company {number}", "vat": f"V{number}", "email": f"{number}@x.example"}
        office.crm.people.create("accounts", {**ACME, **more})
    await office.settle()
    return office


def customer(office: Office, number: int) -> tuple[str, str]:
    """Its keys in the CRM and in the ERP."""
    return office.one("crm", "accounts", vat=f"V{number}")[0], office.one("erp", "parties", tax_code=f"V{number}")[0]


async def test_what_is_in_step_shows_no_difference_and_nothing_is_written(office: MakeOffice) -> None:
    place = await linked(office)
    before = await place.fingerprint()
    place.forget_calls()
    assert await compare(place) == []
    assert place.writes() == 0
    # One scan of each side and nothing else: what agrees is not read again.
    assert {call.kind for world in place.worlds.values() for call in world.calls} <= {"scan"}
    assert await place.fingerprint() == before


async def test_each_difference_is_named_with_its_cause(office: MakeOffice) -> None:
    place = await linked(office)
    crm, erp = place.crm.people, place.erp.people
    crm.edit("accounts", customer(place, 0)[0], {"phone": "+49301111"})
    erp.edit("parties", customer(place, 1)[1], {"email": "told@x.example"})
    erp.edit("parties", customer(place, 2)[1], {"email": "lost@x.example"})
    overlooked = place.erp.tables["parties"].log.pop()
    assert overlooked[1] == customer(place, 2)[1]
    erp.delete("parties", gone := customer(place, 3)[1])
    new = crm.create("accounts", {**ACME, "name": "New", "vat": "NEW"})
    drifts = await compare(place)
    assert {(d.kind.value, d.system, d.key): set(d.fields) for d in drifts} == {
        ("edited while paused", "crm", customer(place, 0)[0]): {"phone"},
        ("edited while paused", "erp", customer(place, 1)[1]): {"email"},
        ("missed change", "erp", customer(place, 2)[1]): {"email"},
        ("deleted", "erp", gone): set(),
        ("never linked", "crm", new): set(),
    }
    assert {"hub": "1@x.example", "far": "told@x.example"} in [d.fields.get("email") for d in drifts]


async def test_what_is_edited_and_written_meanwhile_is_no_difference(office: MakeOffice) -> None:
    brake = Brake(at_least=1000, deletes_at_least=1000)
    place = await linked(office, 24, flow_options={"Customer": {"brake": brake}})
    meanwhile = Meanwhile(place, lambda n: busy(place, n))
    meanwhile.stand_before("crm", "accounts")
    meanwhile.stand_before("erp", "parties")
    asleep: list[float] = []

    async def hub_works(seconds: float) -> None:
        asleep.append(seconds)
        await place.sync()

    found = await compare(place, patience=5.0, sleep=hub_works)
    assert found == []
    assert asleep, "the edits of the last moment were never suspected: the test shows nothing"


async def busy(place: Office, number: int) -> None:
    """Between two pages somebody edits, creates and deletes on both sides; the hub follows some of it at once."""
    first, second = max(place.crm.records("accounts")), min(place.erp.records("parties"))
    place.crm.people.edit("accounts", first, {"phone": f"+49301{number:04}"})
    place.erp.people.edit("parties", second, {"email": f"{number}@busy.example"})
    if number < 6:
        new = {"name": f"Busy {number} AG", "vat": f"B{number}", "email": f"busy{number}@x.example"}
        place.crm.people.create("accounts", {**ACME, **new})
    if number % 2:
        place.erp.people.delete("parties", sorted(place.erp.records("parties"))[1])
        await place.sync()


class Meanwhile:
    """Calls ``happen`` after each page of the comparison's scans. The hub's own scans inside are quick."""

    def __init__(self, place: Office, happen: Callable[[int], Awaitable[None]]) -> None:
        self.place, self.happen, self.count, self.inside = place, happen, 0, False

    def stand_before(self, system: str, name: str) -> None:
        resource: Any = self.place.engine.systems[system].resources()[name]
        scan = resource.scan

        async def slow(after: str | None) -> Page:
            page: Page = await scan(after)
            if not self.inside:
                self.inside = True
                self.count += 1
                await self.happen(self.count)
                self.inside = False
            return page

        resource.scan = slow


async def test_a_difference_that_stays_counts_however_often_it_is_looked_at(office: MakeOffice) -> None:
    place = await linked(office)
    place.erp.people.edit("parties", customer(place, 2)[1], {"email": "lost@x.example"})
    place.erp.tables["parties"].log.pop()

    async def hub_works(seconds: float) -> None:
        await place.sync()

    assert told(await compare(place, patience=5.0, sleep=hub_works)) == [("missed change", "erp", {"email"})]


async def test_what_differs_in_another_way_each_time_is_shown_in_the_end(office: MakeOffice) -> None:
    place = await linked(office)
    key = customer(place, 2)[1]
    asleep: list[float] = []

    async def people_work(seconds: float) -> None:
        asleep.append(seconds)
        place.erp.people.edit("parties", key, {"email": f"look{len(asleep)}@x.example"})

    await people_work(0)
    place.forget_calls()
    assert told(await compare(place, patience=5.0, sleep=people_work)) == [("edited while paused", "erp", {"email"})]
    assert sum(asleep) == 2 * 5.0
    assert len([call for call in place.erp.calls if call.kind == "fetch"]) == 3, "the hub has learnt nothing meanwhile"


class Asleep:
    """How long a comparison slept; ``work`` is what the hub does in each of its sleeps."""

    def __init__(self, work: Callable[[], Awaitable[object]] | None = None) -> None:
        self.seconds, self.work = 0.0, work

    async def __call__(self, seconds: float) -> None:
        self.seconds += seconds
        if self.work is not None:
            await self.work()


async def test_what_only_a_person_can_end_is_not_waited_for(office: MakeOffice) -> None:
    """Each kind of question that is open, and what the system keeps otherwise than it was asked."""
    refuse = {"email": lambda value: "Not this one." if value == "bad@x.example" else None}
    place = await linked(
        office,
        9,
        sides={("Customer", "crm"): {"delete": DeletePolicy.HOLD}},
        resources={("erp", "parties"): {"refuse": refuse, "normalise": {"name": lambda name: name[:12]}}},
    )
    crm, erp = customer(place, 0)
    place.crm.people.edit("accounts", crm, {"name": "Ours"})
    place.erp.people.edit("parties", erp, {"name": "Theirs"})
    place.crm.people.edit("accounts", customer(place, 1)[0], {"email": "bad@x.example"})
    place.crm.people.create("accounts", {**ACME, "name": "Refused", "vat": "R", "email": "bad@x.example"})
    place.crm.people.edit("accounts", customer(place, 3)[0], {"name": "Longer than the other has room for"})
    place.erp.people.delete("parties", customer(place, 2)[1])
    await place.settle()
    kinds = {entry.kind for entry in await place.inbox()}
    assert kinds == {InboxKind.CONFLICT, InboxKind.FAILURE, InboxKind.DELETE}
    asleep = Asleep()
    found = await compare(place, patience=60.0, sleep=asleep)
    assert {drift.kind.value for drift in found} == {"conflict", "set aside", "not created", "deleted", "not held"}
    assert asleep.seconds == 0.0
    assert told(found) == told(await compare(place)), "beside no hub the same is found"


async def test_what_the_brake_holds_is_not_waited_for(office: MakeOffice) -> None:
    place = await linked(office)
    place.flow_changes = {"flow_options": {"Customer": {"brake": Brake(at_least=3, share=0.0)}}}
    await place.restart()
    place.clock.advance(400)
    for number in range(5):
        place.crm.people.edit("accounts", customer(place, number)[0], {"phone": f"+49301{number}"})
    await place.settle()
    assert [entry.kind for entry in await place.inbox()] == [InboxKind.BRAKE]
    asleep = Asleep()
    assert {drift.kind for drift in await compare(place, patience=60.0, sleep=asleep)} == {DriftKind.PENDING}
    assert asleep.seconds == 0.0
    await place.decide(await place.question(InboxKind.BRAKE), "approve")
    asleep.work = place.sync
    assert await compare(place, patience=60.0, sleep=asleep) == []
    assert asleep.seconds == 1.0


async def test_a_doubtful_match_and_what_waits_for_its_decision_are_not_waited_for(office: MakeOffice) -> None:
    place = office(names=("Customer", "Contact"))
    place.crm.people.create("accounts", {**ACME, "vat": None, "name": "Nordwind Handels GmbH"})
    party = place.erp.people.create("parties", {**ACME_ERP, "tax_code": None, "name": "Nordwind Handel AG"})
    place.erp.people.create("people", {"party": party, "last_name": "Lee", "email": "anna@nordwind.example"})
    await place.settle()
    assert [entry.kind for entry in await place.inbox()] == [InboxKind.MATCH]
    asleep = Asleep()
    found = await compare(place, patience=60.0, sleep=asleep)
    assert {drift.kind for drift in found} == {DriftKind.DOUBTFUL, DriftKind.MISSING}
    assert {drift.kind for drift in await compare(place, "Contact", patience=60.0, sleep=asleep)} == {
        DriftKind.UNLINKED
    }
    assert asleep.seconds == 0.0


async def test_a_write_that_keeps_failing_is_a_difference(office: MakeOffice) -> None:
    """It is put off again and again, which is no news about the record."""
    place = await linked(office)
    place.erp.faults.add(Trouble.BEFORE, on="write")
    place.crm.people.edit("accounts", customer(place, 0)[0], {"phone": "+49301111"})
    await place.settle()

    async def hub_works() -> None:
        place.clock.advance(10)
        await place.sync()

    asleep = Asleep(hub_works)
    found = told(await compare(place, patience=60.0, sleep=asleep))
    assert found == [("waiting to be written", "erp", {"phone"})]
    assert asleep.seconds >= 60.0


async def test_it_goes_on_as_soon_as_the_hub_has_dealt_with_all_that_may_pass(office: MakeOffice) -> None:
    place = await linked(office)
    place.crm.people.edit("accounts", customer(place, 0)[0], {"name": "Ours"})
    place.erp.people.edit("parties", customer(place, 0)[1], {"name": "Theirs"})
    await place.settle()
    place.crm.people.edit("accounts", customer(place, 1)[0], {"phone": "+49301111"})
    place.erp.people.create("parties", {**ACME_ERP, "name": "New", "tax_code": "NEW", "email": "new@x.example"})
    asleep = Asleep(place.sync)
    found = await compare(place, patience=60.0, sleep=asleep)
    assert {drift.kind for drift in found} == {DriftKind.CONFLICT}
    assert asleep.seconds == 1.0


async def test_what_may_pass_and_does_not_is_given_all_the_time_beside_what_cannot(office: MakeOffice) -> None:
    """One record with a question and an edit that its feed never told."""
    place = await linked(office)
    crm, erp = customer(place, 0)
    place.crm.people.edit("accounts", crm, {"name": "Ours"})
    place.erp.people.edit("parties", erp, {"name": "Theirs"})
    await place.settle()
    place.erp.people.edit("parties", erp, {"email": "lost@x.example"})
    place.erp.tables["parties"].log.pop()
    asleep = Asleep(place.sync)
    found = told(await compare(place, patience=60.0, sleep=asleep))
    assert ("missed change", "erp", {"email"}) in found
    assert ("conflict", "erp", {"name"}) in found or ("conflict", "crm", {"name"}) in found
    assert asleep.seconds == 60.0


async def test_a_changed_mapping_is_the_cause_when_the_records_are_the_same(office: MakeOffice) -> None:
    place = await linked(office, 3)
    place.flow_changes = {"exprs": {("Customer", "erp", "name"): p("tax_code")}}
    await place.restart()
    drifts = await compare(place)
    assert {(d.kind, d.system, tuple(d.fields)) for d in drifts} == {(DriftKind.MAPPING, "erp", ("name",))}
    assert len(drifts) == 3


async def test_questions_and_refusals_are_differences_until_they_are_settled(office: MakeOffice) -> None:
    refuse = {"email": lambda value: "Not this one." if value == "bad@x.example" else None}
    place = await linked(office, resources={("erp", "parties"): {"refuse": refuse}})
    crm, erp = customer(place, 0)
    place.crm.people.edit("accounts", crm, {"name": "Ours"})
    place.erp.people.edit("parties", erp, {"name": "Theirs"})
    place.crm.people.edit("accounts", customer(place, 1)[0], {"email": "bad@x.example"})
    await place.settle()
    drifts = await compare(place)
    assert ("conflict", "erp", {"name"}) in told(drifts) or ("conflict", "crm", {"name"}) in told(drifts)
    assert ("set aside", "erp", {"email"}) in told(drifts)


async def test_what_the_hub_forgot_to_do_is_found_and_done(office: MakeOffice) -> None:
    """The hub's own memory is not trusted: a lost due date, a lost link, a value that the item alone has."""
    place = await linked(office)
    crm, erp = customer(place, 0)
    (item,) = await place.items("fields ->> 'tax_id' = 'V0'")
    await run(place, f"update item set fields = fields || '{{\"phone\": \"+49309999\"}}' where id = '{item.id}'")
    await run(place, f"delete from link where system = 'erp' and key = '{customer(place, 1)[1]}'")
    place.erp.people.delete("parties", customer(place, 1)[1])
    drifts = await compare(place)
    assert {(d.kind.value, d.system, d.key) for d in drifts} == {
        ("waiting to be written", "crm", crm),
        ("waiting to be written", "erp", erp),
        ("not created", "erp", ""),
    }
    assert await repair(place, drifts) == {}
    assert place.erp.records("parties")[erp]["telephone"] == "+49309999"
    assert place.one("erp", "parties", tax_code="V1")
    assert await compare(place) == []


async def run(place: Office, sql: str) -> None:
    async with place.store._connection() as connection:
        await connection.execute(sql.encode())


async def test_repair_by_rule_takes_in_what_was_overlooked(office: MakeOffice) -> None:
    place = await linked(office)
    place.erp.people.edit("parties", customer(place, 2)[1], {"email": "lost@x.example"})
    place.erp.people.delete("parties", customer(place, 3)[1])
    place.erp.people.create("parties", {**ACME_ERP, "name": "New", "tax_code": "NEW", "email": "new@x.example"})
    place.erp.tables["parties"].log.clear()
    drifts = await compare(place)
    assert len(drifts) == 3
    assert await repair(place, drifts) == {}
    assert place.crm.records("accounts")[customer(place, 2)[0]]["email"] == "lost@x.example"
    assert place.one("crm", "accounts", vat="NEW")
    assert [row for row in place.table("crm", "accounts") if row["vat"] == "V3"] == []
    assert await compare(place) == []


@pytest.mark.parametrize(("choice", "name"), [(Choice.FAR, "Theirs"), (Choice.HUB, "Ours")])
async def test_a_person_says_which_side_is_right(office: MakeOffice, choice: Choice, name: str) -> None:
    place = await linked(office)
    crm, erp = customer(place, 0)
    place.crm.people.edit("accounts", crm, {"name": "Ours"})
    await place.engine.poll("crm", "accounts")
    place.erp.people.edit("parties", erp, {"name": "Theirs"})
    await place.settle()
    assert await place.inbox(InboxKind.CONFLICT)
    drifts = [drift for drift in await compare(place) if drift.kind is DriftKind.CONFLICT]
    assert {*(await repair(place, drifts)).values()} == {"No rule decides: say which side is right."}
    ours = [drift for drift in drifts if drift.system == "erp"]
    assert await repair(place, ours, choice) == {}
    await place.settle()
    assert {place.crm.records("accounts")[crm]["name"], place.erp.records("parties")[erp]["name"]} == {name}
    assert await place.inbox(InboxKind.CONFLICT) == []
    by = {change.cause.by for change in await Reads(place.store).recent_changes(place.clock.now.replace(year=2000))}
    assert ("anna" in by) is (choice is Choice.FAR)  # only then the hub's own value changed


async def test_a_missed_edit_can_be_overruled_by_the_hub(office: MakeOffice) -> None:
    place = await linked(office)
    erp = customer(place, 2)[1]
    place.erp.people.edit("parties", erp, {"email": "wrong@x.example"})
    place.erp.tables["parties"].log.pop()
    assert await repair(place, await compare(place), Choice.HUB) == {}
    assert place.erp.records("parties")[erp]["email"] == "2@x.example"
    assert await compare(place) == []


async def test_a_deleted_record_is_made_again_when_the_hub_is_right(office: MakeOffice) -> None:
    place = await linked(office)
    crm, erp = customer(place, 3)
    place.erp.people.delete("parties", erp)
    place.erp.tables["parties"].log.pop()
    assert await repair(place, await compare(place), Choice.HUB) == {}
    await place.settle()
    assert place.crm.records("accounts")[crm]["vat"] == "V3"
    assert place.one("erp", "parties", tax_code="V3")[0] != erp
    assert await compare(place) == []


async def test_what_moved_since_it_was_found_is_not_overwritten(office: MakeOffice) -> None:
    place = await linked(office)
    erp = customer(place, 2)[1]
    place.erp.people.edit("parties", erp, {"credit_limit": Decimal(1)})
    place.erp.tables["parties"].log.pop()
    drifts = await compare(place)
    place.erp.people.edit("parties", erp, {"credit_limit": Decimal(2)})
    place.erp.tables["parties"].log.pop()
    assert list(await repair(place, drifts, Choice.HUB)) == [drifts[0].id]
    assert place.erp.records("parties")[erp]["credit_limit"] == Decimal(2)


async def test_what_a_person_set_apart_is_no_difference(office: MakeOffice) -> None:
    place = await linked(office, 2)
    await run(place, f"update link set state = '{LinkState.UNLINKED}' where key = '{customer(place, 0)[1]}'")
    place.erp.people.edit("parties", customer(place, 0)[1], {"email": "apart@x.example"})
    assert await compare(place) == []


async def test_a_delete_that_waits_for_a_decision_is_a_difference_and_one_that_was_carried_out_is_not(
    office: MakeOffice,
) -> None:
    hold = {("Customer", "crm"): {"delete": DeletePolicy.HOLD}}
    place = await linked(office, 4, sides=hold)
    place.erp.people.delete("parties", gone := customer(place, 0)[1])
    place.crm.people.delete("accounts", customer(place, 1)[0])
    await place.settle()
    assert [(d.kind, d.system, d.key) for d in await compare(place)] == [(DriftKind.DELETED, "erp", gone)]
    await place.decide(await place.question(InboxKind.DELETE), "propagate")
    await place.settle()
    assert await compare(place) == []


async def test_a_comparison_that_could_not_read_everything_says_so_and_keeps_the_last_result(
    office: MakeOffice,
) -> None:
    place = await linked(office)
    place.erp.people.edit("parties", customer(place, 2)[1], {"email": "lost@x.example"})
    found = await compare(place)
    place.erp.faults.add(Trouble.DOWN, on="scan", skip=1)
    with pytest.raises(Unavailable):
        await compare(place)
    assert await Reads(place.store).drifts(["Customer"]) == found


async def test_single_differences_are_repaired_by_their_ids(office: MakeOffice) -> None:
    place = await linked(office)
    first, second = customer(place, 2)[1], customer(place, 4)[1]
    for key in (first, second):
        place.erp.people.edit("parties", key, {"email": f"{key}@lost.example"})
    place.erp.tables["parties"].log.clear()
    hub = Hub(project=cast(Any, None), store=place.store, world=place.engine.world, engine=place.engine, down={})
    found = await comparing.compare(hub, ["Customer"])
    assert found.counts == {"missed change": 2}
    ids = {drift.key: drift.id for drift in found.drifts}
    left = await comparing.repair(hub, ["Customer"], [f"{ids[first]}=hub", "nothing=far"], by="anna")
    assert place.erp.records("parties")[first]["email"] == "2@x.example"
    assert [drift.id for drift in left.drifts] == [ids[second]]
    assert list(left.refused) == ["nothing"]
    assert (await comparing.repair(hub, ["Customer"], ["far"], by="anna")).total == 0
    assert place.crm.records("accounts")[customer(place, 4)[0]]["email"] == f"{second}@lost.example"
    with pytest.raises(Misconfigured, match="no way to repair"):
        await comparing.repair(hub, ["Customer"], ["crm"], by="anna")
