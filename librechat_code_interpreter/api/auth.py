"""Authentication: request headers to a ``Principal``, or ``Unauthorized`` (K5-K9).

One valid credential suffices. A valid token comes first, because only a token proves the user. The API key comes next,
in any header that may carry it. A failed token is a 401 unless the API key is right. This also holds with
``ADAPTER_AUTH=none``, so that an expired token never becomes an anonymous, or another, caller.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal
from urllib.parse import unquote_to_bytes

import jwt

from librechat_code_interpreter.api.jwt_keys import VerifyKey, read_keys
from librechat_code_interpreter.core.errors import Unauthorized
from librechat_code_interpreter.core.principal import Principal
from librechat_code_interpreter.settings import Settings

LEEWAY_SECONDS = 30  # K7: clock skew
MAX_LIFETIME_SECONDS = 300  # K7: exp - iat
MAX_TOKEN_CHARS = 16 * 1024  # LibreChat's own stay below 2 KiB
DEFAULT_TENANT = "legacy"  # K7: a token without tenant_id

_TIMES = ("iat", "nbf", "exp")
_REQUIRED_CLAIMS = ["iss", "aud", "sub", *_TIMES]
_REASONS: dict[type[jwt.PyJWTError], str] = {
    jwt.ExpiredSignatureError: "it has expired",
    jwt.ImmatureSignatureError: "it is not valid yet",
    jwt.InvalidAudienceError: "its audience is another one",
    jwt.InvalidIssuerError: "its issuer is another one",
    jwt.InvalidAlgorithmError: "its algorithm is not the one of the key",
    jwt.InvalidSignatureError: "its signature is wrong",
    jwt.MissingRequiredClaimError: "a claim is missing",
}
_HINT = (
    "LibreChat was refused because it sent no credential, as LibreChat >= v0.8.6 does by default."
    " Three ways out: put the key into its LIBRECHAT_CODE_BASEURL=http://x:<key>@host:port/v1 (HTTP Basic);"
    " or let it sign tokens and give this service the public key (CODEAPI_JWT_PUBLIC_KEY and kin);"
    " or, on a closed network, ADAPTER_AUTH=none"
)

logger = logging.getLogger(__name__)


class Credentials:
    """Credentials accepted by this deployment; every key is read once, here. Raises ``SettingsError`` for a bad one."""

    def __init__(self, settings: Settings) -> None:
        key = settings.adapter_api_key
        self._api_key = key.get_secret_value().encode() if key else None
        keys = read_keys(
            pem=settings.codeapi_jwt_public_key,
            kid=settings.codeapi_jwt_kid,
            jwks=settings.codeapi_jwt_jwks_json,
            directory=settings.codeapi_jwt_public_keys_dir,
        )
        self._tokens = Tokens(keys, settings.codeapi_jwt_issuer, settings.codeapi_jwt_audience)
        self._open = settings.adapter_auth == "none"
        self._hinted = False

    def identify(self, headers: Mapping[str, str]) -> Principal:
        """Return the sender of these headers (names in lower case). Raises ``Unauthorized``.

        A user not proved by a token comes from the ``User-Id`` header (section 2 of the contract).
        """
        return self._admitted(headers).known_as(headers.get("user-id"))

    def _admitted(self, headers: Mapping[str, str]) -> Principal:
        scheme, offer = _authorization(headers)
        proof = self._proof(scheme, offer)
        if isinstance(proof, Principal):
            return proof
        if self._is_key(_offered_keys(headers.get("x-api-key"), scheme, offer)):
            return Principal("key")
        if self._open and proof is None:
            return Principal("none")
        raise proof or self._refusal(headers)

    def _proof(self, scheme: str, offer: str) -> Principal | Unauthorized | None:
        """Return the principal proved by a token, the reason for refusing it, or ``None`` without a token to check."""
        if not self._tokens.keys or not _is_token(scheme, offer):
            return None
        try:
            return self._tokens.principal(offer)
        except Unauthorized as refusal:
            return refusal

    def _is_key(self, offers: Iterator[bytes]) -> bool:
        """Compare each candidate in constant time; all are compared, even after a match (K5)."""
        if self._api_key is None:
            return False
        return _is_among(self._api_key, offers)

    def _refusal(self, headers: Mapping[str, str]) -> Unauthorized:
        if not self._tokens.keys and _is_token(*_authorization(headers)):
            return Unauthorized("the token is refused: this service has no CODEAPI_JWT_* key to check it with")
        if headers.get("authorization") or headers.get("x-api-key"):
            return Unauthorized("the credential is wrong")
        self._hint_once(headers.get("user-agent", ""))
        return Unauthorized("no credential: send X-API-Key, or Authorization with Bearer or Basic")

    def _hint_once(self, user_agent: str) -> None:
        """Log once per process why LibreChat gets a 401 (K8)."""
        if user_agent.startswith("LibreChat/") and not self._hinted:
            self._hinted = True
            logger.warning(_HINT)


class Tokens:
    """Verifies LibreChat's tokens (K7). A repeated ``jti`` is accepted: LibreChat reuses a token for 30 s."""

    def __init__(self, keys: Sequence[VerifyKey], issuer: str, audience: str) -> None:
        self.keys = {key.kid: key for key in keys}
        self._issuer = issuer
        self._audience = audience

    def principal(self, token: str) -> Principal:
        """Return the principal proved by a token. Raises ``Unauthorized``, without the token's content."""
        try:
            claims = self._verified(token)
        except jwt.PyJWTError as error:
            raise _refused(_REASONS.get(type(error), "it is malformed")) from None
        except (RecursionError, UnicodeError):  # unbounded JSON nesting; characters that no token contains
            raise _refused("it is malformed") from None
        return Principal("jwt", tenant=_tenant(claims), user=claims["sub"])

    def _verified(self, token: str) -> dict[str, Any]:
        if len(token) > MAX_TOKEN_CHARS:
            raise _refused("it is too long")
        key = self._key_for(jwt.get_unverified_header(token))
        claims: dict[str, Any] = jwt.decode(
            token,
            key.key,
            algorithms=[key.alg],
            issuer=self._issuer,
            audience=self._audience,
            leeway=LEEWAY_SECONDS,
            options={"require": _REQUIRED_CLAIMS},
        )
        if not all(type(claims[name]) in (int, float) for name in _TIMES):  # PyJWT also accepts "1" and true
            raise _refused("its times are not numbers")
        if claims["exp"] - claims["iat"] > MAX_LIFETIME_SECONDS + LEEWAY_SECONDS:
            raise _refused(f"it lives longer than {MAX_LIFETIME_SECONDS} s")
        if not claims["sub"]:
            raise _refused("its sub is empty")
        return claims

    def _key_for(self, header: Mapping[str, Any]) -> VerifyKey:
        """Select the key by ``kid``; only the one key without a kid serves tokens with no or an unknown kid."""
        if str(header.get("typ", "JWT")).upper() != "JWT":
            raise _refused("its typ is not JWT")
        key = self.keys.get(header.get("kid")) or self.keys.get(None)
        if key is None:
            raise _refused("its kid names no key")
        return key


def form_of(headers: Mapping[str, str]) -> Literal["X-API-Key", "Bearer", "Basic", "token", "nothing"]:
    """Return the form in which a credential is sent, valid or not; an unknown scheme counts as ``nothing``."""
    if headers.get("x-api-key"):
        return "X-API-Key"
    scheme, offer = _authorization(headers)
    if _is_token(scheme, offer):
        return "token"
    return _SCHEMES.get(scheme, "nothing")


_SCHEMES: dict[str, Literal["Bearer", "Basic"]] = {"bearer": "Bearer", "basic": "Basic"}


def holds(key: bytes, headers: Mapping[str, str]) -> bool:
    """Return whether these headers contain a key, in any form in which a key may be sent (K5, K6)."""
    scheme, offer = _authorization(headers)
    return _is_among(key, _offered_keys(headers.get("x-api-key"), scheme, offer))


def _is_among(key: bytes, offers: Iterator[bytes]) -> bool:
    matches = [hmac.compare_digest(offer, key) for offer in offers]
    return True in matches


def _tenant(claims: Mapping[str, Any]) -> str:
    tenant = claims.get("tenant_id") or DEFAULT_TENANT
    if not isinstance(tenant, str):
        raise _refused("its tenant_id is not text")
    return tenant


def _refused(reason: str) -> Unauthorized:
    return Unauthorized(f"the token is refused: {reason}")


def _authorization(headers: Mapping[str, str]) -> tuple[str, str]:
    """Split ``Authorization`` into its scheme, in lower case, and the rest."""
    scheme, _, offer = headers.get("authorization", "").strip().partition(" ")
    return scheme.lower(), offer.strip()


def _is_token(scheme: str, offer: str) -> bool:
    """Recognize a JWT by its three parts, without checking its validity."""
    return scheme == "bearer" and len(offer.split(".")) == len(("header", "payload", "signature"))


def _offered_keys(header: str | None, scheme: str, offer: str) -> Iterator[bytes]:
    """Yield every candidate for the API key: header, Bearer, and user or password of Basic (K5, K6)."""
    if header:
        yield _raw(header)
    if scheme == "bearer":
        yield _raw(offer)
    elif scheme == "basic":
        yield from _basic_offers(offer)


def _basic_offers(offer: str) -> Iterator[bytes]:
    """Split Basic at its first and at its last colon: a key may contain one.

    Some HTTP clients leave the URL's percent-escapes in, so each part is also tried unescaped.
    """
    try:
        decoded = base64.b64decode(_raw(offer), validate=True)
    except (binascii.Error, ValueError):
        return
    user, _, password = decoded.partition(b":")
    for part in (user, password, decoded.rpartition(b":")[0]):
        yield part
        yield unquote_to_bytes(part)


def _raw(value: str) -> bytes:
    """Return the bytes of a header, which ASGI servers decode as Latin-1."""
    return value.encode("latin-1", "backslashreplace")
