"""``[sign_in]`` of isthmus.toml: whether staff have passwords here, and the OpenID provider that knows them."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from isthmus.project.faults import Faults
from isthmus.project.nodes import Node, elements_of, flag_of, mapping_of, text_of, word_of
from isthmus.project.secrets import is_reference, resolve

__all__ = ["SIGN_IN_KEYS", "STAFF_ROLES", "OpenIdSettings", "SignInSettings", "is_safe_address", "read_sign_in"]

SIGN_IN_KEYS = (
    "passwords",
    "issuer",
    "client_id",
    "client_secret",
    "name",
    "scopes",
    "roles_claim",
    "roles",
    "link_by_email",
    "ca_file",
)
"""Keys of ``[sign_in]``."""

DEFAULT_SCOPES = ("openid", "email", "profile")

STAFF_ROLES = ("viewer", "operator", "approver", "sales", "engineer", "admin")
"""The built-in roles that a provider may give; people of customers are not a provider's."""


class OpenIdSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One OpenID provider and what its claims mean here."""

    issuer: str
    client_id: str
    client_secret: str = ""
    """Empty: a public client, protected by PKCE alone."""
    name: str
    """On the button."""
    scopes: tuple[str, ...] = DEFAULT_SCOPES
    roles_claim: str = "groups"
    """Its name, or the path to it with dots between."""
    roles: Mapping[str, tuple[str, ...]] = {}
    """Value of the claim -> roles. Empty: roles are given here, by an administrator."""
    link_by_email: bool = False
    """Whether somebody who is known here is recognised by the verified address at their first sign-in."""
    ca_file: str | None = None

    def __repr__(self) -> str:
        return f"OpenIdSettings(issuer={self.issuer!r}, client_id={self.client_id!r})"


class SignInSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How people sign in."""

    passwords: bool = True
    """False: staff only by the provider. People of customers have passwords all the same."""
    provider: OpenIdSettings | None = None


def is_safe_address(address: str) -> bool:
    """Whether what is sent there is encrypted, or does not leave this machine."""
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
        if not host or parts.username is not None:
            return False
        return parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host))
    except ValueError:
        return False


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def read_sign_in(
    node: Node, own_address: str, folder: Path, environ: Mapping[str, str], own_roles: tuple[str, ...], faults: Faults
) -> SignInSettings | None:
    """The settings; None, with the faults remembered, when they cannot be used. ``own_address`` is where browsers reach
    this hub."""
    before = len(faults.found)
    entries = mapping_of(node, "[sign_in]", SIGN_IN_KEYS, faults)
    flags = {key: flag_of(entries[key], f"'{key}'", faults) for key in ("passwords", "link_by_email") if key in entries}
    passwords = flags.get("passwords", True) is not False
    if "issuer" not in entries:
        for key in entries:
            if key != "passwords":
                faults.add(node.keys[key], f"[sign_in] has '{key}' but no 'issuer'.")
        if not passwords:
            faults.add(node.keys["passwords"], "Without passwords and without a provider nobody could sign in.")
        return SignInSettings() if len(faults.found) == before else None
    texts = {
        key: _text(key, entries[key], folder, environ, faults)
        for key in ("issuer", "client_id", "client_secret", "name", "roles_claim", "ca_file")
        if key in entries
    }
    if "client_id" not in entries:
        faults.add(node.place, "[sign_in] has no 'client_id'.")
    issuer = texts.get("issuer", "")
    if issuer and not is_safe_address(issuer):
        faults.add(entries["issuer"].place, "'issuer' must start with https://; http:// is for this machine only.")
    if not is_safe_address(own_address):
        faults.add(
            entries["issuer"].place,
            "People who come back from the provider would send their codes unencrypted.",
            "Give 'public_url' of [hub] as https://…; http:// is for this machine only.",
        )
    scopes = _scopes_of(entries["scopes"], faults) if "scopes" in entries else DEFAULT_SCOPES
    roles = _roles_of(entries["roles"], own_roles, faults) if "roles" in entries else {}
    link = flags.get("link_by_email") is True
    if not roles and not link:
        faults.add(
            node.place,
            "[sign_in] gives nobody a role.",
            "Say in [sign_in.roles] which groups have which roles, or set link_by_email for people who are known here.",
        )
    if len(faults.found) > before:
        return None
    ca_file = texts.get("ca_file")
    return SignInSettings(
        passwords=passwords,
        provider=OpenIdSettings(
            issuer=issuer,
            client_id=texts["client_id"],
            client_secret=texts.get("client_secret", ""),
            name=texts.get("name") or urlsplit(issuer).hostname or issuer,
            scopes=scopes,
            roles_claim=texts.get("roles_claim") or "groups",
            roles=roles,
            link_by_email=link,
            ca_file=str(folder / ca_file) if ca_file else None,
        ),
    )


def _scopes_of(node: Node, faults: Faults) -> tuple[str, ...]:
    """Always with ``openid``, without which there would be no ID token."""
    texts = [text_of(one, "'scopes'", faults) for one in elements_of(node, "'scopes'", faults)]
    return tuple(dict.fromkeys(["openid", *(text for text in texts if text is not None)]))


def _roles_of(node: Node, own_roles: tuple[str, ...], faults: Faults) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for group, inner in mapping_of(node, "[sign_in.roles]", None, faults).items():
        roles = [word_of(one, "role", (*STAFF_ROLES, *own_roles), faults) for one in elements_of(inner, group, faults)]
        found[group] = tuple(role for role in roles if role is not None)
    return found


def _text(key: str, node: Node, folder: Path, environ: Mapping[str, str], faults: Faults) -> str:
    text = text_of(node, f"'{key}'", faults)
    if text is None:
        return ""
    if key == "client_secret" and not is_reference(text):
        faults.add(node.place, "'client_secret' holds a secret.", "Write env:NAME or file:PATH instead of it.")
        return ""
    return resolve(text, node.place, folder, environ, faults) or ""
