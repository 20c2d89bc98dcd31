"""Lenses between far records and entities: compiled from a flow's expressions, pure, the same for both directions."""

from isthmus.mapping.converters import Converter, converter_names
from isthmus.mapping.lens import ABSENT, Got, Lens, PutResult, Refs, compile_lens

__all__ = ["ABSENT", "Converter", "Got", "Lens", "PutResult", "Refs", "compile_lens", "converter_names"]
