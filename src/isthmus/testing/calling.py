"""Contract tests of what concerns the whole system: webhooks, custom fields, configuration, closing."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import msgspec
import pytest

from isthmus.connector import Connector, FieldInfo, Hint, Preparable, System, Webhook
from isthmus.connector.config import secret_fields
from isthmus.errors import Rejected, Unauthorized
from isthmus.testing.case import Delivery

__all__ = ["SystemTests"]


class SystemTests:
    """Tests of a system as a whole. A subclass whose system is a :class:`~isthmus.connector.Webhook` says how the far
    system calls (``delivery``, ``sign``); one that is :class:`~isthmus.connector.Preparable` gives ``wanted``."""

    connector: ClassVar[Connector]
    wanted: ClassVar[Mapping[str, Mapping[str, FieldInfo]]] = {}
    """Custom fields to prepare: resource -> field path -> info."""
    webhook_url: ClassVar[str] = "https://hub.example.com/hooks/contract"
    signature_ages: ClassVar[bool] = True
    """Whether signatures carry a time, so that old calls can be refused."""

    def delivery(self, system: Any) -> Delivery:
        """A call as the far system makes it."""
        raise NotImplementedError("the system is a Webhook: override delivery() to give the body of a call")

    def sign(self, system: Any, body: bytes, at: datetime) -> dict[str, str]:
        """The headers (lower case) with which the far system would send this body at this time."""
        raise NotImplementedError("the system is a Webhook: override sign() to give the headers of a call")

    def now(self) -> datetime:
        """The time by the far system's clock (UTC)."""
        return datetime.now(UTC)

    async def test_config_refuses_unknown_keys(self, config: Any) -> None:
        kind = self.connector.config
        assert type(config) is kind, f"the config fixture gives {type(config).__name__}, the connector wants {kind}"
        known = {name: getattr(config, name) for name in kind.__struct_fields__}
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert({**msgspec.to_builtins(known), "no_such_key": 1}, kind)

    async def test_config_never_shows_secrets(self, config: Any, secrets: list[str]) -> None:
        shown = f"{config!r} {config}"
        leaked = [secret for secret in secrets if secret in shown]
        assert not leaked, (
            "repr(config) shows a secret: derive it from isthmus.connector.config.SystemConfig and annotate the field "
            f"as Secret (annotated: {sorted(secret_fields(type(config)))})"
        )

    async def test_closing_twice_is_safe(self, connection: Any, config: Any) -> None:
        opened: System = await connection(config)
        await opened.check()
        await opened.close()
        await opened.close()

    async def test_webhook_with_a_good_signature_is_a_hint(self, system: System) -> None:
        hook = _webhook(system)
        sent, now = self.delivery(system), self.now()
        hints = hook.verify(self.sign(system, sent.body, now), sent.body, now)
        assert all(isinstance(hint, Hint) for hint in hints)
        places = {(hint.resource, key) for hint in hints for key in (hint.keys or ("",))}
        assert places & {(sent.resource, sent.key), (sent.resource, "")}, f"the hint points at {places}"
        unknown = {hint.resource for hint in hints} - set(system.resources())
        assert not unknown, f"hints for resources that do not exist: {unknown}"

    async def test_webhook_with_a_bad_signature_is_unauthorized(self, system: System) -> None:
        hook = _webhook(system)
        sent, now = self.delivery(system), self.now()
        good = self.sign(system, sent.body, now)
        changed = bytes([*sent.body[:-2], sent.body[-2] ^ 1, sent.body[-1]])
        cases = {"a changed body": (good, changed), "no signature": ({}, sent.body)}
        for name, value in good.items():
            cases[f"a changed {name}"] = (
                {**good, name: value[:-2] + ("00" if value[-2:] != "00" else "11")},
                sent.body,
            )
            cases[f"an odd {name}"] = ({**good, name: "t=,v1=é, ;="}, sent.body)
        refused = {}
        for kind, (headers, body) in cases.items():
            try:
                hook.verify(headers, body, now)
                refused[kind] = False
            except Unauthorized:
                refused[kind] = True
        assert refused["a changed body"] and refused["no signature"], f"unsigned calls were accepted: {refused}"
        assert any(ok for kind, ok in refused.items() if kind.startswith("a changed ") and kind != "a changed body"), (
            "no change of any header makes the signature bad"
        )

    async def test_webhook_with_an_old_signature_is_unauthorized(self, system: System) -> None:
        hook = _webhook(system)
        if not self.signature_ages:
            pytest.skip("not promised: signatures carry a time")
        sent, now = self.delivery(system), self.now()
        headers = self.sign(system, sent.body, now)
        for later in (timedelta(hours=2), timedelta(days=1)):
            with pytest.raises(Unauthorized):
                hook.verify(headers, sent.body, now + later)

    async def test_webhook_with_a_garbage_body_is_rejected(self, system: System) -> None:
        hook = _webhook(system)
        now = self.now()
        for body in (b"", b"\xff\xfe", b"[]", b"7", b'{"half": ', b'{"other": "thing"}', b"<html></html>"):
            with pytest.raises(Rejected):
                hook.verify(self.sign(system, body, now), body, now)

    async def test_subscribing_twice_is_safe(self, system: System) -> None:
        hook = _webhook(system)
        await hook.subscribe(self.webhook_url)
        await hook.subscribe(self.webhook_url)

    async def test_prepare_makes_what_is_missing_once(self, system: System) -> None:
        if not isinstance(system, Preparable):
            pytest.skip("not promised: Preparable")
        assert self.wanted, "the system is Preparable: give `wanted` custom fields in the contract test"
        missing = list(await system.missing(self.wanted))
        assert list(await system.missing(self.wanted)) == missing, "missing() changed something"
        assert sorted(await system.prepare(self.wanted)) == sorted(missing), "prepare() made other than the missing"
        assert not await system.prepare(self.wanted), "prepare() made the same fields twice"
        assert not await system.missing(self.wanted), "fields are missing after prepare()"
        for resource, fields in self.wanted.items():
            known = set(await system.resources()[resource].fields())
            tops = {path.split(".")[0].split("[")[0] for path in fields}
            assert not tops - known, f"fields() of {resource} does not know {tops - known} after prepare()"


def _webhook(system: System) -> Webhook:
    if not isinstance(system, Webhook):
        pytest.skip("not promised: Webhook")
    return system
