"""What is special about writing to BottleCRM."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.connector import Create, Delete, FieldInfo, Found, Gone, Record, Update, WriteAnswer
from isthmus.connectors.bottlecrm import BottleCrm, Config, connector
from isthmus.connectors.bottlecrm.documents import rate_for
from isthmus.connectors.bottlecrm.products import MARK, join_block, split_block
from isthmus.connectors.bottlecrm.resource import CrmResource
from isthmus.connectors.bottlecrm.twin import BottleCrmTwin
from isthmus.errors import Rejected

CENT = Decimal("0.01")
WANTED = {
    "account": {
        "custom_fields.erp_number": FieldInfo(type="text", label="ERP number"),
        "custom_fields.erp_credit_limit": FieldInfo(type="decimal"),
    },
    "product": {"custom_fields.erp_stock": FieldInfo(type="decimal")},
}


def resource(crm: BottleCrm, name: str) -> CrmResource:
    found = crm.resources()[name]
    assert isinstance(found, CrmResource)
    return found


async def answer(crm: BottleCrm, name: str, write: Create | Update | Delete) -> WriteAnswer:
    (given,) = await resource(crm, name).write([write])
    return given


async def make(crm: BottleCrm, name: str, /, **fields: Any) -> Record:
    made = await answer(crm, name, Create(token=f"token-{name}", fields=fields))
    assert isinstance(made, Record), made
    return made


async def change(crm: BottleCrm, name: str, before: Record, /, **fields: Any) -> Record:
    changed = await answer(crm, name, Update(before=before, fields=fields))
    assert isinstance(changed, Record), changed
    return changed


async def refused(crm: BottleCrm, name: str, write: Create | Update | Delete) -> Rejected:
    given = await answer(crm, name, write)
    assert isinstance(given, Rejected), given
    return given


async def invoice(crm: BottleCrm, **fields: Any) -> Record:
    account = await make(crm, "account", name="Acme", email="acme@example.com")
    await make(crm, "contact", first_name="Ann", last_name="Bee", account=account.key)
    lines = [{"name": "Pump", "quantity": Decimal(3), "unit_price": Decimal("9.90")}]
    return await make(crm, "invoice", **{"invoice_title": "4711", "account": account.key, "line_items": lines} | fields)


# custom fields


async def test_custom_fields_are_made_once_with_the_tokens(crm: BottleCrm, twin: BottleCrmTwin) -> None:
    names = ["erp_number", "erp_credit_limit", "isthmus_token"]
    wanted = [f"account.custom_fields.{name}" for name in names]
    assert await crm.missing(WANTED) == wanted
    assert await crm.prepare(WANTED) == wanted
    assert await crm.prepare(WANTED) == []
    assert [row["field_type"] for row in twin.definitions] == ["text", "number", "text"]
    assert [row["label"] for row in twin.definitions] == ["ERP number", "Erp credit limit", "Isthmus token"]


async def test_a_custom_field_that_was_switched_off_is_switched_on_again(crm: BottleCrm, twin: BottleCrmTwin) -> None:
    await crm.prepare(WANTED)
    twin.definitions[0]["is_active"] = False
    assert await crm.prepare(WANTED) == ["account.custom_fields.erp_number"]
    assert len(twin.definitions) == 3
    assert twin.definitions[0]["is_active"]


async def test_a_custom_field_changes_alone(crm: BottleCrm, twin: BottleCrmTwin) -> None:
    await crm.prepare(WANTED)
    limit = Decimal("1234.56")
    made = await make(crm, "account", name="Acme", custom_fields={"erp_number": "C-1", "erp_credit_limit": limit})
    assert made.fields["custom_fields"] == {"erp_number": "C-1", "erp_credit_limit": limit}
    twin.rows["account"][made.key]["custom_fields"]["erp_credit_limit"] = 99.5  # somebody edits it meanwhile
    after = await change(crm, "account", made, custom_fields={"erp_number": None, "erp_credit_limit": limit})
    assert after.fields["custom_fields"] == {"erp_number": None, "erp_credit_limit": Decimal("99.5")}
    assert twin.rows["account"][made.key]["custom_fields"]["isthmus_token"] == "token-account"


async def test_a_custom_field_that_does_not_exist_is_refused_rather_than_lost(crm: BottleCrm) -> None:
    error = await refused(crm, "account", Create(token="t", fields={"name": "Acme", "custom_fields": {"erp_x": "1"}}))
    assert error.field == "custom_fields.erp_x"
    assert "isthmus check" in error.advice


async def test_a_custom_field_made_by_another_process_is_known(crm: BottleCrm, twin: BottleCrmTwin) -> None:
    before = await make(crm, "account", name="Acme")
    other = await connector.open(Config(url=twin.url, token=twin.token))
    await other.prepare(WANTED)
    await other.close()
    after = await change(crm, "account", before, custom_fields={"erp_number": "C-1"})
    assert after.fields["custom_fields"]["erp_number"] == "C-1"


# what hangs together


async def test_an_account_with_deals_or_tickets_is_not_deleted_with_them(crm: BottleCrm, twin: BottleCrmTwin) -> None:
    account = await make(crm, "account", name="Acme")
    deal = await make(crm, "opportunity", name="Deal", account=account.key)
    error = await refused(crm, "account", Delete(key=account.key))
    assert "1 deals" in error.message
    assert await answer(crm, "opportunity", Delete(key=deal.key)) == Gone(key=deal.key)
    assert await answer(crm, "account", Delete(key=account.key)) == Gone(key=account.key)
    assert await answer(crm, "account", Delete(key=account.key)) == Gone(key=account.key)
    assert await answer(crm, "account", Delete(key="no uuid")) == Gone(key="no uuid")


async def test_an_account_with_invoices_is_refused_with_bottlecrms_reason(crm: BottleCrm) -> None:
    made = await invoice(crm)
    error = await refused(crm, "account", Delete(key=made.fields["account"]))
    assert "invoices, estimates or recurring invoices linked" in error.message


async def test_a_second_account_name_and_a_second_sku_are_refused(crm: BottleCrm, twin: BottleCrmTwin) -> None:
    await make(crm, "account", name="Acme")
    assert (await refused(crm, "account", Create(token="t", fields={"name": "ACME"}))).field == "name"
    await make(crm, "product", name="Pump", sku="P-1")
    other = await make(crm, "product", name="Valve", sku="P-10")
    assert (await refused(crm, "product", Create(token="t", fields={"name": "X", "sku": "P-1"}))).field == "sku"
    assert (await refused(crm, "product", Update(before=other, fields={"sku": "P-1"}))).field == "sku"
    assert ("POST", "/api/invoices/products/") in twin.requests
    assert len(twin.rows["product"]) == 2


async def test_products_without_sku_are_no_duplicates(crm: BottleCrm) -> None:
    first = await make(crm, "product", name="Pump", sku=None)
    second = await make(crm, "product", name="Valve", sku="V-1")
    assert (await change(crm, "product", second, sku=None)).fields["sku"] is first.fields["sku"] is None


async def test_a_deal_whose_line_is_refused_is_not_left_behind(crm: BottleCrm, twin: BottleCrmTwin) -> None:
    unknown = "00000000-0000-4000-8000-000000000000"
    for line in ({"product": unknown}, {"product": "x"}, {"name": "x", "quantity": Decimal(0)}):
        write = Create(token="t", fields={"name": "Deal", "line_items": [{"name": "good"}, line]})
        await refused(crm, "opportunity", write)
        assert twin.rows["opportunity"] == {}


async def test_lines_are_kept_changed_made_and_taken_out_by_identity(crm: BottleCrm) -> None:
    lines = [{"name": name, "quantity": Decimal(1), "unit_price": Decimal(10)} for name in ("a", "b", "c")]
    deal = await make(crm, "opportunity", name="Deal", line_items=lines)
    a, b, c = deal.fields["line_items"]
    wanted = [{**c, "quantity": Decimal(2)}, a, {"name": "d", "unit_price": Decimal("0.50")}]
    after = await change(crm, "opportunity", deal, line_items=wanted)
    assert {line["name"]: line["id"] for line in after.fields["line_items"]}.items() >= {
        "a": a["id"],
        "c": c["id"],
    }.items()
    assert b["id"] not in {line["id"] for line in after.fields["line_items"]}
    assert after.fields["amount"] == Decimal("30.50")


async def test_discounts_read_as_fractions(crm: BottleCrm) -> None:
    lines = [
        {
            "name": "a",
            "quantity": Decimal(3),
            "unit_price": Decimal(10),
            "discount_type": "PERCENTAGE",
            "discount_value": Decimal(10),
        },
        {
            "name": "b",
            "quantity": Decimal(1),
            "unit_price": Decimal(8),
            "discount_type": "FIXED",
            "discount_value": Decimal(2),
        },
        {"name": "c", "quantity": Decimal(1), "unit_price": Decimal(8)},
    ]
    deal = await make(crm, "opportunity", name="Deal", line_items=lines)
    assert [line["discount_rate"] for line in deal.fields["line_items"]] == [Decimal("0.1"), Decimal("0.25"), 0]
    assert deal.fields["amount"] == Decimal("41.00")


async def test_a_person_with_one_name_keeps_one(crm: BottleCrm, twin: BottleCrmTwin) -> None:
    made = await make(crm, "contact", first_name="王伟", last_name=None)
    assert (made.fields["first_name"], made.fields["last_name"]) == ("王伟", None)
    assert twin.rows["contact"][made.key]["last_name"] == "-"
    after = await change(crm, "contact", made, first_name=None, last_name="Wang")
    assert (after.fields["first_name"], after.fields["last_name"]) == (None, "Wang")
    assert (await refused(crm, "contact", Create(token="t", fields={"email": "a@example.com"}))).field == "first_name"


async def test_the_account_of_a_ticket_cannot_be_changed_unnoticed(crm: BottleCrm) -> None:
    account = await make(crm, "account", name="Acme")
    case = await make(crm, "case", name="It leaks", status="New", priority="High")
    assert (await refused(crm, "case", Update(before=case, fields={"account": account.key}))).field == "account"


# invoices and payments


async def test_an_invoice_goes_to_the_accounts_oldest_contact_when_nobody_is_named(crm: BottleCrm) -> None:
    made = await invoice(crm)
    assert made.fields["client_name"] == "Acme"
    assert made.fields["client_email"] == "acme@example.com"
    lonely = await make(crm, "account", name="Lonely")
    write = Create(token="t", fields={"invoice_title": "1", "account": lonely.key})
    assert (await refused(crm, "invoice", write)).field == "contact"


async def test_the_tax_of_an_invoice_becomes_its_rate(crm: BottleCrm) -> None:
    made = await invoice(crm, tax_amount=Decimal("5.64"))
    assert (made.fields["tax_rate"], made.fields["total_amount"]) == (Decimal("19.00"), Decimal("35.34"))
    line = {**made.fields["line_items"][0], "quantity": Decimal(1)}
    after = await change(crm, "invoice", made, line_items=[line], tax_amount=Decimal("0.69"))
    assert (after.fields["tax_rate"], after.fields["tax_amount"]) == (Decimal("7.00"), Decimal("0.69"))
    assert [each["id"] for each in after.fields["line_items"]] == [line["id"]]


@settings(deadline=None)
@given(
    taxable=st.decimals(min_value=1, max_value=10**7, places=2),
    rate=st.sampled_from([Decimal(rate) for rate in ("0", "5", "5.5", "7", "8.1", "19", "20", "21.25")]),
)
def test_the_rate_for_a_tax_yields_that_tax(taxable: Decimal, rate: Decimal) -> None:
    tax = (taxable * rate / 100).quantize(CENT, "ROUND_HALF_UP")
    found = rate_for(tax, taxable)
    assert (taxable * found / 100).quantize(CENT, "ROUND_HALF_UP") == tax
    assert found == found.quantize(CENT)


async def test_an_invoice_can_be_cancelled_but_not_deleted_or_made_paid(crm: BottleCrm) -> None:
    made = await invoice(crm)
    assert "not delete invoices" in (await refused(crm, "invoice", Delete(key=made.key))).message
    for status in ("Paid", "Sent"):
        assert (await refused(crm, "invoice", Update(before=made, fields={"status": status}))).field == "status"
    assert (await change(crm, "invoice", made, status="Cancelled")).fields["status"] == "Cancelled"


async def test_an_invoice_is_sent_only_when_the_configuration_allows_it(twin: BottleCrmTwin) -> None:
    crm = await connector.open(Config(url=twin.url, token=twin.token, send_documents=True))
    made = await invoice(crm, status="Sent")
    assert made.fields["status"] == "Sent"
    error = await refused(crm, "invoice", Update(before=made, fields={"line_items": []}))
    assert "only be changed while it is a Draft" in error.message
    await crm.close()


async def test_a_payment_shows_on_its_invoice_and_carries_its_token(crm: BottleCrm, twin: BottleCrmTwin) -> None:
    made = await invoice(crm)
    fields = {
        "invoice": made.key,
        "amount": Decimal("10.00"),
        "currency": "USD",
        "payment_date": "2026-11-22",
        "payment_method": "BANK_TRANSFER",
        "notes": "Thanks",
    }
    since = datetime.now(UTC) - timedelta(minutes=1)
    create = Create(token="pay-1", fields=fields)
    paid = await answer(crm, "payment", create)
    assert isinstance(paid, Record)
    assert (paid.fields["notes"], paid.fields["currency"]) == ("Thanks", "USD")
    assert "[isthmus:pay-1]" in next(iter(twin.rows["payment"].values()))["notes"]
    assert await resource(crm, "payment").find_created(create, since) == [Found(record=paid, certain=True)]
    (now,) = await resource(crm, "invoice").fetch([made.key])
    assert isinstance(now, Record)
    assert (now.fields["status"], now.fields["amount_due"]) == ("Partially_Paid", Decimal("19.70"))
    assert [each["id"] for each in now.fields["payments"]] == [paid.key]
    wrong = Create(token="pay-2", fields={**fields, "currency": "EUR"})
    assert (await refused(crm, "payment", wrong)).field == "currency"
    much = Create(token="pay-3", fields={**fields, "amount": Decimal(1000)})
    assert (await refused(crm, "payment", much)).field == "amount"
    assert "not change payments" in (await refused(crm, "payment", Update(before=paid, fields={"notes": "x"}))).message
    assert await answer(crm, "payment", Delete(key=paid.key)) == Gone(key=paid.key)
    (now,) = await resource(crm, "invoice").fetch([made.key])
    assert isinstance(now, Record)
    assert now.fields["amount_paid"] == 0


async def test_an_accepted_estimate_is_told(crm: BottleCrm, twin: BottleCrmTwin) -> None:
    account = await make(crm, "account", name="Acme")
    contact = await make(crm, "contact", first_name="Ann", last_name="Bee", account=account.key)
    lines = [{"name": "Pump", "quantity": Decimal(2), "unit_price": Decimal(5)}]
    quote = await make(crm, "estimate", title="Quote", contact=contact.key, line_items=lines)
    assert (quote.fields["account"], quote.fields["accepted"]) == (account.key, False)
    twin.rows["estimate"][quote.key]["status"] = "Accepted"
    (after,) = await resource(crm, "estimate").fetch([quote.key])
    assert isinstance(after, Record)
    assert after.fields["accepted"] is True
    changed = [{**after.fields["line_items"][0], "quantity": Decimal(3)}]
    assert (await refused(crm, "estimate", Update(before=after, fields={"line_items": changed}))).field == "line_items"


# products


TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]) | st.just("\n"), max_size=60)
KEYS = st.from_regex(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", fullmatch=True)


@settings(deadline=None)
@given(text=TEXTS.map(str.strip), values=st.dictionaries(KEYS, TEXTS.map(str.strip).filter(bool), max_size=5))
def test_values_in_a_description_are_read_as_they_were_written(text: str, values: dict[str, str]) -> None:
    kept = {key: "\n".join(value.splitlines()) for key, value in values.items()}
    assert split_block(join_block(text, values)) == (text, kept)


async def test_people_and_the_hub_change_a_description_side_by_side(crm: BottleCrm, twin: BottleCrmTwin) -> None:
    made = await make(crm, "product", name="Pump", description="Blue.", custom_fields={"erp_stock": "12"})
    row = twin.rows["product"][made.key]
    assert row["description"] == f"Blue.\n\n{MARK}\nerp stock: 12"
    row["description"] = row["description"].replace("Blue.", "Green.")
    (now,) = await resource(crm, "product").fetch([made.key])
    assert isinstance(now, Record)
    assert now.fields["description"] == "Green."
    after = await change(crm, "product", now, custom_fields={"erp_stock": Decimal("7.5")})
    assert (after.fields["description"], after.fields["custom_fields"]) == ("Green.", {"erp_stock": "7.5"})
    assert (await change(crm, "product", after, custom_fields={})).fields["custom_fields"] == {}
    assert row["description"] == "Green."


async def test_a_deal_without_currency_is_in_the_organisations(crm: BottleCrm) -> None:
    assert (await make(crm, "opportunity", name="Deal", amount=Decimal(5))).fields["currency"] == "EUR"


async def test_fields_that_bottlecrm_computes_or_lacks_are_refused_by_name(crm: BottleCrm) -> None:
    assert (await refused(crm, "account", Create(token="t", fields={"name": "x", "vat": "1"}))).field == "vat"
    deal = await make(crm, "opportunity", name="Deal")
    assert (await refused(crm, "opportunity", Update(before=deal, fields={"won": True}))).field == "won"
