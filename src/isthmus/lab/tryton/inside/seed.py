# mypy: disable-error-code="import-not-found, import-untyped, no-untyped-call"
"""Runs in Tryton's own environment: activates the modules in an empty database and fills it with the lab's data.

python build.py CONFIG DATABASE DATASET.json SECRETS.json RESULT.json
"""

import contextlib
import datetime as dt
import json
import os
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

CONFIG, DATABASE, DATASET, SECRETS, RESULT = sys.argv[1:]
os.environ["TRYTOND_CONFIG"] = CONFIG

COUNTRY_CODES = ("AT", "BE", "ES", "NL", "SE", "PL", "AU", "BR", "CA", "IN", "KR")


def connect() -> Any:
    """A proteus session in this process, without HTTP."""
    from proteus import config
    from trytond import config as server

    uri = server.get("database", "uri").replace("/?", f"/{DATABASE}?")
    return config.set_trytond(uri, user="admin", config_file=CONFIG)


def company(dataset: dict[str, Any]) -> dict[str, Any]:
    """The company in EUR with chart of accounts, a fiscal year on each side of today's, tax, terms, categories."""
    from proteus import Model
    from trytond.modules.account.tests.tools import create_chart, create_fiscalyear, create_tax, get_accounts
    from trytond.modules.account_invoice.tests.tools import set_fiscalyear_invoice_sequences
    from trytond.modules.company.tests.tools import create_company, get_company
    from trytond.modules.currency.tests.tools import get_currency

    create_company(currency="EUR")
    own = get_company()
    own.party.name = "Isthmus Trading GmbH"
    own.party.save()
    for code in ("USD", "GBP", "CNY", "JPY", "CHF"):
        get_currency(code)
    create_chart()
    year = dt.date.today().year  # noqa: DTZ011 - the business day is the machine's
    for each in (year - 1, year, year + 1):
        span = (dt.date(each, 1, 1), dt.date(each, 12, 31))
        fiscal = set_fiscalyear_invoice_sequences(create_fiscalyear(today=span))
        fiscal.click("create_period")
    accounts = get_accounts()
    tax = create_tax(Decimal(".19"))
    tax.name = tax.description = "VAT 19 %"
    tax.save()
    (cash,) = Model.get("account.journal").find([("type", "=", "cash")])
    method = Model.get("account.invoice.payment.method")
    method(name="Bank transfer", journal=cash, credit_account=accounts["cash"], debit_account=accounts["cash"]).save()
    terms = {}
    for name, days in (("Immediate", 0), ("30 days", 30), ("60 days", 60)):
        term = Model.get("account.invoice.payment_term")(name=name)
        term.lines.new(type="remainder").relativedeltas.new(days=days)
        term.save()
        terms[name] = term.id
    # Out of the box Tryton takes the identifiers of some countries only
    settings = Model.get("party.configuration")(1)
    settings.identifier_types = sorted({party["tax"][0] for party in dataset["parties"]})
    settings.save()
    category = Model.get("product.category")(
        name="Goods", accounting=True, account_expense=accounts["expense"], account_revenue=accounts["revenue"]
    )
    category.customer_taxes.append(tax)
    category.save()
    return {"company": own.id, "terms": terms, "category": category.id}


def price_lists() -> dict[str, int]:
    """Retail gives 5 %, Dealer 10 % and from ten pieces on 20 %."""
    from proteus import Model

    price_list = Model.get("product.price_list")
    retail = price_list(name="Retail", price="list_price", unit="product_default")
    retail.lines.new(formula="unit_price * 0.95")
    retail.save()
    dealer = price_list(name="Dealer", price="list_price", unit="product_default")
    dealer.lines.new(quantity=10.0, formula="unit_price * 0.80")
    dealer.lines.new(formula="unit_price * 0.90")
    dealer.save()
    return {"Retail": retail.id, "Dealer": dealer.id}


def countries(dataset: dict[str, Any]) -> dict[str, int]:
    """The countries of the data and some more: ISO 3166-1 alpha-2 code -> id."""
    from proteus import Model

    country = Model.get("country.country")
    rows = [(c["code"], c["code3"], c["number"], c["name"]) for c in dataset["countries"]]
    rows += [(code, None, None, code) for code in COUNTRY_CODES]
    found = {}
    for code, code3, number, name in rows:
        record = country(code=code, code3=code3, code_numeric=number, name=name)
        record.save()
        found[code] = record.id
    return found


def users(own: int, secrets: dict[str, str]) -> dict[str, Any]:
    """The hub's user and a person, both in all groups, and the hub's key for the REST interface."""
    from proteus import Model

    user_model, group = Model.get("res.user"), Model.get("res.group")
    company_model = Model.get("company.company")
    made: dict[str, Any] = {}
    for login, name in (("hub", "Isthmus hub"), ("erin", "Erin Sales")):
        user = user_model(name=name, login=login, password=secrets[login], email=f"{login}@lab.example")
        user.companies.append(company_model(own))
        user.company = company_model(own)
        for each in group.find([]):
            user.groups.append(each)
        user.save()
        made[login] = user.id
    application = Model.get("res.user.application")(user=user_model(made["hub"]), application="rest")
    application.save()
    made["key"] = application.key
    return made


def chunks(rows: list[Any]) -> Iterator[list[Any]]:
    """``rows`` in pieces that one call takes well."""
    size = 100
    return (rows[start : start + size] for start in range(0, len(rows), size))


def party_values(party: dict[str, Any], ids: dict[str, Any]) -> dict[str, Any]:
    """What to create for a customer; contact persons are named contact mechanisms."""
    mechanisms = [{"type": "email", "value": party["email"]}, {"type": "phone", "value": party["phone"]}]
    for person in party["people"]:
        name = " ".join((person["first_name"], person["last_name"]))
        mechanisms.append({"type": "email", "value": person["email"], "name": name})
        if person["phone"]:
            mechanisms.append({"type": "phone", "value": person["phone"], "name": name})
    address = {
        "street": party["street"],
        "postal_code": party["postal_code"],
        "city": party["city"],
        "country": ids["countries"][party["country"]],
        "invoice": True,
        "delivery": True,
    }
    values = {
        "name": party["name"],
        "addresses": [("create", [address])],
        "contact_mechanisms": [("create", [m for m in mechanisms if m["value"]])],
    }
    if party["tax"]:
        kind, code = party["tax"]
        values["identifiers"] = [("create", [{"type": kind, "code": code}])]
    return values


def product_values(product: dict[str, Any], ids: dict[str, Any]) -> dict[str, Any]:
    """What to create for a product: a template with one variant; the code is on the template."""
    return {
        "name": product["name"],
        "code": product["sku"],
        "type": "goods",
        "default_uom": ids["unit"],
        "sale_uom": ids["unit"],
        "salable": True,
        "list_prices": [("create", [{"company": ids["company"], "list_price": Decimal(product["list_price"])}])],
        "account_category": ids["category"],
        "products": [("create", [{"description": product["description"]}])],
    }


def fill(dataset: dict[str, Any], ids: dict[str, Any]) -> None:
    """Customers, products and stock, in bulk and without the client layer."""
    if dataset["size"] == "full":
        trust()
    with working(ids) as pool:
        (ids["unit"],) = (unit.id for unit in pool.get("product.uom").search([("name", "=", "Unit")]))
        (storage,) = pool.get("stock.location").search([("code", "=", "STO")])
        (supplier,) = pool.get("stock.location").search([("code", "=", "SUP")])
        ids["storage"], ids["supplier"] = storage.id, supplier.id
    for rows in chunks(dataset["parties"]):
        with working(ids) as pool:
            parties = pool.get("party.party").create([party_values(row, ids) for row in rows])
            set_terms(pool, parties, rows, ids)
    for rows in chunks(dataset["products"]):
        with working(ids) as pool:
            templates = pool.get("product.template").create([product_values(row, ids) for row in rows])
            set_costs(pool, [template.products[0] for template in templates], rows)
            stocked = [
                stock_values(template.products[0].id, row, ids)
                for template, row in zip(templates, rows, strict=True)
                if float(row["stock"])
            ]
            move = pool.get("stock.move")
            moves = move.create(stocked)
            move.do(moves)


def set_terms(pool: Any, parties: list[Any], rows: list[dict[str, Any]], ids: dict[str, Any]) -> None:
    """Terms, credit limits and price lists: kept per company, and quickest written for all who have the same."""
    alike: dict[tuple[str, Any], list[Any]] = {}
    for party, row in zip(parties, rows, strict=True):
        alike.setdefault(("customer_payment_term", ids["terms"][row["payment_term"]]), []).append(party)
        if row["credit_limit"]:
            alike.setdefault(("credit_limit_amount", Decimal(row["credit_limit"])), []).append(party)
        if row["price_list"]:
            alike.setdefault(("sale_price_list", ids["price_lists"][row["price_list"]]), []).append(party)
    for (field, value), those in alike.items():
        pool.get("party.party").write(those, {field: value})


def set_costs(pool: Any, products: list[Any], rows: list[dict[str, Any]]) -> None:
    """Cost prices, into the records that the products were made with."""
    costs = {product.id: Decimal(row["cost_price"]) for product, row in zip(products, rows, strict=True)}
    model = pool.get("product.cost_price")
    changes: list[Any] = []
    for record in model.search([("product", "in", list(costs))]):
        changes += [[record], {"cost_price": costs[record.product.id]}]
    model.write(*changes)


def trust() -> None:
    """Skip Tryton's check of each record, three quarters of the time: the small data, made alike, is checked."""
    from trytond.model import ModelStorage

    ModelStorage._validate = classmethod(lambda cls, records, field_names=None: None)


def stock_values(product: int, row: dict[str, Any], ids: dict[str, Any]) -> dict[str, Any]:
    """The delivery from a supplier that brought what is in stock."""
    return {
        "product": product,
        "quantity": float(row["stock"]),
        "unit": ids["unit"],
        "from_location": ids["supplier"],
        "to_location": ids["storage"],
        "company": ids["company"],
        "currency": ids["currency"],
        "unit_price": Decimal(row["cost_price"]),
    }


@contextlib.contextmanager
def working(ids: dict[str, Any]) -> Iterator[Any]:
    """The models in a transaction of Erin's, committed at its end; short ones keep Tryton's caches small."""
    from trytond.pool import Pool
    from trytond.transaction import Transaction

    # Goods that come from a supplier without a purchase are worth a warning; nobody is here to press Yes.
    context = {"company": ids["company"], "_skip_warnings": True}
    with Transaction().start(DATABASE, ids["users"]["erin"], context=context):
        yield Pool()


def main() -> None:
    """All of it; RESULT gets what the lab has to know."""
    dataset = json.loads(Path(DATASET).read_text(encoding="utf-8"))
    secrets = json.loads(Path(SECRETS).read_text(encoding="utf-8"))
    connect()
    ids = company(dataset)
    ids["price_lists"] = price_lists()
    ids["countries"] = countries(dataset)
    ids["users"] = users(ids["company"], secrets)
    from proteus import Model

    (euro,) = Model.get("currency.currency").find([("code", "=", "EUR")])
    ids["currency"] = euro.id
    fill(dataset, ids)
    from trytond import __version__

    Path(RESULT).write_text(json.dumps({**ids, "version": __version__}), encoding="utf-8")


if __name__ == "__main__":
    main()
