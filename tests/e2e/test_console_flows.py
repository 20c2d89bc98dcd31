"""Engineers change a flow at the console of a running hub, with the real CRM and ERP behind it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.browser import Desk, a_desk, needs_chromium, person
from tests.e2e.office import Office, see
from tests.e2e.test_console_hand import item_of

LOWER = """\
flow: customer
extends: crm-erp/customer
fields:
  # The ERP's shop compares addresses letter by letter.
  website: {erp: {path: "contact_mechanisms[type=website].value", as: lowercase}}
"""
EDIT = "/flows/customer/edit"

pytestmark = [needs_chromium, pytest.mark.lab, pytest.mark.timeout(500)]


def website(office: Office, party: int) -> str:
    return office.mechanism(party, "website")


def anew(desk: Desk, login: str, password: str) -> None:
    """Somebody else sits down."""
    desk.page.context.clear_cookies()
    desk.sign_in(login, password)


@pytest.fixture
def put_back(office: Office) -> Iterator[None]:
    """The flow is the pack's again afterwards."""
    yield
    file = office.folder / "flows" / "customer.yaml"
    if file.exists():
        versions = office.isthmus("flow", "history", "customer", "--json").json
        login, password = person(office, "engineer")
        second, second_password = person(office, "engineer")
        with a_desk(office.stage.hub_url()) as desk:
            desk.sign_in(login, password)
            desk.go("/flows/customer")
            desk.page.click(f"form[action$='/versions/{versions[0]['version']['number']}'] button")
            desk.page.wait_for_selector("#decide")
            address = desk.page.url
            anew(desk, second, second_password)
            desk.page.goto(address)
            desk.page.check("input[name=unseen]")
            desk.page.click("button.main.wide")
            desk.page.wait_for_selector(".pill.ok:has-text('in force')")
        assert not file.exists()


@pytest.mark.flow("CH-5")
@pytest.mark.usefixtures("put_back")
def test_a_rule_is_tried_on_a_real_customer_approved_by_somebody_else_and_reaches_the_erp(office: Office) -> None:
    account, party = office.customer("Regel", website="https://Regel.Example/One")
    see(lambda: website(office, party) == "https://Regel.Example/One")
    name = str(office.party(party)["name"])
    hub = office.stage.hub_pid()
    anna, bo = person(office, "engineer"), person(office, "engineer")
    with a_desk(office.stage.hub_url()) as desk:
        desk.sign_in(*anna)
        desk.go(EDIT)
        desk.page.wait_for_selector("#faults")
        desk.page.fill("#text", LOWER.replace("lowercase", "lowercas"))
        desk.page.wait_for_selector(".faults button:has-text('line 5')")
        assert "lowercase" in desk.page.inner_text(".faults")
        desk.page.fill("#text", LOWER)
        desk.page.wait_for_selector(".faults", state="detached")

        # On the customer as both systems have it now.
        writes = office.writes()
        desk.page.fill("input[type=search][name=q] >> nth=1", name)
        desk.page.click(f".picks button:has-text('{name}')")
        desk.page.wait_for_selector("#preview")
        erp = desk.page.locator("#preview section:has(#side-erp)")
        assert "https://regel.example/one" in erp.locator("tr.changed").first.inner_text()
        assert "Everything is read as now." in desk.page.inner_text("#preview section:has(#side-crm)")
        assert office.writes() == writes
        desk.page.fill("input[name=note]", "Web addresses in small letters")
        desk.page.click("#edit button.main")
        desk.page.wait_for_selector("#decide")
        address = desk.page.url
        assert desk.page.locator("form[action$='/approve']").count() == 0

        # Somebody else looks at what it would write on both sides, and approves.
        anew(desk, *bo)
        desk.go("/flows")
        desk.page.click("a:has-text('Web addresses in small letters')")
        desk.page.click("section:has(#dry) form button")
        desk.page.wait_for_selector("#counts", timeout=240_000)
        assert desk.page.url == address
        assert not (office.folder / "flows" / "customer.yaml").exists()
        desk.page.fill("input[name=answer]", "as agreed")
        desk.page.click("button.main.wide")
        desk.page.wait_for_selector(".pill.ok:has-text('in force')")
        assert (office.folder / "flows" / "customer.yaml").read_text() == LOWER

        office.carl.patch_account(account, website="https://Regel.Example/Two")
        see(lambda: website(office, party) == "https://regel.example/two")
        assert str(office.account(account)["website"]) == "https://Regel.Example/Two", "the CRM keeps what sales typed"
        assert office.stage.hub_pid() == hub, "nobody started the hub again"
        desk.go("/flows/customer")
        assert "as lowercase" in desk.page.inner_text("#fields ~ .scroll")
        assert anna[0] in desk.page.inner_text("section:has(#versions)")
        desk.go(f"/records/{item_of(office, party)}")
        assert desk.complaints == []


def test_two_engineers_at_one_flow_and_a_session_that_ends_lose_nothing(office: Office) -> None:
    anna, bo = person(office, "engineer"), person(office, "engineer")
    with a_desk(office.stage.hub_url()) as desk:
        desk.sign_in(*anna)
        desk.go(EDIT)
        desk.page.wait_for_selector("#faults")
        desk.page.fill("#text", LOWER)
        desk.page.wait_for_selector("#differs")
        office.rows("delete from web_session where login = %s returning login", anna[0])
        desk.page.fill("#text", LOWER + "# more\n")
        desk.page.fill("dialog input[name=login]", anna[0])
        desk.page.fill("dialog input[name=password]", anna[1])
        desk.page.click("dialog button.main")
        desk.page.wait_for_selector("dialog.again", state="detached")
        assert desk.page.input_value("#text") == LOWER + "# more\n"
        desk.page.wait_for_selector("#differs ~ .diff .plus:has-text('# more')")

        anew(desk, *bo)
        desk.go(EDIT)
        desk.page.wait_for_selector(f"#checked .notice:has-text('{anna[0]}')")
        anew(desk, *anna)
        desk.go(EDIT)
        assert desk.page.input_value("#text") == LOWER + "# more\n"
        desk.page.click("button:has-text('Throw my draft away')")
        desk.page.wait_for_selector("#versions")


@pytest.mark.parametrize(("width", "theme"), [(390, "dark"), (1440, "light")])
def test_flows_can_be_changed_by_everybody(office: Office, width: int, theme: str) -> None:
    _, party = office.customer("Schrift", website="https://Schrift.Example")
    name = str(office.party(party)["name"])
    login, password = person(office, "engineer")
    with a_desk(office.stage.hub_url(), width, theme) as desk:
        desk.sign_in(login, password)
        desk.go(EDIT)
        desk.page.wait_for_selector("#faults")
        found: list[str] = []

        def look(at: str) -> None:
            found.extend(f"{at}: {one}" for one in desk.violations())
            found.extend([f"{at} scrolls sideways"] if desk.too_wide() else [])

        look("as it is")
        desk.page.fill("#text", LOWER.replace("lowercase", "lowercas"))
        desk.page.wait_for_selector(".faults")
        look("with a fault")
        desk.page.fill("#text", LOWER)
        desk.page.wait_for_selector(".faults", state="detached")
        desk.page.fill("input[type=search][name=q] >> nth=1", name)
        desk.page.click(f".picks button:has-text('{name}')")
        desk.page.wait_for_selector("#preview")
        look("with a record")
        desk.page.click("#edit button.main")
        desk.page.wait_for_selector("#decide")
        look("proposed")
        desk.page.click("form[action$='/withdraw'] button")
        desk.page.wait_for_selector("#decide", state="detached")
        look("taken back")
        desk.go("/flows/customer")
        look("the flow")
        for system, resource, field in (("erp", "party", "contact_mechanisms"), ("crm", "account", "website")):
            desk.go(f"/systems/{system}/schema?resource={resource}")
            assert desk.page.locator(f"tr:has(th:has-text('{field}'))").first.locator("a:has-text('customer')").count()
            assert "As the system has them now." in desk.page.inner_text("main")
            look(f"schema of {system}")
        assert found == []
        assert desk.complaints == []
