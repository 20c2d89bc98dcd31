"""Customers order in the shop of a running hub, with the real ERP behind it (WEB-1, WEB-2, WEB-3)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.e2e.browser import Desk, a_desk, needs_chromium, person
from tests.e2e.office import Office, money, see

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


@pytest.mark.flow("WEB-1")
def test_the_shop_speaks_chinese(office: Office) -> None:
    _, _, login, password = a_buyer(office, "Yunfan")
    with a_desk(office.stage.hub_url()) as desk:
        enter(desk, login, password)
        desk.page.click("button[name=language]")
        desk.page.wait_for_selector("h1:has-text('产品')")
        for path, heading in (("/shop/quick", "快速下单"), ("/shop/orders", "订单"), ("/shop/invoices", "发票")):
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
        for path in ("", "/quick", "/orders", "/invoices"):
            desk.go(f"/shop{path}")
            check(path.strip("/") or "catalogue")
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
