"""Any JSON API by definition in YAML; see README.md."""

from isthmus.connectors.rest.connector import connector
from isthmus.connectors.rest.session import RestConfig

__all__ = ["RestConfig", "connector"]
