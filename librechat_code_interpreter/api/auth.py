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
    jwt.ExpiredSignatureError: "expired",
    jwt.ImmatureSignatureError: "not valid yet",
    jwt.InvalidAudienceError: "wrong audience",
    jwt.InvalidIssuerError: "wrong issuer",
    jwt.InvalidAlgorithmError: "algorithm does not match the key",
    jwt.InvalidSignatureError: "wrong signature",
    jwt.MissingRequiredClaimError: "a claim is missing",
}
_HINT = (
    "401 for LibreChat: it sent no credential, which is the default of LibreChat >= v0.8.6."
    " Solutions: put the key into its LIBRECHAT_CODE_BASEURL=http://x:<key>@host:port/v1 (HTTP Basic);"
    " or let it sign tokens and set the public key here (CODEAPI_JWT_PUBLIC_KEY or a similar setting);"
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
        return self._authenticate(headers).known_as(headers.get("user-id"))

    def _authenticate(self, headers: Mapping[str, str]) -> Principal:
        scheme, value = _authorization(headers)
        verified = self._verify_token(scheme, value)
        if isinstance(verified, Principal):
            return verified
        if self._is_key(_candidate_keys(headers.get("x-api-key"), scheme, value)):
            return Principal("key")
        if self._open and verified is None:
            return Principal("none")
        raise verified or self._unauthorized(headers)

    def _verify_token(self, scheme: str, value: str) -> Principal | Unauthorized | None:
        """Return the principal proved by a token, the reason for refusing it, or ``None`` without a token to check."""
        if not self._tokens.keys or not _is_token(scheme, value):
            return None
        try:
            return self._tokens.principal(value)
        except Unauthorized as refusal:
            return refusal

    def _is_key(self, candidates: Iterator[bytes]) -> bool:
        """Compare each candidate in constant time; all are compared, even after a match (K5)."""
        if self._api_key is None:
            return False
        return _contains(self._api_key, candidates)

    def _unauthorized(self, headers: Mapping[str, str]) -> Unauthorized:
        if not self._tokens.keys and _is_token(*_authorization(headers)):
            return Unauthorized("invalid token: no CODEAPI_JWT_* key is configured to verify it")
        if headers.get("authorization") or headers.get("x-api-key"):
            return Unauthorized("invalid credential: send the API key or a token of LibreChat")
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
            claims = self._decode(token)
        except jwt.PyJWTError as error:
            raise _invalid_token(_REASONS.get(type(error), "malformed")) from None
        except (RecursionError, UnicodeError):  # unbounded JSON nesting; characters that no token contains
            raise _invalid_token("malformed") from None
        return Principal("jwt", tenant=_tenant(claims), user=claims["sub"])

    def _decode(self, token: str) -> dict[str, Any]:
        if len(token) > MAX_TOKEN_CHARS:
            raise _invalid_token("too long")
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
            raise _invalid_token("times are not numbers")
        if claims["exp"] - claims["iat"] > MAX_LIFETIME_SECONDS + LEEWAY_SECONDS:
            raise _invalid_token(f"lifetime is over {MAX_LIFETIME_SECONDS} s")
        if not claims["sub"]:
            raise _invalid_token("sub is empty")
        return claims

    def _key_for(self, header: Mapping[str, Any]) -> VerifyKey:
        """Select the key by ``kid``; only the one key without a kid serves tokens with no or an unknown kid."""
        if str(header.get("typ", "JWT")).upper() != "JWT":
            raise _invalid_token("typ is not JWT")
        key = self.keys.get(header.get("kid")) or self.keys.get(None)
        if key is None:
            raise _invalid_token("unknown kid")
        return key


def credential_form(headers: Mapping[str, str]) -> Literal["X-API-Key", "Bearer", "Basic", "token", "nothing"]:
    """Return the form in which a credential is sent, valid or not; an unknown scheme counts as ``nothing``."""
    if headers.get("x-api-key"):
        return "X-API-Key"
    scheme, value = _authorization(headers)
    if _is_token(scheme, value):
        return "token"
    return _SCHEMES.get(scheme, "nothing")


_SCHEMES: dict[str, Literal["Bearer", "Basic"]] = {"bearer": "Bearer", "basic": "Basic"}


def contains_key(key: bytes, headers: Mapping[str, str]) -> bool:
    """Return whether these headers contain a key, in any form in which a key may be sent (K5, K6)."""
    scheme, value = _authorization(headers)
    return _contains(key, _candidate_keys(headers.get("x-api-key"), scheme, value))


def _contains(key: bytes, candidates: Iterator[bytes]) -> bool:
    matches = [hmac.compare_digest(value, key) for value in candidates]
    return True in matches


def _tenant(claims: Mapping[str, Any]) -> str:
    tenant = claims.get("tenant_id") or DEFAULT_TENANT
    if not isinstance(tenant, str):
        raise _invalid_token("tenant_id is not a string")
    return tenant


def _invalid_token(reason: str) -> Unauthorized:
    return Unauthorized(f"invalid token: {reason}")


def _authorization(headers: Mapping[str, str]) -> tuple[str, str]:
    """Split ``Authorization`` into its scheme, in lower case, and the rest."""
    scheme, _, value = headers.get("authorization", "").strip().partition(" ")
    return scheme.lower(), value.strip()


def _is_token(scheme: str, value: str) -> bool:
    """Recognize a JWT by its three parts, without checking its validity."""
    return scheme == "bearer" and len(value.split(".")) == len(("header", "payload", "signature"))


def _candidate_keys(header: str | None, scheme: str, value: str) -> Iterator[bytes]:
    """Yield every candidate for the API key: header, Bearer, and user or password of Basic (K5, K6)."""
    if header:
        yield _header_bytes(header)
    if scheme == "bearer":
        yield _header_bytes(value)
    elif scheme == "basic":
        yield from _basic_candidates(value)


def _basic_candidates(value: str) -> Iterator[bytes]:
    """Split Basic at its first and at its last colon: a key may contain one.

    Some HTTP clients leave the URL's percent-escapes in, so each part is also tried unescaped.
    """
    try:
        decoded = base64.b64decode(_header_bytes(value), validate=True)
    except (binascii.Error, ValueError):
        return
    user, _, password = decoded.partition(b":")
    for part in (user, password, decoded.rpartition(b":")[0]):
        yield part
        yield unquote_to_bytes(part)


def _header_bytes(text: str) -> bytes:
    """Return the bytes of a header, which ASGI servers decode as Latin-1."""
    return text.encode("latin-1", "backslashreplace")
