"""Configuration of one system: strict about keys, silent about secrets."""

from __future__ import annotations

from typing import Annotated, Any, get_type_hints

import msgspec

__all__ = ["Secret", "SystemConfig", "secret_fields"]

type Secret = Annotated[str, msgspec.Meta(extra={"secret": True})]
"""A text that must never be shown: a :class:`SystemConfig` prints it as ``***``."""


class SystemConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parent of connector configurations: its ``repr`` leaves out what is annotated as :data:`Secret`."""

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        hidden = secret_fields(type(self))
        shown = ((name, getattr(self, name)) for name in self.__struct_fields__)
        return [(name, "***" if name in hidden and value else value) for name, value in shown]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.__rich_repr__())})"


def secret_fields(config: type[msgspec.Struct]) -> frozenset[str]:
    """Names of the fields of a configuration that are annotated as :data:`Secret` (also ``Secret | None``)."""
    hints = get_type_hints(config, include_extras=True)
    return frozenset(name for name, hint in hints.items() if _mentions_secret(hint))


def _mentions_secret(hint: Any) -> bool:
    if hint is Secret:
        return True
    return any(_mentions_secret(part) for part in getattr(hint, "__args__", ()))
