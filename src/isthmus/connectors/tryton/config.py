"""Configuration of one Tryton system."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, field

from isthmus.connector import HttpSettings
from isthmus.connector.config import Secret, SystemConfig

__all__ = ["TrytonConfig"]


class TrytonConfig(SystemConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to reach a Tryton and what the hub may do there."""

    url: str
    """Address of the server, without the database: ``https://erp.example.com``."""
    database: str
    login: str
    password: Secret
    company: int | None = None
    """Id of the company to work for; the user's own when not given."""
    language: str | None = None
    """Code of the language for names and messages; the user's own when not given."""
    http: HttpSettings = HttpSettings()
    accept_warnings: list[str] = field(default_factory=list)
    """Names (shell patterns, e.g. ``*.credit_limit_dunning``) of confirmations the hub may answer with yes."""
    quote_orders: bool = False
    """Whether a created order becomes a quotation at once (it then has a number)."""
    price_lists: list[str] = field(default_factory=list)
    """Names of the price lists whose prices products show."""
    warehouse: str | None = None
    """Code of the warehouse whose stock products show; the first one when not given."""
    payment_method: str | None = None
    """Name of the payment method for recorded payments; the only one when not given."""
    account_category: str | None = None
    """Name of the accounting category of created products (accounts and taxes); none when not given."""
    hint_secret: Secret | None = None
    """Secret that signs the hints of the outbox module; without it hints are refused."""
    changes: Literal["auto", "outbox", "write_date"] = "auto"
    """Where changes are read: the outbox module (gap-free, with deletes), or the records' own change dates."""
    overlap: Annotated[float, Meta(ge=0)] = 300.0
    """Seconds read again at each poll by change dates: longer than any transaction of this Tryton lasts."""
