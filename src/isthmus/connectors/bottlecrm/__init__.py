"""Connector for BottleCRM (PyPI ``django-crm``), an open-source CRM; see README.md."""

from isthmus.connectors.bottlecrm.connector import BottleCrm, Config, connector

__all__ = ["BottleCrm", "Config", "connector"]
