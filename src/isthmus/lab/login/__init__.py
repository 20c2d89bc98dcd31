"""A real OpenID provider in the lab."""

from .system import LoginProvider

__all__ = ["LoginProvider"]
