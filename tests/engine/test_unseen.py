"""A save of an older copy is read while the system lacks a field that it has set back, or changed (I2, I3)."""

import pytest

from isthmus.app.watching import watch_fields
from isthmus.model.state import InboxKind
from tests.engine.test_regain import NEW_NAME, NEW_PHONE
from tests.engine.test_schema_drift import hub_of
from tests.engine.test_undone import written

pytestmark = [pytest.mark.spec(2), pytest.mark.spec(4)]


class Crm:
    """The CRM's accounts with one record, to which the hub has written; fields come and go there."""

    def __init__(self, o, key, party, watched=False):
        self.o, self.key, self.party = o, key, party
        self.table = o.crm.tables["accounts"]
        self.gone = {}
        self.watched = watched
        """Whether the hub knows what fields there are."""

    async def saved(self, save, *, gone=(), after=30.0):
        """Somebody saves the record; these fields are missing when the hub reads it."""
        self.o.clock.advance(after)
        self.o.crm.people.edit("accounts", self.key, save)
        await self.vanish(*gone)
        await self.o.settle(3)

    async def vanish(self, *names):
        self.gone |= {name: self.table.fields.pop(name) for name in names}
        await self.watch()

    async def watch(self):
        if self.watched:
            await watch_fields(hub_of(self.o))

    async def back(self):
        """The fields are there again."""
        self.o.clock.advance(60)
        self.table.fields.update(self.gone)
        self.o.crm.touch("accounts")
        await self.watch()
        await self.o.settle(3)

    def shows(self, **fields):
        """The values there, and in the ERP."""
        names = {"phone": "telephone", "limit": "credit_limit"}
        account, party = self.o.crm.records("accounts")[self.key], self.o.erp.records("parties")[self.party]
        theirs = {name: party[names.get(name, name)] for name in fields}
        return {name: account[name] for name in fields} == theirs == fields

    async def at_rest(self):
        self.o.forget_calls()
        await self.o.settle(2)
        return self.o.writes() == 0


async def crm_of(office, *writes, watched=False, **options):
    crm = Crm(*await written(office, *writes, **options), watched)
    await crm.watch()
    return crm


watched = pytest.mark.parametrize("watched", [False, True], ids=["unknown", "known to be missing"])


@watched
async def test_what_was_set_back_while_it_could_not_be_seen_is_made_again(office, watched):
    crm = await crm_of(office, NEW_NAME | NEW_PHONE, watched=watched)
    await crm.saved({"name": "Acme GmbH", "phone": "+4930123456", "email": "new@acme.example"}, gone=["phone"])
    await crm.back()
    assert crm.shows(name="Acme AG", phone="+493099", email="new@acme.example")
    assert await crm.at_rest()


async def test_so_is_what_was_set_back_by_a_save_that_looked_like_an_edit_without_it(office):
    crm = await crm_of(office, NEW_PHONE)
    await crm.saved({"phone": "+4930123456", "email": "new@acme.example"}, gone=["phone"])
    await crm.back()
    assert crm.shows(phone="+493099", email="new@acme.example")


@watched
async def test_what_was_set_back_is_made_again_where_what_was_changed_cannot_be_seen(office, watched):
    crm = await crm_of(office, NEW_NAME, watched=watched)
    await crm.saved({"name": "Acme GmbH", "email": "new@acme.example"}, gone=["email"])
    assert crm.shows(name="Acme AG")
    await crm.back()
    assert crm.shows(name="Acme AG", email="new@acme.example")
    assert await crm.at_rest()


async def test_what_the_system_has_not_kept_exactly_is_made_again_as_well(office):
    resources = {("crm", "accounts"): {"whole_saves": True, "normalise": {"name": rounded}}}
    crm = await crm_of(office, {"name": "Acme AG 7"}, resources=resources)
    await crm.saved({"name": "Acme GmbH", "email": "new@acme.example"}, gone=["name"])
    await crm.back()
    assert crm.o.crm.records("accounts")[crm.key]["name"] == "Acme AG"
    assert crm.o.erp.records("parties")[crm.party]["name"] == "Acme AG 7"
    assert await crm.at_rest()


def rounded(value):
    return value.rstrip(" 0123456789")


async def test_so_is_a_part_that_could_not_be_seen(office):
    moved = {"addresses": [{"street": "Ring 7", "city": "Berlin", "zip": "10115"}]}
    crm = await crm_of(office, NEW_NAME | moved)
    await crm.saved({"name": "Acme GmbH", "street": "Hauptstr. 1", "email": "new@acme.example"}, gone=["street"])
    await crm.back()
    assert crm.shows(name="Acme AG", email="new@acme.example")
    assert crm.o.crm.records("accounts")[crm.key]["street"] == "Ring 7"
    assert crm.o.erp.records("parties")[crm.party]["addresses"][0]["street"] == "Ring 7"


@pytest.mark.parametrize("moved", [False, True], ids=["as it was", "moved elsewhere"])
async def test_what_was_not_set_back_stays_and_nobody_is_asked(office, moved):
    crm = await crm_of(office, NEW_NAME | NEW_PHONE, watched=True)
    await crm.vanish("phone")
    await crm.saved({"name": "Acme GmbH", "email": "new@acme.example"})
    if moved:
        crm.o.erp.people.edit("parties", crm.party, {"telephone": "+493077"})
        await crm.o.settle(3)
    await crm.back()
    assert crm.shows(name="Acme AG", phone="+493077" if moved else "+493099")
    assert await crm.o.inbox() == []
    assert await crm.at_rest()


@pytest.mark.spec(3)
async def test_what_the_save_itself_has_changed_is_asked_about_when_it_is_seen(office):
    crm = await crm_of(office, NEW_NAME | NEW_PHONE)
    await crm.saved({"name": "Acme GmbH", "phone": "+493055"}, gone=["phone"])
    await crm.back()
    [entry] = await crm.o.inbox(InboxKind.CONFLICT)
    assert entry.detail["fields"] == {"phone": {"base": "+4930123456", "hub": "+493099", "far": "+493055"}}


async def test_an_edit_after_what_was_unseen_has_been_shown_is_an_edit(office):
    crm = await crm_of(office, NEW_NAME | NEW_PHONE)
    await crm.saved({"name": "Acme GmbH", "phone": "+4930123456", "email": "new@acme.example"}, gone=["phone"])
    await crm.back()
    await crm.saved({"phone": "+493055"}, after=310)
    assert crm.shows(phone="+493055")
    assert await crm.o.inbox() == []


async def test_what_is_taken_back_twice_while_something_is_missing_is_an_edit(office):
    crm = await crm_of(office, NEW_NAME)
    await crm.saved({"name": "Acme GmbH"}, gone=["email"])
    assert crm.shows(name="Acme AG")
    await crm.saved({"name": "Acme GmbH"})
    assert crm.shows(name="Acme GmbH")
