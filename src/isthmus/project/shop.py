"""``[shop]`` of isthmus.toml: what somebody sees in the shop who is not signed in."""

from __future__ import annotations

import msgspec

from isthmus.project.faults import Faults
from isthmus.project.nodes import Node, flag_of, mapping_of

__all__ = ["SHOP_KEYS", "ShopSettings", "read_shop"]

SHOP_KEYS = ("visitors", "list_prices")
"""Keys of ``[shop]``."""


class ShopSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The shop for visitors."""

    visitors: bool = False
    """Whether people who are not signed in see the catalogue and can write to the house."""
    list_prices: bool = False
    """Whether they see list prices."""


def read_shop(node: Node, faults: Faults) -> ShopSettings:
    """The settings; what is wrong is remembered and left out."""
    entries = mapping_of(node, "[shop]", SHOP_KEYS, faults)
    flags = {key: flag_of(inner, f"'{key}'", faults) is True for key, inner in entries.items()}
    if flags.get("list_prices") and not flags.get("visitors"):
        faults.add(entries["list_prices"].place, "'list_prices' is for visitors.", "Set visitors = true as well.")
    return ShopSettings(**flags)
