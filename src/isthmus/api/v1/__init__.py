"""The API for programs, version 1: ``/api/v1``. docs/api.md describes it, docs/openapi.json is its OpenAPI document."""

from isthmus.api.v1.routes import api_router, openapi_document
from isthmus.api.v1.scopes import SCOPES
from isthmus.api.v1.site import ApiSite

__all__ = ["SCOPES", "ApiSite", "api_router", "openapi_document"]
