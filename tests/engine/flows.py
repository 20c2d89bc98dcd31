"""A small set of flows, built in Python: customers, contacts, products and orders between a CRM and any number of
ERPs, on in-memory systems."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from isthmus.connector import Deletes, FieldInfo, Traits
from isthmus.model.entities import BUILT_IN
from isthmus.model.flow import (
    Brake,
    Condition,
    Const,
    CreatePolicy,
    DeletePolicy,
    Each,
    Expr,
    FieldRule,
    Flow,
    Join,
    MatchPart,
    MatchRule,
    Path,
    Side,
    Struct,
    Use,
)
from isthmus.project.notation import parse_convert, parse_path
from isthmus.testing import MemoryResource

ERP_TRAITS = Traits(
    deletes=Deletes.REPORTED,
    versioned=True,
    ordered_versions=True,
    guarded_writes=True,
    write_batch=10,
    fetch_batch=10,
)
CRM_TRAITS = Traits(write_batch=5, fetch_batch=5)

CRM_TABLES: Mapping[str, str] = {
    "accounts": "erp_number name vat email phone street city limit:decimal active:boolean note",
    "contacts": "account full_name email phone",
    "products": "sku name price:decimal",
    "deals": "account title won:boolean lines:list erp_number state",
}
ERP_TABLES: Mapping[str, str] = {
    "parties": "number name tax_code email telephone addresses:list credit_limit:decimal active:boolean",
    "people": "party first_name last_name email phone",
    "goods": "code name price:decimal",
    "sales": "party reference number state lines:list",
}


def p(text: str, convert: str | None = None, use: Use = Use.BOTH) -> Path:
    """A path expression, as written in a mapping."""
    return Path(parse_path(text), parse_convert(convert) if convert else None, use)


def money(place: str) -> Struct:
    return Struct({"amount": p(place), "currency": Const("EUR")})


CUSTOMER_CRM: Mapping[str, Expr] = {
    "number": p("erp_number"),
    "name": p("name"),
    "tax_id": p("vat"),
    "email": p("email", "lowercase"),
    "phone": p("phone", "phone(DE)"),
    "address": Struct({"street": p("street"), "city": p("city")}),
    "credit_limit": money("limit"),
    "active": p("active"),
}
CUSTOMER_ERP: Mapping[str, Expr] = {
    "number": p("number"),
    "name": p("name"),
    "tax_id": p("tax_code"),
    "email": p("email"),
    "phone": p("telephone"),
    "address": Struct(
        {"street": p("addresses[0].street"), "city": p("addresses[0].city"), "postal_code": p("addresses[0].zip")}
    ),
    "credit_limit": money("credit_limit"),
    "active": p("active"),
}
CONTACT_CRM: Mapping[str, Expr] = {
    "customer": p("account", "ref(Customer)"),
    "name": p("full_name"),
    "email": p("email"),
    "phone": p("phone"),
}
CONTACT_ERP: Mapping[str, Expr] = {
    "customer": p("party", "ref(Customer)"),
    "name": Join((p("first_name"), p("last_name"))),
    "email": p("email"),
    "phone": p("phone"),
}
PRODUCT_CRM: Mapping[str, Expr] = {"sku": p("sku"), "name": p("name"), "list_price": money("price")}
PRODUCT_ERP: Mapping[str, Expr] = {"sku": p("code"), "name": p("name"), "list_price": money("price")}
LINE: Mapping[str, Expr] = {"product": p("product", "ref(Product)"), "quantity": p("quantity")}
ORDER_CRM: Mapping[str, Expr] = {
    "reference": p("title"),
    "customer": p("account", "ref(Customer)"),
    "confirmed": p("won", use=Use.READ),
    "ordered": Each(p("lines"), LINE, use=Use.READ),
    "number": p("erp_number"),
    "state": p("state"),
}
ORDER_ERP: Mapping[str, Expr] = {
    "reference": p("reference"),
    "customer": p("party", "ref(Customer)"),
    "ordered": Each(p("lines"), LINE, use=Use.CREATE),
    "number": p("number"),
    "state": p("state"),
}


def rule_of(*parts: str | tuple[str, float]) -> MatchRule:
    return MatchRule(tuple(MatchPart(x) if isinstance(x, str) else MatchPart(*x) for x in parts))


MATCH: Mapping[str, tuple[MatchRule, ...]] = {
    "Customer": (rule_of("tax_id"), rule_of(("name", 0.9), "address.city")),
    "Contact": (rule_of("email"), rule_of("customer", "name")),
    "Product": (rule_of("sku"),),
    "SalesOrder": (rule_of("reference"),),
}
_SIDES: Mapping[str, tuple[str, str]] = {
    "Customer": ("accounts", "parties"),
    "Contact": ("contacts", "people"),
    "Product": ("products", "goods"),
    "SalesOrder": ("deals", "sales"),
}
_EXPRS: Mapping[str, tuple[Mapping[str, Expr], Mapping[str, Expr]]] = {
    "Customer": (CUSTOMER_CRM, CUSTOMER_ERP),
    "Contact": (CONTACT_CRM, CONTACT_ERP),
    "Product": (PRODUCT_CRM, PRODUCT_ERP),
    "SalesOrder": (ORDER_CRM, ORDER_ERP),
}
_RULES: Mapping[tuple[str, str], Mapping[str, Any]] = {
    ("Customer", "number"): {"writers": ("erp", "erp2")},
    ("Product", "list_price"): {"writers": ("erp", "erp2")},
    ("SalesOrder", "number"): {"writers": ("erp", "erp2")},
    ("SalesOrder", "state"): {"writers": ("erp", "erp2")},
}
CONFIRMED = (Condition("confirmed", (True,)),)


def make_flows(
    systems: Sequence[str] = ("crm", "erp"),
    *,
    names: Sequence[str] = tuple(_SIDES),
    sides: Mapping[tuple[str, str], Mapping[str, Any]] | None = None,
    rules: Mapping[tuple[str, str], Mapping[str, Any]] | None = None,
    exprs: Mapping[tuple[str, str, str], Expr] | None = None,
    flow_options: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[str, Flow]:
    """The flows; ``sides[(flow, system)]``, ``rules[(flow, field)]``, ``exprs[(flow, system, field)]`` and
    ``flow_options[flow]`` change single places."""
    made = {}
    for name in names:
        parts = {}
        for system in systems:
            options: dict[str, Any] = {"create": CreatePolicy.ALWAYS, "delete": DeletePolicy.PROPAGATE}
            if name == "SalesOrder":
                options |= {"create": CreatePolicy.NEVER} if system == "crm" else {"create_when": CONFIRMED}
            options |= (sides or {}).get((name, system), {})
            parts[system] = Side(system=system, resource=_SIDES[name][system != "crm"], **options)
        fields = {}
        for field in {**_EXPRS[name][0], **_EXPRS[name][1]}:
            held = {s: _EXPRS[name][s != "crm"][field] for s in systems if field in _EXPRS[name][s != "crm"]}
            held |= {s: e for (f, s, n), e in (exprs or {}).items() if (f, n) == (name, field)}
            options = {**_RULES.get((name, field), {}), **(rules or {}).get((name, field), {})}
            fields[field] = FieldRule(name=field, exprs=held, **options)
        flow = Flow(name=name, entity=BUILT_IN[name], sides=parts, fields=fields, match=MATCH[name], brake=Brake())
        made[name] = replace(flow, **(flow_options or {}).get(name, {}))
    return made


def make_tables(system: str, changes: Mapping[str, Mapping[str, Any]]) -> list[MemoryResource]:
    """The resources of one system; ``changes[resource]`` are options of :class:`MemoryResource`, and single traits."""
    tables = CRM_TABLES if system == "crm" else ERP_TABLES
    base = CRM_TRAITS if system == "crm" else ERP_TRAITS
    made = []
    for name, words in tables.items():
        options = dict(changes.get(name, {}))
        traits = {k: options.pop(k) for k in list(options) if k in Traits.__struct_fields__}
        fields = {w.partition(":")[0]: FieldInfo(type=w.partition(":")[2] or "text") for w in words.split()}
        options = {"feed": system != "crm", "page_size": 3, "traits": replace(base, **traits), **options}
        made.append(MemoryResource(name=name, fields=fields, **options))
    return made
