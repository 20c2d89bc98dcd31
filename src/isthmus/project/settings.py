"""``isthmus.toml``: the hub's own settings, the systems and the packs."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from isthmus.desk.mail_settings import MailSettings
from isthmus.errors import Place
from isthmus.project.faults import Faults
from isthmus.project.mail import read_mail
from isthmus.project.nodes import NAME, Node, elements_of, mapping_of, text_of, word_of
from isthmus.project.secrets import is_reference, resolve
from isthmus.project.shop import ShopSettings, read_shop

__all__ = [
    "HUB_KEYS",
    "RESERVED_NAMES",
    "SETTINGS_FILE",
    "TOP_KEYS",
    "HubSettings",
    "PackUse",
    "RawSystem",
    "Settings",
    "has_password",
    "parse_months",
    "read_settings",
]

SETTINGS_FILE = "isthmus.toml"

TOP_KEYS = ("hub", "systems", "packs", "mail", "sign_in", "shop")
"""Tables of isthmus.toml."""

HUB_KEYS = ("name", "database_url", "listen", "public_url", "keep_history", "archive", "keep_processes", "flow_review")
"""Keys of ``[hub]``."""

FLOW_REVIEWS = ("two people", "one person")
"""What ``flow_review`` may say."""

RESERVED_NAMES = ("hub", "name", "isthmus", "owner", "writers", "merge", "role", "as")
"""What no system may be called: these words stand beside system names in flow files."""

_MONTHS = re.compile(r"([1-9][0-9]{0,3}) (month|year)s?")
_HOST_AND_PORT = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^\s:/\[\]]+):([0-9]{1,5})")


class HubSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The hub's own settings."""

    name: str = "isthmus"
    """Shown to people and told to far systems."""
    database_url: str | None = None
    """A PostgreSQL server of version 15 or later; None: an embedded one in the project folder."""
    host: str = "127.0.0.1"
    port: int = 8420
    """Where webhooks and the API are served; port 0 takes any free one."""
    public_url: str = ""
    """Address under which far systems reach the hub; empty: no webhooks are subscribed."""
    keep_months: int | None = None
    """How long journal and effects stay in the database; None: for ever."""
    archive: str = "archive"
    """Folder for what is older, seen from the project's."""
    keep_process_months: int | None = None
    """How long processes that are done or cancelled are kept; None: for ever."""
    flow_review: str = "two people"
    """Who may approve a change of a flow. ``two people``: somebody else than who made it; ``one person``: anybody who
    may change flows."""

    @property
    def own_address(self) -> str:
        """Where browsers reach the hub."""
        return self.public_url or f"http://{self.host}:{self.port}"

    def __repr__(self) -> str:
        database = "***" if self.database_url else None
        return f"HubSettings(name={self.name!r}, database_url={database!r}, host={self.host!r}, port={self.port})"


class RawSystem(msgspec.Struct, frozen=True, kw_only=True):
    """One ``[systems.NAME]`` before its connector has looked at it."""

    name: str
    kind: str
    node: Node
    place: Place

    def __repr__(self) -> str:
        return f"RawSystem(name={self.name!r}, kind={self.kind!r}, place={self.place})"


class PackUse(msgspec.Struct, frozen=True, kw_only=True):
    """A pack that the project takes in."""

    name: str
    systems: Mapping[str, str] = {}
    """Role in the pack -> name of the project's system."""
    without: tuple[str, ...] = ()
    """Flows of the pack that are left out."""
    used: bool = True
    """False: only settings for flows that extend the pack's."""
    place: Place
    node: Node | None = None


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything in isthmus.toml."""

    hub: HubSettings = HubSettings()
    systems: Mapping[str, RawSystem] = {}
    packs: Mapping[str, PackUse] = {}
    mail: MailSettings | None = None
    shop: ShopSettings = ShopSettings()
    sign_in: Node | None = None
    """Read when the flows are known, whose fields may name roles."""


def read_settings(
    root: Node, folder: Path, environ: Mapping[str, str], known_packs: Collection[str], faults: Faults
) -> Settings:
    """The meaning of a parsed isthmus.toml; what is wrong is remembered and left out."""
    entries = mapping_of(root, SETTINGS_FILE, TOP_KEYS, faults)
    systems = _systems_of(entries["systems"], faults) if "systems" in entries else {}
    if "systems" not in entries and set(root.entries()) <= set(TOP_KEYS):
        faults.add(root.place, "The project names no system.", "Add a table [systems.NAME] with its kind.")
    hub = _hub_of(entries["hub"], folder, environ, faults) if "hub" in entries else HubSettings()
    packs = _packs_of(entries["packs"], systems, known_packs, faults) if "packs" in entries else {}
    mail = read_mail(entries["mail"], folder, environ, faults) if "mail" in entries else None
    shop = read_shop(entries["shop"], faults) if "shop" in entries else ShopSettings()
    return Settings(hub=hub, systems=systems, packs=packs, mail=mail, shop=shop, sign_in=entries.get("sign_in"))


def parse_months(text: str) -> int | None:
    """The months of "18 months" or "2 years"; None when it is neither."""
    found = _MONTHS.fullmatch(text)
    return None if found is None else int(found[1]) * (12 if found[2] == "year" else 1)


def has_password(text: str) -> bool:
    """Whether a text is an address with a password in it."""
    if "://" not in text or "@" not in text:
        return False
    try:
        return bool(urlsplit(text).password)
    except ValueError:
        return False


def _systems_of(node: Node, faults: Faults) -> dict[str, RawSystem]:
    found: dict[str, RawSystem] = {}
    for name, inner in mapping_of(node, "[systems]", None, faults).items():
        place = node.keys[name]
        if not inner.is_map:
            faults.add(place, f"'{name}' is not a system.", f"Write a table [systems.{name}] with its kind.")
        elif not NAME.fullmatch(name):
            faults.add(place, f"'{name}' cannot be a system.", "Use a-z, 0-9 and _, starting with a letter.")
        elif name in RESERVED_NAMES:
            faults.add(place, f"A system may not be called '{name}'.", f"Reserved: {', '.join(RESERVED_NAMES)}.")
        elif "kind" not in inner.entries():
            faults.add(place, f"System '{name}' has no kind.", 'Add a line such as kind = "tryton".')
        else:
            kind = text_of(inner.value["kind"], "'kind'", faults)
            if kind is not None:
                found[name] = RawSystem(name=name, kind=kind, node=inner, place=place)
    return found


def _hub_of(node: Node, folder: Path, environ: Mapping[str, str], faults: Faults) -> HubSettings:
    values: dict[str, str] = {}
    entries = mapping_of(node, "[hub]", HUB_KEYS, faults)
    for key, inner in entries.items():
        text = text_of(inner, f"'{key}'", faults)
        if text is not None and not is_reference(text) and has_password(text):
            faults.add(inner.place, f"'{key}' holds a password.", "Write env:NAME or file:PATH instead of the address.")
            continue
        value = None if text is None else resolve(text, inner.place, folder, environ, faults)
        if value is not None:
            values[key] = value
    hub = HubSettings(name=values.get("name", "isthmus"), database_url=values.get("database_url"))
    database = values.get("database_url")
    if database is not None and not database.startswith(("postgresql://", "postgres://")):
        faults.add(entries["database_url"].place, "'database_url' must start with postgresql://.")
    if "listen" in values:
        found = _HOST_AND_PORT.fullmatch(values["listen"])
        if found is None or int(found[2]) > 65535:
            faults.add(entries["listen"].place, "'listen' must be HOST:PORT, as in 127.0.0.1:8420.")
        else:
            hub = msgspec.structs.replace(hub, host=found[1], port=int(found[2]))
    for key, name in (("keep_history", "keep_months"), ("keep_processes", "keep_process_months")):
        if key in values:
            months = parse_months(values[key])
            if months is None:
                faults.add(entries[key].place, f'\'{key}\' must be a time such as "18 months" or "2 years".')
            hub = msgspec.structs.replace(hub, **{name: months})
    if "archive" in values:
        hub = msgspec.structs.replace(hub, archive=values["archive"])
    if "flow_review" in values:
        word = word_of(entries["flow_review"], "'flow_review'", FLOW_REVIEWS, faults)
        hub = msgspec.structs.replace(hub, flow_review=word or hub.flow_review)
    if "public_url" in values:
        if not values["public_url"].startswith(("http://", "https://")):
            faults.add(entries["public_url"].place, "'public_url' must start with http:// or https://.")
        else:
            hub = msgspec.structs.replace(hub, public_url=values["public_url"].rstrip("/"))
    return hub


def _packs_of(node: Node, systems: Collection[str], known: Collection[str], faults: Faults) -> dict[str, PackUse]:
    entries = mapping_of(node, "[packs]", ("use", *known), faults)
    used: dict[str, Place] = {}
    for element in elements_of(entries["use"], "'use'", faults) if "use" in entries else ():
        name = word_of(element, "pack", known, faults)
        if name is not None:
            used[name] = element.place
    found: dict[str, PackUse] = {}
    for name in dict.fromkeys([*used, *(name for name in entries if name != "use")]):
        inner = entries.get(name)
        names: dict[str, str] = {}
        without: list[str] = []
        for key, value in mapping_of(inner, f"'{name}'", None, faults).items() if inner else ():
            if key == "without":
                texts = [text_of(element, "'without'", faults) for element in elements_of(value, "'without'", faults)]
                without.extend(text for text in texts if text)
                continue
            system = word_of(value, "system", systems, faults)
            if system is not None:
                names[key] = system
        place = used.get(name) or node.keys[name]
        found[name] = PackUse(
            name=name, systems=names, without=tuple(without), used=name in used, place=place, node=inner
        )
    return found
