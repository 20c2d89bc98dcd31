"""Customers order in the shop of a running hub, follow it, ask, accept quotes and send goods back, with the real ERP
and CRM behind it (WEB-1, WEB-2, WEB-3, SHOP-4)."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.e2e.browser import Desk, a_desk, needs_chromium, person
from tests.e2e.office import Office, money, see
from tests.e2e.stations import Stations

pytestmark = [needs_chromium, pytest.mark.lab, pytest.mark.timeout(600)]


def a_buyer(office: Office, word: str) -> tuple[str, int, str, str]:
    """Name and party of a customer in step, login and password of a person of theirs."""
    account, party = office.customer(word)
    name = str(office.account(account)["name"])
    _, login = office.new("buyer")
    said = office.isthmus("user", "add", login, "--customer", name, "--generate", "--json")
    assert said.code == 0, said
    assert said.json["roles"] == ["customer"]
    return name, party, login, str(said.json["password"])


def enter(desk: Desk, login: str, password: str) -> None:
    desk.go("/shop/sign-in")
    desk.page.fill("input[name=login]", login)
    desk.page.fill("input[name=password]", password)
    desk.page.click("button.main")
    desk.page.wait_for_selector("nav.places a[aria-current=page]")


def confirmed(desk: Desk) -> None:
    """The order's page tells the ERP's answer. A busy ERP takes longer than the shop lets somebody wait: then the page
    says that the order is kept, and shows the answer when it is opened again."""
    desk.page.wait_for_selector(".head h1")

    def told() -> bool:
        if desk.page.locator(".notice.ok").count():
            return True
        desk.page.reload()
        return False

    see(told)


@pytest.mark.flow("WEB-1")
@pytest.mark.flow("WEB-2")
@pytest.mark.flow("WEB-3")
def test_a_customer_orders_in_the_shop_and_the_order_is_in_tryton(office: Office) -> None:
    sku = office.product("SHOP", "100", 50)
    _, party, login, password = a_buyer(office, "Shopper")
    office.erin.set_price_list(party, "Dealer")
    with a_desk(office.stage.hub_url()) as desk:
        enter(desk, login, password)
        desk.page.fill("input[name=q]", sku)
        desk.page.keyboard.press("Enter")
        desk.page.wait_for_selector(f".products li:has-text('{sku}') .price")
        assert "50 in stock" in desk.page.inner_text(".products")
        desk.page.click(f".products li:has-text('{sku}') a.button")
        desk.page.fill("textarea[name=text]", f"{sku}; 12")
        desk.page.fill("input[name=reference]", "PO-7 <b>")
        desk.page.click("main button.main")
        desk.page.wait_for_selector("h1:has-text('Cart')")
        assert "€80.00" in desk.page.inner_text("main"), "from ten on, 20 %"
        # A double click is one order.
        desk.page.dblclick("main button.main")
        confirmed(desk)
        (sale,) = office.sales(party)
        assert f"Order {sale['number']}" in desk.page.inner_text("h1")
        told = desk.page.inner_text(".notice.ok")
        assert f"{money(sale['total_amount']):,.2f}" in told
        assert "€240.00" in told, "the discount"
        see(lambda: office.sales(party)[0]["state"] == "processing")
        office.erin.ship(int(sale["id"]), {sku: 5})

        def shipped() -> bool:
            desk.page.reload()
            return desk.page.locator("td[data-label=Shipped]").all_inner_texts() == ["5"]

        see(shipped)
        assert desk.page.locator("td[data-label=Open]").inner_text() in ("0", "7")
        office.erin.ship(int(sale["id"]))
        (draft,) = office.erin.invoices(int(sale["id"]))
        invoice = office.erin.post_invoice(int(draft["id"]))

        def billed() -> bool:
            desk.go("/shop/invoices")
            return str(invoice["number"]) in desk.page.inner_text("main")

        see(billed)
        assert f"{money(invoice['total_amount']):,.2f}" in desk.page.inner_text("main")
        assert desk.complaints == []
    assert len(office.sales(party)) == 1


@pytest.mark.flow("WEB-3")
def test_a_list_with_faults_is_told_and_the_call_centre_orders_for_a_customer(office: Office) -> None:
    sku = office.product("CALL", "40", 50)
    name, party, _, _ = a_buyer(office, "Caller")
    login, password = person(office, "sales")
    with a_desk(office.stage.hub_url(), 390) as desk:
        desk.go("/shop/sign-in")
        desk.page.fill("input[name=login]", login)
        desk.page.fill("input[name=password]", password)
        desk.page.click("button.main")
        desk.page.wait_for_selector("h1:has-text('Call centre')")
        desk.complaints.clear()  # the page of staff who have not said for whom is told with 400
        desk.page.fill("input[name=q]", name)
        desk.page.keyboard.press("Enter")
        desk.page.click(f"li:has-text('{name}') a.button")
        desk.page.fill("textarea[name=text]", "=1+1,2")
        desk.page.click("main button.main")
        desk.page.wait_for_selector("text=looks like a formula")
        desk.complaints.clear()
        desk.page.fill("textarea[name=text]", f"{sku} 2")
        desk.page.click("main button.main")
        desk.page.wait_for_selector("h1:has-text('Cart')")
        desk.page.click("main button.main")
        confirmed(desk)
        assert name in desk.page.inner_text("main")
        assert desk.complaints == []
    (sale,) = office.sales(party)
    assert sale["untaxed_amount"] == 80


def ordered(desk: Desk, office: Office, party: int, lines: str) -> int:
    """Order in the shop; the sale's key in the ERP."""
    desk.go("/shop/quick")
    desk.page.fill("textarea[name=text]", lines)
    desk.page.click("main button.main")
    desk.page.wait_for_selector("h1:has-text('Cart')")
    desk.page.click("main button.main")
    desk.page.wait_for_selector(".notice.ok")
    (sale,) = office.sales(party)
    return int(sale["id"])


def shows(desk: Desk, text: str) -> bool:
    """Whether the page shows it when it is loaded anew."""
    desk.page.reload()
    return text in desk.page.inner_text("main")


def pressed(desk: Desk, name: str) -> None:
    desk.page.click(f"main button:has-text('{name}')")


@pytest.mark.flow("WEB-3")
@pytest.mark.flow("SAP-9")
def test_a_customer_sees_open_items_and_sends_something_back_until_the_credit(office: Office) -> None:
    sku = office.product("BACK", "50", 20)
    name, party, login, password = a_buyer(office, "Backer")
    with a_desk(office.stage.hub_url()) as desk:
        enter(desk, login, password)
        sale = ordered(desk, office, party, f"{sku}; 4")
        order = desk.page.url
        see(lambda: office.sales(party)[0]["state"] == "processing")
        office.erin.ship(sale)
        (draft,) = office.erin.invoices(sale)
        invoice = office.erin.post_invoice(int(draft["id"]))
        desk.go("/shop/invoices")
        see(lambda: shows(desk, str(invoice["number"])))
        total = f"€{money(invoice['total_amount']):,.2f}"
        assert total in desk.page.inner_text(".figures"), "open altogether"
        desk.page.click(f"a:has-text('{invoice['number']}')")
        assert sku in desk.page.inner_text("main")
        desk.page.click("dl.facts a")
        desk.page.wait_for_selector("h1:has-text('Order')")

        # Three of the four come back; two arrive.
        see(lambda: shows(desk, "Send something back"))
        desk.page.click("a:has-text('Send something back')")
        desk.page.fill("input[name^=n-]", "5")
        desk.page.fill("textarea[name=reason]", "Wrong size")
        pressed(desk, "Announce the return")
        desk.page.wait_for_selector("text=not possible")
        assert desk.page.input_value("textarea[name=reason]") == "Wrong size"
        desk.complaints.clear()
        desk.page.fill("input[name^=n-]", "3")
        pressed(desk, "Announce the return")
        desk.page.wait_for_selector("h1:has-text('Return RT-')")
        number = desk.page.inner_text("h1").split()[-1]
        desk.page.fill("input[name=tracking]", "DHL 17")
        pressed(desk, "It is sent")
        see(lambda: shows(desk, "on its way to us"))
        # The price has risen since; what was paid counts.
        office.erin.change_list_price(sku, "80")
        for words in (("count", number, f"{sku}=2"), ("settle", number, f"{sku}=carrier", "--evidence", "photo")):
            said = see(lambda: (one := office.isthmus("return", *words, "--by", "cleo", "--json")).code == 0 and one)  # noqa: B023
            assert said.code == 0, said
        see(lambda: shows(desk, "being prepared"))
        (back,) = office.erin.sales(number)
        (note,) = office.erin.invoices(int(back["id"]))
        assert money(note["untaxed_amount"]) == -100, "two at 50, not at 80"
        posted = office.erin.post_invoice(int(note["id"]))
        credited = f"€{-money(posted['total_amount']):,.2f}"
        # The note is there before the process of the return has looked for it.
        see(lambda: shows(desk, credited) and desk.page.inner_text(".head .pill") == "credited")
        assert str(posted["number"]) in desk.page.inner_text("main")
        assert office.erin.stock(sku) == 18
        # The ERP's document of the return is in the ledger of the order, and the return does not count beside it.
        ordered_as = str(office.sales(party)[0]["number"])
        see(
            lambda: (
                money(office.isthmus("order", "show", ordered_as, "--json").json["ledger"]["lines"][0]["returned"]) == 2
            )
        )
        desk.page.goto(f"{order}/return")
        assert "at most 2 can come back" in desk.page.inner_text("main")
        assert desk.complaints == []
    assert len(office.sales(party)) == 2, f"{name} has an order and its return"


@pytest.mark.flow("WEB-3")
def test_a_customer_asks_for_a_quote_and_accepts_it_once(office: Office) -> None:
    sku = office.product("WISH", "100", 50)
    _, party, login, password = a_buyer(office, "Wisher")
    with a_desk(office.stage.hub_url(), 390) as desk:
        enter(desk, login, password)
        desk.go("/shop/quick")
        desk.page.fill("textarea[name=text]", f"{sku}; 7")
        desk.page.click("main button.main")
        desk.page.click("a:has-text('Ask for a quote')")
        assert desk.page.input_value("textarea[name=text]") == f"{sku}; 7"
        desk.page.fill("textarea[name=note]", "We buy every month. 谢谢")
        pressed(desk, "Ask for a quote")
        desk.page.wait_for_selector("h1:has-text('Quote QU-')")
        number = desk.page.inner_text("h1").split()[-1]
        assert "€" not in desk.page.inner_text("main")
        made = office.isthmus(
            "quote", "make", "--request", number, "--discount", "10", "--by", "sara@sales.example", "--json"
        )
        assert made.code == 0, made
        assert not shows(desk, "€"), "a draft is not the customer's yet"
        assert office.isthmus("quote", "send", number, "--json").code == 0
        see(lambda: shows(desk, "yours to answer"))
        assert "€630.00" in desk.page.inner_text("main"), "7 at 90"
        desk.page.dblclick("button:has-text('Accept and order')")
        desk.page.wait_for_selector(".notice.ok:has-text('Ordered')")
        (sale,) = office.sales(party)
        assert sale["untaxed_amount"] == 630
        assert sale["number"] in desk.page.inner_text("h1")
        desk.go("/shop/quotes")
        assert "accepted" in desk.page.inner_text("main")
        desk.page.click(f"a:has-text('{number}')")
        desk.page.click(".notice.ok a")
        desk.page.wait_for_selector(f"h1:has-text('{sale['number']}')")
        assert desk.complaints == []
    assert len(office.sales(party)) == 1


@pytest.mark.flow("WEB-3")
@pytest.mark.flow("SHOP-4")
def test_a_question_becomes_a_case_in_the_crm_and_the_answer_is_shown(office: Office) -> None:
    sku = office.product("TALK", "10", 5)
    name, party, login, password = a_buyer(office, "Talker")

    def cases(number: str) -> list[dict[str, object]]:
        found = office.carl.call("GET", "/cases/", name=number)["cases"]
        return [one for one in found if str(one["name"]).startswith(number)]

    with a_desk(office.stage.hub_url()) as desk:
        enter(desk, login, password)
        ordered(desk, office, party, f"{sku}; 1")
        order = desk.page.inner_text("h1").split()[-1]
        desk.page.click("a:has-text('Ask about this order')")
        desk.page.fill("input[name=subject]", "When <b>does</b> it come?")
        desk.page.fill("textarea[name=text]", "We wait for it.\n请尽快。")
        pressed(desk, "Send the question")
        desk.page.wait_for_selector("h1:has-text('does')")
        number = desk.page.inner_text("main p.quiet").split()[0]
        (case,) = see(lambda: cases(number))
        detail = office.carl.call("GET", f"/cases/{case['id']}/")["cases_obj"]
        assert detail["account"]["name"] == name
        assert f"about order {order}" in detail["description"]
        assert "请尽快" in detail["description"]
        see(lambda: shows(desk, "received"))
        assert "None yet" in desk.page.inner_text("main")
        office.carl.call("POST", f"/cases/{case['id']}/", {"comment": "He always asks.", "is_internal": True})
        office.carl.call("POST", f"/cases/{case['id']}/", {"comment": "On Friday.", "is_internal": False})
        office.carl.call("PATCH", f"/cases/{case['id']}/", {"status": "Assigned"})
        see(lambda: shows(desk, "On Friday."))
        assert "always asks" not in desk.page.content()
        see(lambda: shows(desk, "being worked on"))
        desk.go("/shop/questions")
        assert number in desk.page.inner_text("main")
        assert desk.complaints == []
    assert len(cases(number)) == 1


@pytest.mark.flow("WEB-1")
@pytest.mark.flow("SHOP-4")
def test_a_visitor_looks_around_and_writes_to_the_house(office: Office) -> None:
    sku = office.product("SEEN", "77", 4)
    company, email = office.new("Visitor")
    with a_desk(office.stage.hub_url(), 390) as desk:
        desk.go("/shop")
        desk.page.fill("input[name=q]", sku)
        desk.page.keyboard.press("Enter")
        desk.page.wait_for_selector(f".products li:has-text('{sku}')")
        assert "€77.00" in desk.page.inner_text(".products")
        see(lambda: shows(desk, "available"))
        assert desk.violations() == []
        desk.page.click("a:has-text('Ask for a quote')")
        for name, value in (("company", company), ("name", "Vera"), ("email", email)):
            desk.page.fill(f"input[name={name}]", value)
        desk.page.fill("textarea[name=lines]", f"{sku}; 3")
        desk.page.fill("textarea[name=text]", "We are new. 你好")
        assert desk.violations() == []
        assert not desk.too_wide()
        pressed(desk, "Send")
        desk.page.wait_for_selector("h1:has-text('Thank you')")
        assert desk.complaints == []

    def written() -> list[dict[str, object]]:
        found = office.carl.call("GET", "/cases/", search=company)["cases"]
        return [one for one in found if company[:20] in str(one["name"])]

    (case,) = see(written)
    detail = office.carl.call("GET", f"/cases/{case['id']}/")["cases_obj"]
    assert not detail["account"]
    for part in (company, f"Vera <{email}>", f"3 × {sku}", "你好"):
        assert part in detail["description"]
    (quote,) = office.rows("select fields from item where entity = 'Quote' and fields ->> 'email' = %s", email)
    assert (quote["fields"]["prospect"], quote["fields"]["state"]) == (company, "requested")
    assert quote["fields"]["number"] in detail["description"]


@pytest.mark.flow("SAP-3")
@pytest.mark.flow("WEB-3")
def test_people_of_a_station_ask_for_material_and_follow_it(office: Office) -> None:
    stations = Stations(office)
    sku = office.product("STAT", "10", 30)
    number, place, party = stations.station("transfer")
    _, login = office.new("stationer")
    customer = str(office.party(party)["name"])
    said = office.isthmus("user", "add", login, "--customer", customer, "--generate", "--json")
    assert said.code == 0, said
    repair = stations.call("settlement", "repair", number, "overhaul", "--on", "2026-01-05")
    with a_desk(office.stage.hub_url(), 390) as desk:
        enter(desk, login, str(said.json["password"]))
        desk.go("/shop/station")
        assert number in desk.page.inner_text("main")
        assert str(repair["fields"]["number"]) in desk.page.inner_text("main")
        assert "€80.00" in desk.page.inner_text("main")
        desk.page.click("a:has-text('Ask for material')")
        desk.page.fill("textarea[name=text]", f"{sku}; 6")
        desk.page.select_option("select[name=supply]", "transfer")
        pressed(desk, "Ask for material")
        desk.page.wait_for_selector("h1:has-text('Material request MR-')")
        request = desk.page.inner_text("h1").split()[-1]
        transfer = stations.waiting(request)
        stations.warehouse.send_transfer(int(transfer["id"]))
        see(lambda: shows(desk, "on its way"))
        desk.go("/shop/station")
        assert request in desk.page.inner_text("main")
        desk.page.click("a:has-text('Send something back')")
        desk.page.fill("textarea[name=text]", f"{sku}; 1")
        desk.page.fill("textarea[name=reason]", "broken")
        pressed(desk, "Announce the return")
        desk.page.wait_for_selector("h1:has-text('Return RT-')")
        assert place
        assert desk.complaints == []


@pytest.mark.flow("SAP-10")
@pytest.mark.flow("WEB-3")
def test_a_station_notes_its_repairs_and_the_call_centre_finds_them_by_serial_number(office: Office) -> None:
    stations = Stations(office)
    centre = office.new("Centre")[0].split()[1]
    stations.call("organisation", "add", f"C-{centre}", "Own centre", "centre", "--below", "HO")
    sku = office.product("PART", "3", 5)
    number, _, party = stations.station("transfer", below=f"C-{centre}")
    _, login = office.new("stationer")
    customer = str(office.party(party)["name"])
    said = office.isthmus("user", "add", login, "--customer", customer, "--generate", "--json")
    assert said.code == 0, said
    serial = f"HX-{number}"
    last_month = datetime.now(UTC).date().replace(day=1) - timedelta(days=1)
    with a_desk(office.stage.hub_url(), 390) as desk:
        enter(desk, login, str(said.json["password"]))
        desk.go("/shop/station")
        desk.page.click("a:has-text('Note a repair')")
        desk.page.fill("input[name=serial]", serial)
        desk.page.fill("input[name=method]", "overhaul")
        desk.page.fill("input[name=on]", last_month.isoformat())
        desk.page.fill("textarea[name=text]", f"{sku}; 2")
        assert desk.violations() == []
        assert not desk.too_wide()
        pressed(desk, "Note it")
        desk.page.wait_for_selector(".notice.ok:has-text('level major, fee €80.00')")
        desk.page.click("a:has-text('Note a repair')")
        desk.page.fill("input[name=method]", "swap")
        desk.page.fill("input[name=on]", last_month.isoformat())
        pressed(desk, "Note it")
        desk.page.wait_for_selector(".notice.ok:has-text('level minor')")
        assert desk.violations() == []
        assert not desk.too_wide()
        (made,) = stations.call("settlement", "close", "--centre", f"C-{centre}")
        settlement = made["fields"]["number"]
        see(lambda: shows(desk, "€95.00"))
        assert desk.page.locator(f"td:has-text('{settlement}')").count() == 2, "each repair says where it is settled"
        assert desk.complaints == []
    clerk, secret = person(office, "sales")
    with a_desk(office.stage.hub_url()) as desk:
        desk.go("/shop/sign-in")
        desk.page.fill("input[name=login]", clerk)
        desk.page.fill("input[name=password]", secret)
        desk.page.click("button.main")
        desk.page.wait_for_selector("h1:has-text('Call centre')")
        desk.page.fill("input[name=q]", serial.lower())
        desk.page.keyboard.press("Enter")
        desk.page.wait_for_selector(f"li:has-text('{serial}')")
        assert desk.violations() == []
        desk.page.click(f"li:has-text('{serial}') a:has-text('Station')")
        desk.page.wait_for_selector(f"table:has-text('{serial}')")


@pytest.mark.flow("WEB-1")
def test_the_shop_speaks_chinese(office: Office) -> None:
    _, _, login, password = a_buyer(office, "Yunfan")
    with a_desk(office.stage.hub_url()) as desk:
        enter(desk, login, password)
        desk.page.click("button[name=language]")
        desk.page.wait_for_selector("h1:has-text('产品')")
        for path, heading in (
            *(("/shop/quick", "快速下单"), ("/shop/orders", "订单"), ("/shop/invoices", "发票")),
            *(("/shop/quotes", "报价"), ("/shop/returns", "退货"), ("/shop/questions", "提问")),
        ):
            desk.go(path)
            assert desk.page.inner_text("h1") == heading
        assert desk.complaints == []


@pytest.mark.parametrize(("width", "theme"), [(390, "light"), (390, "dark"), (1440, "light"), (1440, "dark")])
def test_every_page_of_the_shop_can_be_used_by_everybody(office: Office, width: int, theme: str) -> None:
    """WCAG 2.2 AA as far as axe can tell, no sideways scrolling, nothing in the browser's console."""
    sku = office.product("AXE", "10", 5)
    name, _, login, password = a_buyer(office, "Everybody")
    clerk, secret = person(office, "sales")
    pictures = os.environ.get("ISTHMUS_PICTURES")
    with a_desk(office.stage.hub_url(), width, theme) as desk:

        def check(what: str) -> None:
            assert desk.violations() == [], what
            if pictures:
                desk.page.screenshot(path=Path(pictures) / f"{what}-{width}-{theme}.png", full_page=True)
            assert not desk.too_wide(), what

        desk.go("/shop/sign-in")
        check("sign-in")
        enter(desk, login, password)
        for path in ("", "/quick", "/orders", "/invoices", "/quotes", "/quotes/new", "/returns", "/questions"):
            desk.go(f"/shop{path}")
            check(path.strip("/").replace("/", "-") or "catalogue")
        desk.go("/shop/quick")
        desk.page.fill("textarea[name=text]", f"{sku}, 2")
        desk.page.click("main button.main")
        desk.page.wait_for_selector("h1:has-text('Cart')")
        check("cart")
        desk.page.click("main button.main")
        desk.page.wait_for_selector(".head h1")
        check("order")
        desk.go("/shop/orders")
        check("orders-one")
        assert desk.complaints == []
        desk.go("/shop/quick")
        desk.page.fill("textarea[name=text]", "=1+1, 2\nNONE-1, x")
        desk.page.click("main button.main")
        desk.page.wait_for_selector(".notice.bad")
        check("faults")
        desk.page.context.clear_cookies()
        desk.go("/shop/sign-in")
        desk.page.fill("input[name=login]", clerk)
        desk.page.fill("input[name=password]", secret)
        desk.page.click("button.main")
        desk.page.wait_for_selector("h1:has-text('Call centre')")
        desk.go(f"/shop/desk?q={name}")
        check("desk")
