"""Tryton 8.2 over JSON-RPC."""

from isthmus.connectors.tryton.config import TrytonConfig
from isthmus.connectors.tryton.connector import TRYTON, TrytonSystem

__all__ = ["TRYTON", "TrytonConfig", "TrytonSystem"]
