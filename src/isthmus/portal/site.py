"""What the shop's pages are made from."""

from __future__ import annotations

from typing import Any

from litestar import Request

from isthmus.app.access import Access
from isthmus.app.shopping import Catalogue
from isthmus.app.throttle import Throttle
from isthmus.desk.ports import BusinessHub
from isthmus.pages import ProviderDoor
from isthmus.project import ShopSettings
from isthmus.store import Pages, PostgresStore, Reads

__all__ = ["Call", "Shop", "shop_of"]

HOUR = 3600.0
MOST_OF_ONE = 5
"""Enquiries from one address in an hour."""
MOST_OF_ALL = 100
"""From everywhere: whoever has many addresses fills nobody's CRM either."""
Call = Request[Any, Any, Any]


class Shop:
    """One shop. ``stylesheet``: the address of the design system that it shares with the console. ``features``: what
    it has besides ordering, see :data:`~isthmus.app.shopping.FEATURES`. ``visiting``: what
    somebody sees who is not signed in. ``access`` and ``door``: the console's, so that
    staff sign in here as they do there."""

    def __init__(
        self, store: PostgresStore, business: BusinessHub, *, name: str, stylesheet: str, secure: bool,
        features: frozenset[str], access: Access | None = None, door: ProviderDoor | None = None,
        visiting: ShopSettings | None = None,
    ) -> None:  # fmt: skip
        self.features = features
        self.store, self.business, self.name, self.stylesheet, self.secure = store, business, name, stylesheet, secure
        self.reads, self.pages, self.access, self.door = Reads(store), Pages(store), access or Access(store), door
        self.catalogue = Catalogue()
        self.visiting = visiting or ShopSettings()
        self.enquiries = Throttle(MOST_OF_ONE, HOUR)
        self.all_enquiries = Throttle(MOST_OF_ALL, HOUR)


def shop_of(request: Call) -> Shop:
    """The shop that is asked."""
    shop: Shop = request.app.state.shop
    return shop
