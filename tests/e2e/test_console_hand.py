"""Engineers at the console of a running hub, with the real CRM and ERP behind it: compare, plan, link, pause."""

from __future__ import annotations

import time

import pytest

from tests.e2e.browser import Desk, a_desk, needs_chromium, person
from tests.e2e.office import Office, see
from tests.e2e.test_console import a_conflict

COMPARED = 240
"""Seconds for a comparison beside a running hub: what may pass by itself is given up to a minute, on each side."""

pytestmark = [needs_chromium, pytest.mark.lab, pytest.mark.timeout(300)]


def item_of(office: Office, party: int) -> str:
    """The item of an ERP party."""
    sql = "select item from link where system = 'erp' and resource = 'party' and key = %s"
    return str(office.rows(sql, str(party))[0]["item"])


def phone(office: Office, account: str, party: int) -> tuple[str, str]:
    """As the CRM and as the ERP have it."""
    return str(office.account(account)["phone"]).replace(" ", ""), office.mechanism(party, "phone")


def confirm(desk: Desk) -> None:
    """Do what the page shows."""
    desk.page.click(".decide button.main")
    desk.page.wait_for_selector("#history")


@pytest.mark.flow("CH-5")
@pytest.mark.timeout(900)
def test_a_flow_is_compared_and_a_difference_repaired_from_the_page(office: Office) -> None:
    account, party, _ = a_conflict(office, "Vergleich")
    login, password = person(office, "engineer")
    with a_desk(office.stage.hub_url()) as desk:
        desk.sign_in(login, password)
        desk.go("/compare?flow=customer")
        desk.page.click(".actions button")
        desk.page.wait_for_selector(".job")
        # The page may be closed meanwhile; whoever comes back sees how far it is, or what was found.
        desk.go("/")
        desk.go("/compare?flow=customer")
        item = item_of(office, party)
        row = f"tr:has(a[href='/records/{item}']):has-text('conflict')"
        desk.page.wait_for_selector(row, timeout=COMPARED * 1000)
        desk.page.wait_for_selector(".job", state="detached")
        assert "never compared" not in desk.page.inner_text("#runs ~ table")
        for box in desk.page.locator(f"{row} input[name=entry]").all():
            box.check()
        desk.page.click("form:has(input[name=entry]) button[value=hub]")
        see(lambda: len(set(phone(office, account, party))) == 1)
        desk.page.wait_for_selector(".job", state="detached", timeout=COMPARED * 1000)
        assert desk.page.locator(row).count() == 0
        assert desk.complaints == []


def test_a_dry_run_is_made_from_the_flows_page(office: Office) -> None:
    login, password = person(office, "operator")
    with a_desk(office.stage.hub_url()) as desk:
        desk.sign_in(login, password)
        desk.go("/flows/customer")
        desk.page.click("a[href='/flows/customer/plan']")
        before = office.writes()
        desk.page.click(".actions button.main")
        desk.page.wait_for_selector("#counts", timeout=120_000)
        assert "records read" in desk.page.inner_text("main")
        assert office.writes() == before
        assert desk.complaints == []


def test_a_record_is_unlinked_by_hand_and_linked_again(office: Office) -> None:
    account, party = office.customer("Loesen", phone="+49 40 555000")
    see(lambda: office.mechanism(party, "phone"))
    item = item_of(office, party)
    login, password = person(office, "operator")
    with a_desk(office.stage.hub_url()) as desk:
        desk.sign_in(login, password)
        desk.go(f"/records/{item}")
        desk.page.click(f"a[href='/records/{item}/links']")
        desk.page.click("li:has-text('erp') a:has-text('Unlink')")
        confirm(desk)
        desk.page.wait_for_selector(".pill.kept-out")
        office.carl.patch_account(account, phone="+49 40 777777")
        see(lambda: str(office.held("crm", "account", account, "phone")).endswith("777777"))
        assert office.mechanism(party, "phone").endswith("555000")
        desk.go(f"/records/{item}/links")
        desk.page.click("li:has-text('erp') a:has-text('Link again')")
        confirm(desk)
        see(lambda: office.mechanism(party, "phone").endswith("777777"))
        assert desk.complaints == []


def test_two_customers_are_merged_and_parted_by_hand(office: Office) -> None:
    (_, party), (other_account, other_party) = office.customers("Doppelt", 2)
    item, other = item_of(office, party), item_of(office, other_party)
    name, other_name = (str(office.party(key)["name"]) for key in (party, other_party))
    login, password = person(office, "operator")
    with a_desk(office.stage.hub_url(), 390) as desk:
        desk.sign_in(login, password)
        desk.go(f"/records/{item}/links")
        desk.page.fill("main input[name=q]", other_name)
        desk.page.click("main form[role=search] button")
        desk.page.click(f"a[href*='kind=merge'][href*='{other}']")
        desk.page.select_option("select[name=policy]", "keep")
        desk.page.click("form:has(select[name=policy]) button")
        desk.page.wait_for_selector(f"ins:has-text('{name}')")
        assert not desk.too_wide()
        confirm(desk)
        see(lambda: str(office.party(other_party)["name"]) == name)
        desk.go(f"/records/{item}/links")
        desk.page.click("a[href*='kind=part']")
        desk.page.wait_for_selector(f"ins:has-text('{other_name}')")
        confirm(desk)
        see(lambda: str(office.party(other_party)["name"]) == other_name)
        see(lambda: str(office.account(other_account)["name"]) == other_name)
        assert str(office.party(party)["name"]) == name
        assert item_of(office, other_party) == other
        assert desk.complaints == []
    said = office.isthmus("unlink", "erp", "party", str(other_party), "--dry-run", "--json")
    assert said.json["apart"] == [f"erp/party/{other_party}"]


def test_a_system_is_paused_on_its_page_and_catches_up_when_resumed(office: Office) -> None:
    account, party = office.customer("Pause", phone="+49 40 555000")
    see(lambda: office.mechanism(party, "phone"))
    login, password = person(office, "engineer")
    with a_desk(office.stage.hub_url()) as desk:
        desk.sign_in(login, password)
        desk.go("/systems")
        desk.page.click("#erp details summary")
        desk.page.fill("#erp input[name=reason]", "the year is closed")
        desk.page.click("#erp button.danger")
        desk.page.wait_for_selector("#erp .notice:has-text('the year is closed')")
        try:
            office.carl.patch_account(account, phone="+49 40 777777")
            see(lambda: str(office.held("crm", "account", account, "phone")).endswith("777777"))
            time.sleep(5)
            assert office.mechanism(party, "phone").endswith("555000")
            desk.go(f"/records/{item_of(office, party)}")
            assert "the year is closed" in desk.page.text_content("main")
        finally:
            desk.go("/systems")
            desk.page.click("#erp .notice button")
            desk.page.wait_for_selector("#erp .notice", state="detached")
        see(lambda: office.mechanism(party, "phone").endswith("777777"))
        assert desk.complaints == []


@pytest.mark.parametrize(("width", "theme"), [(390, "light"), (1440, "dark")])
def test_these_pages_can_be_used_by_everybody(office: Office, width: int, theme: str) -> None:
    _, party = office.customer("Jeder")
    item = item_of(office, party)
    link = office.rows("select id from link where item = %s and system = 'erp'", item)[0]["id"]
    pages = (
        "/compare",
        "/compare?flow=customer",
        "/flows/customer/plan",
        f"/records/{item}/links?q=GmbH",
        f"/records/{item}/links/preview?kind=unlink&link={link}",
        "/systems",
        f"/records/{item}/fields/phone",
    )
    login, password = person(office, "engineer")
    with a_desk(office.stage.hub_url(), width, theme) as desk:
        desk.sign_in(login, password)
        found: list[str] = []
        for path in pages:
            desk.go(path)
            found += [f"{path}: {one}" for one in desk.violations()]
            found += [f"{path} scrolls sideways"] if desk.too_wide() else []
        desk.page.fill("input[name='part.']", "+49 40 888888")
        desk.page.click("form button.main")
        desk.page.locator(f".timeline li.by-person:has-text('{login}') a").first.click()
        desk.page.wait_for_selector("form[action*='/undo/']")
        found += [f"undo: {one}" for one in desk.violations()]
        assert not desk.too_wide()
        assert found == []
        assert desk.complaints == []
