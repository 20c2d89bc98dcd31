"""The simulated company: a CRM, an ERP and a web shop in a triangle, the flows between them, and what each system
promises. Traits and policies are drawn from the seed, so that every way of the engine is taken by some run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from random import Random
from typing import Any

import msgspec
from msgspec.structs import replace

from isthmus.connector import Deletes, FieldInfo, Traits
from isthmus.model.entities import BUILT_IN
from isthmus.model.flow import (
    Brake,
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
    MergePolicy,
    Path,
    Side,
    Struct,
)
from isthmus.project.notation import parse_convert, parse_path
from isthmus.testing.memory import MemoryResource, MemoryWorld, rounds, trims
from isthmus.testing.simulator.ledger import number_of

__all__ = [
    "ENTITIES",
    "EVERY",
    "RESOURCES",
    "SYSTEMS",
    "TAGS",
    "Setting",
    "make_flows",
    "make_worlds",
    "setting_of",
    "tops",
]

SYSTEMS = ("crm", "erp", "shop")
EVERY = 30.0
"""Seconds between two looks at a resource."""

RESOURCES: Mapping[str, Mapping[str, str]] = {
    "Customer": {"crm": "accounts", "erp": "parties", "shop": "buyers"},
    "Contact": {"crm": "contacts", "erp": "people", "shop": "users"},
    "Product": {"crm": "products", "erp": "goods", "shop": "articles"},
    "SalesOrder": {"crm": "deals", "erp": "sales", "shop": "orders"},
}
ENTITIES = tuple(RESOURCES)
TAGS: Mapping[str, str] = {"Customer": "website", "Contact": "role", "Product": "sku", "SalesOrder": "reference"}
"""The field by which a thing is the same everywhere: given when it is made, changed by nobody. Only the judge of a run
relies on it; for the hub it is evidence like any other."""


def p(text: str, convert: str | None = None) -> Path:
    """A path, as written in a mapping."""
    return Path(parse_path(text), parse_convert(convert) if convert else None)


def _money(place: str) -> Struct:
    return Struct({"amount": p(place), "currency": Const("EUR")})


def _lines(place: str, product: str, quantity: str) -> Each:
    return Each(p(place), {"product": p(product, "ref(Product)"), "quantity": p(quantity)})


_FIELDS: Mapping[str, Mapping[str, Mapping[str, Expr]]] = {
    "Customer": {
        "website": {"crm": p("site"), "erp": p("web"), "shop": p("url")},
        "number": {"crm": p("erp_number"), "erp": p("number")},
        "name": {"crm": p("name"), "erp": p("name"), "shop": p("company")},
        "tax_id": {"crm": p("vat"), "erp": p("tax_code")},
        "email": {"crm": p("email", "lowercase"), "erp": p("email"), "shop": p("mail")},
        "phone": {"crm": p("phone"), "erp": p("telephone"), "shop": p("tel")},
        "credit_limit": {"crm": _money("limit"), "erp": _money("credit_limit"), "shop": _money("budget")},
        "address": {
            "crm": Struct({"street": p("street"), "city": p("city")}),
            "erp": Struct({"street": p("address.street"), "city": p("address.city"), "postal_code": p("address.zip")}),
            "shop": Struct({"city": p("town"), "postal_code": p("zip")}),
        },
    },
    "Contact": {
        "role": {"crm": p("role"), "erp": p("function"), "shop": p("kind")},
        "customer": {
            "crm": p("account", "ref(Customer)"),
            "erp": p("party", "ref(Customer)"),
            "shop": p("buyer", "ref(Customer)"),
        },
        "name": {"crm": p("full_name"), "erp": Join((p("first_name"), p("last_name"))), "shop": p("name")},
        "email": {"crm": p("email"), "erp": p("email"), "shop": p("mail")},
        "phone": {"crm": p("phone"), "erp": p("phone")},
    },
    "Product": {
        "sku": {"crm": p("sku"), "erp": p("code"), "shop": p("article")},
        "name": {"crm": p("name"), "erp": p("name"), "shop": p("title")},
        "description": {"crm": p("text"), "shop": p("text")},
        "list_price": {"crm": _money("price"), "erp": _money("price"), "shop": _money("price")},
    },
    "SalesOrder": {
        "reference": {"crm": p("title"), "erp": p("reference"), "shop": p("code")},
        "customer": {
            "crm": p("account", "ref(Customer)"),
            "erp": p("party", "ref(Customer)"),
            "shop": p("buyer", "ref(Customer)"),
        },
        "lines": {
            "crm": _lines("lines", "product", "count"),
            "erp": _lines("lines", "good", "quantity"),
            "shop": _lines("items", "article", "amount"),
        },
        "total": {"crm": _money("sum"), "erp": _money("total"), "shop": _money("total")},
        "state": {"crm": p("stage"), "erp": p("state"), "shop": p("status")},
    },
}
_RULES: Mapping[tuple[str, str], Mapping[str, Any]] = {
    ("Customer", "number"): {"writers": ("erp",)},
    ("Customer", "phone"): {"owner": "crm"},
    ("Product", "list_price"): {"writers": ("erp",)},
    ("Product", "description"): {"merge": "max"},
    ("SalesOrder", "state"): {"writers": ("erp", "shop")},
    ("SalesOrder", "lines"): {"owner": "erp"},
}
_REQUIRED: Mapping[str, frozenset[str]] = {
    "accounts": frozenset({"name"}),
    "parties": frozenset({"name"}),
    "buyers": frozenset({"company"}),
}
_NORMALISE: Mapping[str, Mapping[str, Any]] = {
    "accounts": {"name": trims, "limit": rounds(2)},
    "parties": {"credit_limit": rounds(2)},
    "buyers": {"budget": rounds(0), "mail": trims},
    "deals": {"sum": rounds(1)},
    "orders": {"total": rounds(2)},
}
"""What a system makes of a value when it stores it. The shop knows whole amounts only."""


def _whim(value: Any) -> str | None:
    """Some addresses an ERP never takes, and only it knows why."""
    return "This address is refused." if isinstance(value, str) and (number_of(value) or 1) % 19 == 0 else None


_REFUSE: Mapping[str, Mapping[str, Any]] = {"parties": {"email": _whim}}


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """What the seed has drawn."""

    entities: tuple[str, ...]
    deletes: Mapping[str, DeletePolicy]
    """By system."""
    merges: Mapping[str, MergePolicy]
    traits: Mapping[str, Mapping[str, Any]]
    """By resource: options of the resource and single traits."""
    skew: Mapping[str, float]
    """Seconds by which a system's clock is wrong."""
    workers: int
    hints: bool
    """Whether systems call the hub at all."""
    whole: tuple[tuple[str, str], ...] = ()
    """(entity, system) whose records are saved whole, as by forms that people open and save later."""


WHOLE = 0.25
"""In this share of all seeds some resources save whole records."""


def setting_of(dice: Random, forms: Random) -> Setting:
    """Draw traits, policies, clocks and the number of workers. ``forms``: dice for what saves whole records; dice of
    their own, so that seeds without them stay the runs that they were."""
    setting = _drawn(dice)
    if forms.random() >= WHOLE:
        return setting
    places = [(entity, system) for entity in setting.entities for system in SYSTEMS]
    whole = tuple(place for place in places if forms.random() < 0.5) or (forms.choice(places),)
    traits = {**setting.traits}
    for entity, system in whole:
        resource = RESOURCES[entity][system]
        traits[resource] = {**traits[resource], "whole_saves": True}
    return replace(setting, traits=traits, whole=whole)


def _drawn(dice: Random) -> Setting:
    policies = [DeletePolicy.PROPAGATE] * 3 + [DeletePolicy.HOLD, DeletePolicy.ARCHIVE, DeletePolicy.UNLINK]
    return Setting(
        entities=ENTITIES[: dice.choice([1, 2, 2, 4, 4, 4])],
        deletes={system: dice.choice([*policies, DeletePolicy.RESTORE]) for system in SYSTEMS},
        merges={system: dice.choice(list(MergePolicy)) for system in SYSTEMS},
        traits={name: _traits(dice) for places in RESOURCES.values() for name in places.values()},
        skew={system: dice.choice([0.0, 0.0, dice.uniform(-240, 240)]) for system in SYSTEMS},
        workers=dice.choice([1, 1, 2, 2, 3, 4]),
        hints=dice.random() < 0.8,
    )


def _traits(dice: Random) -> dict[str, Any]:
    """One of the ways in which systems are made: with a good change log, with a poor one, or with none."""
    kind = dice.choice(["log", "log", "poor", "none"])
    versions = dice.choice([{}, {"versioned": True}, {"versioned": True, "ordered_versions": True}])
    batch = dice.choice([1, 5, 20])
    settle = timedelta(seconds=dice.choice([0, 0, 0, 4]))
    return {
        # Reads from a replica: as late as promised; where versions are ordered, as late as it likes.
        "settle": settle,
        "lag": None if "ordered_versions" in versions else settle,
        "feed": kind != "none",
        "deletes": Deletes.REPORTED if kind == "log" else Deletes.SILENT,
        "overlap": dice.choice([0, 0, 2]) if kind != "none" else 0,
        **versions,
        "guarded_writes": bool(versions) and dice.random() < 0.7,
        "idempotent_create": dice.random() < 0.2,
        "findable": dice.random() < 0.9,
        "keeps_token": dice.random() < 0.8,
        "page_size": dice.choice([2, 7, 50]),
        "write_batch": batch,
        "fetch_batch": batch,
    }


def make_flows(setting: Setting) -> dict[str, Flow]:
    """The flows of this setting; every record goes to all three systems."""
    flows = {}
    for name in setting.entities:
        sides = {
            system: Side(
                system=system,
                resource=resource,
                every=EVERY,
                create=CreatePolicy.ALWAYS,
                delete=setting.deletes[system],
                merge=setting.merges[system],
                archive={"archived": True},
            )
            for system, resource in RESOURCES[name].items()
        }
        fields = {
            field: FieldRule(name=field, exprs=exprs, **_RULES.get((name, field), {}))
            for field, exprs in _FIELDS[name].items()
        }
        match = [MatchRule((MatchPart(TAGS[name]),))]
        match += [MatchRule((MatchPart("tax_id"),))] if name == "Customer" else []
        flows[name] = Flow(
            name=name,
            entity=BUILT_IN[name],
            sides=sides,
            fields=fields,
            match=tuple(match),
            brake=Brake(at_least=40, deletes_at_least=12),
        )
    return flows


def make_worlds(setting: Setting, now: Any) -> dict[str, MemoryWorld]:
    """The three installations, each with its own clock."""
    worlds = {}
    for number, system in enumerate(SYSTEMS):
        skew = timedelta(seconds=setting.skew[system])

        def wrong(skew: timedelta = skew) -> datetime:
            at: datetime = now()
            return at + skew

        tables = [_table(name, setting) for name in (RESOURCES[entity][system] for entity in setting.entities)]
        # Keys of different systems look different, so that nothing works by luck.
        worlds[system] = MemoryWorld(tables, now=wrong, webhook=True, first_id=10_000 * (number + 1))
    return worlds


def _table(resource: str, setting: Setting) -> MemoryResource:
    options = dict(setting.traits[resource])
    traits = {name: options.pop(name) for name in list(options) if name in Traits.__struct_fields__}
    names = sorted(
        {
            place
            for entity, places in RESOURCES.items()
            for system, name in places.items()
            if name == resource
            for exprs in _FIELDS[entity].values()
            if system in exprs
            for place in tops(exprs[system])
        }
    )
    return MemoryResource(
        name=resource,
        fields={name: FieldInfo() for name in [*names, "archived", "note"]},
        traits=Traits(**traits),
        required=_REQUIRED.get(resource, frozenset()),
        normalise=_NORMALISE.get(resource, {}),
        refuse=_REFUSE.get(resource, {}),
        **options,
    )


def tops(expr: Expr) -> Sequence[str]:
    """The top-level far fields of an expression."""
    match expr:
        case Path():
            return [expr.segments[0].name]
        case Struct():
            return [name for part in expr.parts.values() for name in tops(part)]
        case Join():
            return [name for path in expr.paths for name in tops(path)]
        case Each():
            return tops(expr.path)
    return []
