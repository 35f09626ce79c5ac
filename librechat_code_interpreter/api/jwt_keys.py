"""Public keys that verify LibreChat's tokens (K7).

There are three optional sources, which may be combined: one PEM, a JWKS, a directory of ``<kid>.pem``. The environment
variables have the names of the official server.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from jwt.algorithms import OKPAlgorithm, RSAAlgorithm

from librechat_code_interpreter.settings import SettingsError

PEM_VARIABLE = "CODEAPI_JWT_PUBLIC_KEY"
JWKS_VARIABLE = "CODEAPI_JWT_JWKS_JSON"
DIRECTORY_VARIABLE = "CODEAPI_JWT_PUBLIC_KEYS_DIR"
_MIN_RSA_BITS = 2048  # NIST SP 800-131A; RFC 7518 section 3.3 demands it of RS256
_PRIVATE = "contains a private key; only LibreChat may have it, set the public key here"


@dataclass(frozen=True, slots=True)
class VerifyKey:
    """One public key for verification; its type alone decides the algorithm, never the token."""

    kid: str | None
    alg: Literal["EdDSA", "RS256"]
    key: Ed25519PublicKey | RSAPublicKey


def read_keys(
    *, pem: str | None = None, kid: str | None = None, jwks: str | None = None, directory: Path | None = None
) -> tuple[VerifyKey, ...]:
    """Read every configured key.

    Raises ``SettingsError``, whose one line names the variable and never contains its value. Two keys that a token
    could not tell apart are an error too.
    """
    keys: list[VerifyKey] = []
    if pem:
        keys.append(_from_pem(_unwrapped(pem), kid, PEM_VARIABLE))
    if jwks:
        keys.extend(_from_jwks(jwks))
    if directory:
        keys.extend(_from_directory(directory))
    _refuse_ambiguity([key.kid for key in keys])
    return tuple(keys)


def _refuse_ambiguity(kids: list[str | None]) -> None:
    for kid in kids:
        if kids.count(kid) > 1:
            named = f"the kid {kid!r}" if kid else "no kid"
            raise SettingsError(f"CODEAPI_JWT_*: two keys have {named}; give each its own")


def _unwrapped(value: str) -> str:
    """Undo the effects of environment files on a PEM: newlines written as backslash-n, or base64 around it."""
    text = value.replace("\\r", "").replace("\\n", "\n")
    if "-----BEGIN" in text:
        return text
    try:
        return base64.b64decode("".join(text.split()), validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        raise SettingsError(f"{PEM_VARIABLE}: neither PEM nor base64 of PEM") from None


def _from_pem(pem: str, kid: str | None, source: str) -> VerifyKey:
    if "PRIVATE KEY-----" in pem:
        raise SettingsError(f"{source}: {_PRIVATE} (openssl pkey -pubout)")
    try:
        key = load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise SettingsError(f"{source}: not a public key in PEM") from None
    return _verify_key(key, kid, source)


def _verify_key(key: object, kid: str | None, source: str) -> VerifyKey:
    if isinstance(key, Ed25519PublicKey):
        return VerifyKey(kid, "EdDSA", key)
    if not isinstance(key, RSAPublicKey):
        raise SettingsError(f"{source}: neither an Ed25519 nor an RSA key")
    if key.key_size < _MIN_RSA_BITS:
        raise SettingsError(f"{source}: an RSA key of {key.key_size} bits; the minimum is {_MIN_RSA_BITS}")
    return VerifyKey(kid, "RS256", key)


def _from_directory(directory: Path) -> Iterator[VerifyKey]:
    try:
        found = [(path, path.read_text(encoding="utf-8")) for path in sorted(directory.glob("*.pem"))]
    except (OSError, UnicodeDecodeError):
        raise SettingsError(f"{DIRECTORY_VARIABLE}: a file in it cannot be read") from None
    if not found:
        raise SettingsError(f"{DIRECTORY_VARIABLE}: no <kid>.pem in this directory, or no such directory")
    for path, pem in found:
        yield _from_pem(pem, path.stem, f"{DIRECTORY_VARIABLE}: {path.name!r}")


def _from_jwks(text: str) -> Iterator[VerifyKey]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise SettingsError(f"{JWKS_VARIABLE}: not JSON") from None
    members = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(members, list) or not members:
        raise SettingsError(f'{JWKS_VARIABLE}: not a key set, {{"keys": [...]}} with one key or more')
    for number, member in enumerate(members, start=1):
        yield _from_jwk(member, f"{JWKS_VARIABLE}: key {number}")


def _from_jwk(jwk: Any, source: str) -> VerifyKey:
    if not isinstance(jwk, dict) or not isinstance(jwk.get("kid"), str | None):
        raise SettingsError(f"{source}: not a key")
    if "d" in jwk:
        raise SettingsError(f"{source}: {_PRIVATE}")
    if "k" in jwk:
        raise SettingsError(f"{source}: a shared secret; set a public key")
    verify_key = _verify_key(_jwk_material(jwk, source), jwk.get("kid") or None, source)
    if jwk.get("use", "sig") != "sig" or jwk.get("alg", verify_key.alg) != verify_key.alg:
        raise SettingsError(f"{source}: not meant for signatures with {verify_key.alg}")
    return verify_key


def _jwk_material(jwk: dict[str, Any], source: str) -> object:
    reader = {"OKP": OKPAlgorithm.from_jwk, "RSA": RSAAlgorithm.from_jwk}.get(str(jwk.get("kty")))
    if reader is None:
        raise SettingsError(f"{source}: neither an Ed25519 nor an RSA key")
    try:
        return reader(jwk)
    except (jwt.InvalidKeyError, ValueError, TypeError, AttributeError):  # PyJWT passes odd members on
        raise SettingsError(f"{source}: its members form no key") from None
