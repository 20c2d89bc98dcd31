"""Connector for BottleCRM (PyPI ``django-crm``), an open-source CRM."""

from isthmus.connectors.bottlecrm.connector import BOTTLECRM, BottleCrm, Config

__all__ = ["BOTTLECRM", "BottleCrm", "Config"]
