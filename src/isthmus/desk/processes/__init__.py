"""The bundled processes by name; a pack switches them on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from isthmus.desk.processes.goods_return import goods_return
from isthmus.desk.processes.labour_settlement import labour_settlement
from isthmus.desk.processes.material_request import material_request
from isthmus.desk.processes.order import order
from isthmus.desk.processes.quote import quote
from isthmus.process import Definition

__all__ = ["BUNDLED"]

BUNDLED: Final[Mapping[str, Definition]] = {
    definition.name: definition
    for definition in (
        order,
        quote,
        material_request,
        goods_return,
        labour_settlement,
    )
}
"""All of them."""
