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
    extends: str | None = None
    """Name of that flow, ``PACK/FLOW``."""

    def start(self, flow: str) -> str:
        """The text that an edit begins with: the file's own, or a first one that changes nothing yet."""
        return self.content if self.content is not None else f"flow: {flow}\nextends: {self.extends}\n"


def own_source(file: Node, text: str, extended: Node | None) -> FlowSource:
    """Of a flow with a file of its own, and the pack's flow that it extends."""
    if extended is None:
        return FlowSource(file=file.place.file, content=text)
    return FlowSource(file=file.place.file, content=text, pack=flow_text(extended), extends=_name(extended))


def pack_source(flow: Node) -> FlowSource:
    """Of a pack's flow that the project takes in as it is."""
    return FlowSource(pack=flow_text(flow), extends=_name(flow))


def _name(flow: Node) -> str:
    return f"{flow.place.file.split('/')[1]}/{flow.entries()['flow'].value}"
