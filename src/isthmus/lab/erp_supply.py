"""What buyers and planners of production do in the ERP: goods that will come on a day."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from .erp_user import ErpUser

__all__ = ["buy", "produce"]


def buy(user: ErpUser, code: str, quantity: float, on: date, *, price: str = "1") -> int:
    """Order goods from a supplier, to be delivered on that day; the purchase. Raises LabError when refused."""
    product = _product(user, code)
    unit = product["default_uom"]
    user.call("model.product.template.write", [product["template"]], {"purchasable": True, "purchase_uom": unit})
    (supplier,) = user.call(
        "model.party.party.create", [{"name": f"Supplier of {code}", "addresses": [["create", [{}]]]}]
    )
    names = ["company", "currency", "warehouse", "invoice_method"]
    values = user.call("model.purchase.purchase.default_get", names, False)
    order = {name: values[name] for name in names if values.get(name) is not None}
    order.setdefault("warehouse", _place(user, "WH"))
    changed = user.call("model.purchase.purchase.on_change", {**order, "party": supplier, "lines": []}, ["party"])
    line = {
        "type": "line",
        "product": product["id"],
        "quantity": float(quantity),
        "unit": unit,
        "unit_price": Decimal(price),
        "delivery_date_edit": True,
        "delivery_date_store": on,
    }
    kept = {name: changed[name] for name in ("invoice_address", "invoice_party") if changed.get(name) is not None}
    (purchase,) = user.call(
        "model.purchase.purchase.create", [{**order, **kept, "party": supplier, "lines": [["create", [line]]]}]
    )
    for step in ("quote", "confirm", "process"):
        user.insist(f"model.purchase.purchase.{step}", [purchase])
    return int(purchase)


def produce(user: ErpUser, code: str, quantity: float, on: date) -> int:
    """Plan a production that will put goods into the warehouse on that day; its id. Raises LabError when refused."""
    product = _product(user, code)
    unit = product["default_uom"]
    user.call("model.product.template.write", [product["template"]], {"producible": True})
    warehouse = _place(user, "WH")
    (places,) = user.read("stock.location", [["id", "=", warehouse]], ["production_location", "storage_location"])
    values = user.call("model.production.default_get", ["company"], False)
    currency = user.read("company.company", [["id", "=", values["company"]]], ["currency"])[0]["currency"]
    output = {
        "product": product["id"],
        "quantity": float(quantity),
        "unit": unit,
        "from_location": places["production_location"],
        "to_location": places["storage_location"],
        "company": values["company"],
        "currency": currency,
        "unit_price": Decimal(1),
        "planned_date": on,
    }
    (production,) = user.call(
        "model.production.create",
        [
            {
                "product": product["id"],
                "quantity": float(quantity),
                "unit": unit,
                "company": values["company"],
                "warehouse": warehouse,
                "location": places["production_location"],
                "planned_date": on,
                "planned_start_date": on,
                "outputs": [["create", [output]]],
            }
        ],
    )
    user.insist("model.production.wait", [production])
    return int(production)


def _product(user: ErpUser, code: str) -> dict[str, Any]:
    (found,) = user.read("product.product", [["code", "=", code]], ["template", "default_uom"])
    return found


def _place(user: ErpUser, code: str) -> int:
    (found,) = user.read("stock.location", [["code", "=", code]], ["id"])
    return int(found["id"])
