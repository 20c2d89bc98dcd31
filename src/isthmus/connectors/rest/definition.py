"""The definition of a JSON API: the structs behind a user's YAML file, checked key by key."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Literal, get_args

import msgspec

from isthmus.errors import Misconfigured

__all__ = ["Api", "Auth", "Field", "Paging", "ResourceDef", "Verb", "WebhookDef", "duration", "load"]

FieldType = Literal["text", "integer", "decimal", "boolean", "date", "datetime", "list", "object", "key", "any"]
_TYPES: tuple[str, ...] = get_args(FieldType)

type Words = Mapping[str, str | int | bool | list[str | int]]
"""Constant query parameters; a list repeats the parameter."""


class _Strict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Unknown keys are errors."""


class Auth(_Strict, frozen=True, kw_only=True):
    """How to prove who we are. The secrets themselves are in the system's configuration."""

    kind: Literal["none", "bearer", "basic", "header", "query", "oauth2", "login"] = "none"
    name: str = "X-API-Key"
    """Header or query parameter of the API key."""
    path: str = ""
    """Where to get a token (oauth2, login)."""
    scope: str = ""
    body: Mapping[str, str] = {}
    """Login: what to post; ``{username}``, ``{password}`` and ``{token}`` are filled in."""
    token: str = "access_token"  # noqa: S105 - a path, not a secret
    """Path of the token in the answer (oauth2, login)."""
    header: str = "Authorization"
    value: str = "Bearer {token}"


class Check(_Strict, frozen=True, kw_only=True):
    """A call that needs credentials and changes nothing; without it the first resource's list is asked."""

    path: str
    version: str = ""
    user: str = ""


class Errors(_Strict, frozen=True, kw_only=True):
    """How refusals are told."""

    message: tuple[str, ...] = ("message", "detail", "error.message", "error", "title")
    """Paths tried in order."""
    field: str = ""
    """Path of the name of the field at fault."""
    fields: tuple[str, ...] = ("errors",)
    """Paths of an object {field: messages}."""
    status: Mapping[str, Literal["rejected", "stale", "gone", "unavailable", "unauthorized"]] = {}
    """What a status means, over the usual (404 and 410 gone, 412 stale, other 4xx rejected)."""


class Paging(_Strict, frozen=True, kw_only=True):
    """How a list goes on."""

    kind: Literal["none", "page", "offset", "cursor", "link", "next"] = "none"
    size: int = 100
    size_name: str = ""
    """Query parameter of the page size; empty: the server decides."""
    name: str = ""
    """Query parameter of the page number, offset or cursor (default: page, offset, cursor)."""
    first: int = 1
    """Number of the first page."""
    path: str = ""
    """Path of the next cursor or next address in the body."""
    total: str = ""
    """Path of the number of records; saves the last, empty page."""
    verify: bool = True
    """Page and offset: prove by overlap that nothing moved between two pages."""


class ListDef(_Strict, frozen=True, kw_only=True):
    """The call that lists records."""

    path: str = ""
    records: str = ""
    """Path of the list in the answer; empty: the answer is the list."""
    query: Words = {}
    paging: Paging = Paging()
    partial: bool = False
    """The list shows less than a single get: read each record by itself."""


class Changed(_Strict, frozen=True, kw_only=True):
    """The filter for what changed since a time; makes the resource a feed."""

    query: str
    """Query parameter."""
    format: str = "iso"
    """iso, unix, unix_ms, or a strftime format."""
    template: str = "{since}"
    """Form of the parameter around the time."""
    encoding: Literal["", "base64url"] = ""
    overlap: str = "30s"
    """How far to look back each time: longer than the longest transaction and the clocks' difference."""
    extra: Words = {}


class GetDef(_Strict, frozen=True, kw_only=True):
    """The call that reads one record."""

    path: str = ""
    record: str = ""
    query: Words = {}


class BulkGet(_Strict, frozen=True, kw_only=True):
    """The call that reads several records by key."""

    path: str = ""
    query: str = "ids"
    separator: str = ","
    """Between keys; empty: the parameter is repeated."""
    template: str = "{keys}"
    """Form of the parameter around the keys."""
    encoding: Literal["", "base64url"] = ""
    records: str = ""
    size: int = 50
    extra: Words = {}


class Verb(_Strict, frozen=True, kw_only=True):
    """A call that writes one record."""

    method: Literal["", "POST", "PUT", "PATCH", "DELETE"] = ""
    """Default: POST to create, PATCH to update, DELETE to delete."""
    path: str = ""
    body: str = ""
    """Path under which the fields stand in what we send; empty: at the top."""
    constant: Mapping[str, Any] = {}
    """Always sent along."""
    record: str | None = None
    """Path of the whole record in the answer (empty text: the answer is the record); null: it is read anew."""
    key: str = ""
    """Path of the key in the answer, when it has no whole record (default: the resource's key)."""
    location: bool = False
    """The key is the last part of the Location header."""
    whole: bool = False
    """Send every writable field, not only the changed ones (true replacement by PUT)."""


class BulkCreate(_Strict, frozen=True, kw_only=True):
    """A call that makes several records, all or none."""

    path: str
    body: str = ""
    keys: str = ""
    """Path of the list of keys, or of records with a key, in the answer."""
    size: int = 100


class Guard(_Strict, frozen=True, kw_only=True):
    """How an update is bound to the version it was planned from."""

    header: str = ""
    """Header that carries the version, as If-Match."""
    field: str = ""
    """Field of the body that carries the version."""
    status: int = 412
    """Status of the refusal."""


class Token(_Strict, frozen=True, kw_only=True):
    """Where the token of a create is kept, and how to look for it."""

    field: str
    """Path of the field in the record."""
    query: str = ""
    """Query parameter of the list that finds it (default: the field's name)."""
    template: str = "{token}"
    """Form of the parameter around the token."""
    encoding: Literal["", "base64url"] = ""
    narrow: Mapping[str, str] = {}
    """For a list that cannot look for the token: query parameter -> field of the new record that makes it short."""


class Parent(_Strict, frozen=True, kw_only=True):
    """A resource inside another: ``{parent}`` in its paths is the key of the parent."""

    resource: str
    field: str
    """Name under which the record shows its parent's key."""


class Field(_Strict, frozen=True, kw_only=True):
    """One field of the record."""

    type: FieldType = "any"
    path: str = ""
    """Where it stands in the JSON (default: its name)."""
    format: str = "iso"
    """Of dates and times: iso, unix, unix_ms, or a strftime format."""
    send: Literal["text", "number"] = "text"
    """How decimals are written."""
    readonly: bool = False
    write: str = ""
    """Where it stands when written, if elsewhere."""
    target: str = ""


class ResourceDef(_Strict, frozen=True, kw_only=True):
    """One collection."""

    path: str
    key: str = "id"
    version: str = ""
    """Path of the version or change date in the record."""
    version_header: str = ""
    """Response header of the version (ETag) of a single get."""
    ordered_versions: bool = False
    deleted: str = ""
    """Path of a flag or date that is set on deleted records."""
    headers: Mapping[str, str] = {}
    query: Words = {}
    list: ListDef = ListDef()
    changed: Changed | None = None
    get: GetDef = GetDef()
    bulk_get: BulkGet | None = None
    create: Verb | None = None
    update: Verb | None = None
    delete: Verb | None = None
    bulk_create: BulkCreate | None = None
    guard: Guard | None = None
    idempotency_header: str = ""
    token: Token | None = None
    parent: Parent | None = None
    fields: Mapping[str, Field | str] = {}
    settle: str = "0s"
    whole_saves: bool = False
    """An update that changes one field writes all of them back, as whoever made it had loaded them."""
    concurrency: int = 4


class Signature(_Strict, frozen=True, kw_only=True):
    """How a webhook call proves where it comes from."""

    kind: Literal["hmac", "token"] = "hmac"
    header: str
    algorithm: Literal["sha1", "sha256", "sha512"] = "sha256"
    encoding: Literal["hex", "base64"] = "hex"
    format: str = "{mac}"
    """Form of the header; ``{mac}`` and, if it is there, ``{time}`` (seconds)."""
    time_header: str = ""
    signed: str = "{body}"
    """What is signed: ``{body}``, ``{time}``."""
    max_age: str = "5m"


class Subscribe(_Strict, frozen=True, kw_only=True):
    """How to ask for calls; without it the address is entered by hand in the far system."""

    path: str
    records: str = ""
    url: str = "url"
    key: str = "id"
    body: Mapping[str, Any] = {}
    """What to post; ``{url}`` and ``{secret}`` are filled in."""


class WebhookDef(_Strict, frozen=True, kw_only=True):
    """Calls that the far system makes to us."""

    signature: Signature
    resource: str
    """Path of a word in the body that tells the resource."""
    resources: Mapping[str, str] = {}
    """That word -> our resource (default: the word is the resource's name)."""
    key: str
    subscribe: Subscribe | None = None


class Api(_Strict, frozen=True, kw_only=True):
    """A whole API."""

    product: str = "REST API"
    auth: Auth = Auth()
    check: Check | None = None
    headers: Mapping[str, str] = {}
    query: Words = {}
    errors: Errors = Errors()
    wait_header: str = "Retry-After"
    resources: Mapping[str, ResourceDef]
    webhook: WebhookDef | None = None


def load(raw: Mapping[str, Any]) -> Api:
    """The checked definition. Raises ``Misconfigured`` that names the place, and the nearest key for a wrong one."""
    try:
        api = msgspec.convert(raw, Api)
    except msgspec.ValidationError as error:
        raise Misconfigured(
            f"The definition of the API is wrong: {_plain(str(error))}", advice=_nearest(error)
        ) from None
    for name, resource in api.resources.items():
        _check(api, name, resource)
    if api.webhook is not None:
        unknown = set(api.webhook.resources.values()) - set(api.resources)
        if unknown:
            raise Misconfigured(f"webhook.resources names {sorted(unknown)}, which are not resources of this API.")
    return api


def _check(api: Api, name: str, resource: ResourceDef) -> None:
    """What no type can say."""

    def wrong(what: str, advice: str = "") -> Misconfigured:
        return Misconfigured(f"The definition of the API is wrong: resources.{name}: {what}", advice=advice)

    if resource.parent is not None and resource.parent.resource not in api.resources:
        raise wrong(f"there is no parent resource '{resource.parent.resource}'.")
    if resource.guard is not None and bool(resource.guard.header) == bool(resource.guard.field):
        raise wrong("guard needs either header or field.")
    if resource.guard is not None and not (resource.version or resource.version_header):
        raise wrong("guard needs version or version_header.")
    if resource.list.paging.kind in ("cursor", "next") and not resource.list.paging.path:
        raise wrong("list.paging.path must say where the next cursor or address is.")
    for text in (resource.settle, resource.changed.overlap if resource.changed else "0s"):
        duration(text)
    for key, field in resource.fields.items():
        if isinstance(field, str) and field not in _TYPES:
            raise wrong(f"fields.{key}: '{field}' is no type.", f"Types: {', '.join(_TYPES)}.")


def duration(text: str) -> timedelta:
    """``30s``, ``5m``, ``2h``, ``1d``. Raises ``Misconfigured``."""
    found = re.fullmatch(r"(\d+)\s*(ms|s|m|h|d)", text.strip())
    if found is None:
        raise Misconfigured(f"'{text}' is no duration.", advice="Write it as 30s, 5m, 2h or 1d.")
    unit = {"ms": "milliseconds", "s": "seconds", "m": "minutes", "h": "hours", "d": "days"}[found[2]]
    return timedelta(**{unit: int(found[1])})


def _plain(message: str) -> str:
    return (
        message.replace("Object contains unknown field", "unknown key").replace("`$", "`").replace("[...]", ".*") + "."
    )


def _nearest(error: Exception) -> str:
    found = re.search(r"unknown field `([^`]+)`", str(error))
    if found is None:
        return ""
    names = {name for struct in _structs() for name in struct.__struct_fields__}
    near = difflib.get_close_matches(found[1], names, n=1, cutoff=0.5)
    return f"Did you mean '{near[0]}'?" if near else ""


def _structs() -> list[type[msgspec.Struct]]:
    return [Api, *_Strict.__subclasses__()]
