"""ID tokens: whether one was made by the provider, for this hub, for this very attempt, and is still good."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from joserfc import jws, jwt
from joserfc.errors import ClaimError, JoseError
from joserfc.jwk import KeySet

from isthmus.errors import SignInRefused

__all__ = ["ALGORITHMS", "key_id", "keys_of", "verified"]

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
"""Signatures by a key that only the provider has. Neither ``none`` nor HMAC, whose key would be our own secret."""
LEEWAY_SECONDS = 60
"""By how much clocks may differ."""
OLDEST_SECONDS = 600
LONGEST_TOKEN = 64 * 1024
LONGEST_SUBJECT = 255


def keys_of(document: Any) -> KeySet:
    """The keys of a JWKS document, those that we cannot use left out. Raises ``SignInRefused`` for none."""
    try:
        return KeySet.import_key_set(document)
    except (JoseError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise SignInRefused(
            "unclear", f"The provider shows no key that can be used ({type(error).__name__})."
        ) from error


def key_id(token: str) -> str | None:
    """Which key a token says it was signed with; None when it says nothing, or is no token."""
    try:
        found = jws.extract_compact(token[:LONGEST_TOKEN].encode()).headers().get("kid")
    except (JoseError, ValueError):
        return None
    return found if isinstance(found, str) else None


def verified(token: str, keys: KeySet, *, issuer: str, client_id: str, nonce: str, now: datetime) -> Mapping[str, Any]:
    """The claims of a token that is all right by OpenID Connect Core 3.1.3.7. Raises ``SignInRefused``, saying which
    check failed and never what the token holds."""
    if len(token) > LONGEST_TOKEN:
        raise SignInRefused("unclear", "The ID token is too long.")
    try:
        claims = jwt.decode(token, keys, algorithms=list(ALGORITHMS)).claims
        jwt.JWTClaimsRegistry(
            now=int(now.timestamp()),
            leeway=LEEWAY_SECONDS,
            iss={"essential": True, "value": issuer},
            aud={"essential": True, "value": client_id},
            sub={"essential": True},
            exp={"essential": True},
            iat={"essential": True},
            nonce={"essential": True},
        ).validate(claims)
    except ClaimError as error:
        raise SignInRefused("unclear", f"The ID token's claim '{error.claim}' is not what it must be.") from error
    except (JoseError, ValueError, TypeError) as error:
        raise SignInRefused("unclear", f"The ID token cannot be verified ({type(error).__name__}).") from error
    _checked(claims, client_id, nonce, now)
    return claims


def _checked(claims: Mapping[str, Any], client_id: str, nonce: str, now: datetime) -> None:
    """What the library leaves to its user."""
    if not isinstance(claims["nonce"], str) or not hmac.compare_digest(claims["nonce"].encode(), nonce.encode()):
        raise SignInRefused("unclear", "The ID token's claim 'nonce' is not what it must be.")
    audience = claims["aud"]
    party = claims.get("azp")
    if party != client_id and (party is not None or (not isinstance(audience, str) and len(audience) > 1)):
        raise SignInRefused("unclear", "The ID token's claim 'azp' is not what it must be.")
    if claims["iat"] < now.timestamp() - OLDEST_SECONDS:
        raise SignInRefused("unclear", "The ID token's claim 'iat' is not what it must be.")
    if not 0 < len(claims["sub"]) <= LONGEST_SUBJECT or "\x00" in claims["sub"]:
        raise SignInRefused("unclear", "The ID token's claim 'sub' is not what it must be.")
