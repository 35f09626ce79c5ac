"""Sign tokens as LibreChat does (K7)."""

from __future__ import annotations

import secrets
import time
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

KID = "k1"
_KEY = Ed25519PrivateKey.generate()


def public_key() -> str:
    """Return what CODEAPI_JWT_PUBLIC_KEY holds."""
    return _KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def token(user: str, tenant: str | None = "acme", **changes: Any) -> str:
    """Sign a token of this user; ``changes`` replace claims."""
    now = int(time.time())
    claims = {
        "iss": "librechat", "aud": "codeapi", "sub": user, "iat": now, "nbf": now, "exp": now + 300,
        "jti": secrets.token_hex(8), "principal_source": "local", "auth_context_hash": "h", "role": "USER",
    }  # fmt: skip
    if tenant is not None:
        claims["tenant_id"] = tenant
    return jwt.encode(claims | changes, _KEY, algorithm="EdDSA", headers={"kid": KID})
