"""Reads a user's project folder into typed values, and says by file, line and column what is wrong with it."""

from isthmus.project.defaults import DefaultMapping, ResourceMapping, load_default_mapping
from isthmus.project.faults import ProjectErrors, nearest
from isthmus.project.flows import Example
from isthmus.project.load import ConnectorInfo, Project, load_project
from isthmus.project.packs import known_packs
from isthmus.project.scaffold import Answers, SystemAnswer, new_project
from isthmus.project.settings import HubSettings, parse_months
from isthmus.project.shop import ShopSettings
from isthmus.project.sign_in import OpenIdSettings, SignInSettings, is_safe_address
from isthmus.project.sources import FlowSource
from isthmus.project.systems import ConfiguredSystem

__all__ = [
    "Answers",
    "ConfiguredSystem",
    "ConnectorInfo",
    "DefaultMapping",
    "Example",
    "FlowSource",
    "HubSettings",
    "OpenIdSettings",
    "Project",
    "ProjectErrors",
    "ResourceMapping",
    "ShopSettings",
    "SignInSettings",
    "SystemAnswer",
    "is_safe_address",
    "known_packs",
    "load_default_mapping",
    "load_project",
    "nearest",
    "new_project",
    "parse_months",
]
