"""What a flow was read from: a file of the project, a flow of a pack, or the one laid over the other."""

from __future__ import annotations

import msgspec

from isthmus.project.nodes import Node
from isthmus.project.packs import flow_text

__all__ = ["FlowSource", "own_source", "pack_source"]


class FlowSource(msgspec.Struct, frozen=True, kw_only=True):
    """Where a flow comes from, with the texts as they are now."""

    file: str | None = None
    """The project's own file, ``flows/NAME.yaml``; None for a pack's flow as it comes."""
    content: str | None = None
    """Text of that file."""
    pack: str | None = None
    """Text of the pack's flow that is taken in or extended."""


def own_source(file: Node, text: str, extended: Node | None) -> FlowSource:
    """Of a flow with a file of its own, and the pack's flow that it extends."""
    pack = flow_text(extended) if extended is not None else None
    return FlowSource(file=file.place.file, content=text, pack=pack)


def pack_source(flow: Node) -> FlowSource:
    """Of a pack's flow that the project takes in as it is."""
    return FlowSource(pack=flow_text(flow))
