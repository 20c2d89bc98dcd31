"""Tryton 8.2 over JSON-RPC."""

from isthmus.connectors.tryton.config import TrytonConfig
from isthmus.connectors.tryton.connector import TRYTON, TrytonSystem

connector = TRYTON
"""The instance, by the name under which every connector folder offers it."""

__all__ = ["TRYTON", "TrytonConfig", "TrytonSystem", "connector"]
