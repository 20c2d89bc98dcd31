"""Products with prices and stock, from the ERP to the CRM (ERP-5, ERP-9, SAP-2)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from isthmus.lab.dataset import generate
from tests.e2e.office import Office, money, see

pytestmark = [
    pytest.mark.lab,
    pytest.mark.flow("ERP-5"),
    pytest.mark.flow("ERP-9"),
    pytest.mark.flow("SAP-2"),
]


def crm_product(office: Office, sku: str) -> dict[str, Any]:
    return office.carl.product(sku) or {}


def told(office: Office, sku: str) -> list[str]:
    """The lines of a product's description in the CRM, where it shows what it has no field for."""
    return str(crm_product(office, sku).get("description") or "").splitlines()


def test_every_product_of_the_erp_is_in_the_crm_at_its_price(office: Office) -> None:
    in_crm = {product["sku"]: product for product in office.carl.products()}
    for row in office.erin.read("product.product", [["salable", "=", True]], ["code", "name", "list_price_used"]):
        if row["code"] and "E2E" not in row["code"]:
            assert in_crm[row["code"]]["name"] == row["name"]
            assert money(in_crm[row["code"]]["price"]) == money(row["list_price_used"])
            assert in_crm[row["code"]]["currency"] == "EUR"


def test_a_new_product_of_the_erp_is_sold_by_the_crm(office: Office) -> None:
    sku = office.product("NEW", "149.90")
    product = crm_product(office, sku)
    assert (product["name"], money(product["price"]), product["currency"]) == ("New valve", Decimal("149.90"), "EUR")
    assert product["is_active"]


def test_name_unit_and_price_follow_the_erp(office: Office) -> None:
    sku = office.product("EDIT", "80")
    office.erin.patch_product(sku, name="Ball valve DN 25")
    office.erin.change_list_price(sku, "83.25")
    see(lambda: crm_product(office, sku)["name"] == "Ball valve DN 25")
    see(lambda: money(crm_product(office, sku)["price"]) == Decimal("83.25"))
    see(lambda: "erp unit: Unit" in told(office, sku))
    office.erin.patch_product(sku, active=False)
    see(lambda: not crm_product(office, sku).get("is_active", False))


def test_prices_of_the_price_lists_are_shown_in_the_crm(office: Office) -> None:
    sku = office.product("LIST", "100")
    _, party = office.customer("Dealership")
    office.erin.set_price_list(party, "Dealer")
    single, many = office.erin.sale_price(sku, party), office.erin.sale_price(sku, party, 10)
    assert many < single < 100
    shown = {f"Dealer · from {least} · {price.normalize():f} EUR" for price, least in ((single, 1), (many, 10))}
    see(lambda: shown <= {line.removeprefix("erp prices:").strip() for line in told(office, sku)})


def test_stock_of_the_erp_is_shown_in_the_crm(office: Office) -> None:
    sku = office.product("STOCK", "12")
    office.erin.set_stock(sku, 37)
    see(lambda: any(line.split()[-1:] == ["37"] for line in told(office, sku)))
    _, party = office.customer("Stocker")
    office.erin.confirm_sale(office.erin.create_sale(party, {sku: 5}))
    # 37 are there, 32 of them can still be promised.
    see(lambda: {"37", "32"} <= {line.split()[-1] for line in told(office, sku) if line.split()})


def test_what_the_crm_changes_is_put_right_again(office: Office) -> None:
    sku = office.product("OURS", "55")
    office.settle()
    office.carl.patch_product(crm_product(office, sku)["id"], name="Ours, cheap", price="1.00")
    office.settle()
    see(lambda: (crm_product(office, sku)["name"], money(crm_product(office, sku)["price"])) == ("Ours valve", 55))
    assert money(office.erin.product(sku)["list_price_used"]) == 55  # type: ignore[index]


def figures(value: object) -> Iterator[Decimal]:
    """Every number in a JSON value, also one within a text: as a number, because digits stand in ids and times too."""
    if isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from figures(one)
    elif not isinstance(value, bool):
        for found in re.findall(r"(?<![\w.:-])\d+(?:\.\d+)?(?![\w.:-])", str(value)):
            yield Decimal(found)


def test_cost_stays_in_the_erp(office: Office) -> None:
    """Whoever sees products in the CRM sees all of them: what they cost us is not told there in any field."""
    in_crm = {product["sku"]: set(figures(product)) for product in office.carl.products()}
    costs = {product.sku: product.cost_price for product in generate("small").products}
    assert {money(row["cost_price"]) for row in office.erin.read("product.product", [], ["cost_price"])} >= {
        money(cost) for cost in costs.values()
    }
    prices = {product.sku: product.list_price for product in generate("small").products}
    assert [sku for sku, price in prices.items() if Decimal(price) not in in_crm[sku]] == [], "figures are found"
    assert [sku for sku, cost in costs.items() if Decimal(cost) in in_crm[sku]] == []
    assert [
        row for row in office.rows("select changes from effect where system = 'crm'") if "cost" in row["changes"]
    ] == []
