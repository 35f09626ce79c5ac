"""Tests of K5-K9 by forgery: which credential is accepted or refused, and as whom."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
import os
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from jwt.algorithms import OKPAlgorithm, RSAAlgorithm
from starlette.datastructures import Headers

from librechat_code_interpreter.api.auth import Credentials
from librechat_code_interpreter.api.jwt_keys import read_keys
from librechat_code_interpreter.core.errors import Unauthorized
from librechat_code_interpreter.core.principal import Principal
from librechat_code_interpreter.settings import Settings, SettingsError

API_KEY = "k:y é%2F-0123456789"
PrivateKey = ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


@cache
def ed_key(name: str = "ours") -> ed25519.Ed25519PrivateKey:
    """Make one Ed25519 key a name."""
    return ed25519.Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest())


@cache
def rsa_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    """Make one RSA key a size."""
    return rsa.generate_private_key(65537, bits)


def public_pem(key: PrivateKey) -> str:
    """Write the public half as PEM."""
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def private_pem(key: PrivateKey) -> str:
    """Write the private half as PEM, as an operator might by mistake."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep the environment and the `.env` of the machine out of the tests."""
    for name in [name for name in os.environ if name.lower() in Settings.model_fields]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def settings(**values: Any) -> Settings:
    """Make settings from these values alone."""
    return Settings(**values)


def keyed(**values: Any) -> Credentials:
    """Build a service that knows the API key."""
    return Credentials(settings(adapter_api_key=API_KEY, **values))


def signed(**values: Any) -> Credentials:
    """Build a service that knows our Ed25519 key by the kid `k1`, and no API key."""
    return Credentials(settings(codeapi_jwt_public_key=public_pem(ed_key()), codeapi_jwt_kid="k1", **values))


def claims(**changes: Any) -> dict[str, Any]:
    """Make the claims LibreChat makes (K7), changed; a change to None takes the claim away."""
    now = int(time.time())
    usual = {
        "iss": "librechat",
        "aud": "codeapi",
        "sub": "user-1",
        "tenant_id": "acme",
        "iat": now,
        "nbf": now,
        "exp": now + 300,
        "jti": "one",
        "principal_source": "session",
        "auth_context_hash": "0" * 64,
    }
    return {name: value for name, value in (usual | changes).items() if value is not None}


def token(key: Any = None, alg: str = "EdDSA", kid: str | None = "k1", typ: str | None = "JWT", **changes: Any) -> str:
    """Sign a token, by default a good one."""
    headers = {name: value for name, value in {"kid": kid}.items() if value is not None} | {"typ": typ}
    return jwt.encode(claims(**changes), key or ed_key(), algorithm=alg, headers=headers)


def forged(header: Mapping[str, Any], secret: bytes | None = None, **changes: Any) -> str:
    """Write a token by hand: unsigned, or with an HMAC."""
    body = ".".join(segment(json.dumps(part).encode()) for part in (header, claims(**changes)))
    return body + "." + (segment(hmac.digest(secret, body.encode(), "sha256")) if secret else "")


def segment(data: bytes) -> str:
    """Encode one part of a token."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def bearer(value: str) -> dict[str, str]:
    """Send a Bearer."""
    return {"authorization": f"Bearer {value}"}


def wire(**headers: str) -> Headers:
    """Send headers as they arrive: raw UTF-8 bytes, decoded as Latin-1 by the server."""
    return Headers(raw=[(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()])


def basic(userinfo: str) -> Headers:
    """Send HTTP Basic."""
    return wire(authorization="Basic " + base64.b64encode(userinfo.encode()).decode())


def refusal(credentials: Credentials, headers: Mapping[str, str]) -> str:
    """Return the text of the 401."""
    with pytest.raises(Unauthorized) as refused:
        credentials.identify(headers)
    return str(refused.value)


# ---- API key and Basic ----


def test_api_key_in_its_header_and_as_bearer() -> None:
    """K5: the key is accepted as X-API-Key and as Bearer, whatever the case of the scheme."""
    for headers in (wire(x_api_key=API_KEY), wire(authorization=f"bEARER  {API_KEY} ")):
        assert keyed().identify(headers) == Principal("key")


@pytest.mark.parametrize("wrong", ["", " ", "k", API_KEY[:-1], API_KEY + "x", API_KEY.upper(), "é\u00ff", "a.b.c"])
def test_wrong_api_key(wrong: str) -> None:
    """K5: a wrong, empty, partial or non-ASCII key is a 401 in every place, and never a crash."""
    for headers in (
        wire(x_api_key=wrong),
        wire(authorization=f"Bearer {wrong}"),
        basic(wrong),
        basic(f"x:{wrong}"),
    ):
        refusal(keyed(), headers)


def test_refusal_never_holds_the_key() -> None:
    """K6: neither the key nor what was sent appears in the error."""
    text = refusal(keyed(), wire(x_api_key="guess-1", authorization="Bearer guess-2"))
    assert "guess" not in text and API_KEY not in text


@pytest.mark.parametrize("userinfo", [f"x:{API_KEY}", f"{API_KEY}:", f"{API_KEY}:x", f":{API_KEY}"])
def test_basic_takes_the_key_on_either_side(userinfo: str) -> None:
    """K6: HTTP Basic with the key as user or as password, also when the key holds a colon."""
    assert keyed().identify(basic(userinfo)) == Principal("key")


def test_basic_from_a_client_that_leaves_the_escapes_in() -> None:
    """K6: the key of a URL arrives percent-escaped from some HTTP clients."""
    assert keyed().identify(basic(f"x:{quote(API_KEY, safe='')}")) == Principal("key")


@pytest.mark.parametrize(
    "garbage", ["Basic", "Basic !!!", "Basic é", "Basic YQ", "Digest x", "Bearer", "é", "Basic //8="]
)
def test_garbage_is_a_refusal(garbage: str) -> None:
    """K5, K6: malformed headers are a 401, never a crash."""
    refusal(keyed(), wire(authorization=garbage))
    refusal(signed(), wire(authorization=garbage))


def test_any_one_valid_credential_suffices() -> None:
    """K5-K7: a wrong header beside a right one does no harm, in either order."""
    both = keyed(codeapi_jwt_public_key=public_pem(ed_key()))
    good_key = {"x-api-key": API_KEY.encode().decode("latin-1")}
    assert both.identify({"x-api-key": "wrong"} | bearer(token())).method == "jwt"
    assert both.identify(good_key | bearer("wrong")).method == "key"
    assert both.identify(good_key | bearer(token(iss="mallory"))).method == "key"
    assert both.identify(good_key | bearer(token())) == Principal("jwt", "acme", "user-1")


def test_user_id_is_a_hint_without_a_token() -> None:
    """Section 2: without a JWT the User-Id header names the user, unproven; a proven one stays."""
    principal = keyed().identify({"x-api-key": API_KEY.encode().decode("latin-1"), "user-id": "u9"})
    assert principal == Principal("key", user="u9") and not principal.is_verified
    assert signed().identify(bearer(token()) | {"user-id": "u9"}) == Principal("jwt", "acme", "user-1")


# ---- LibreChat's tokens ----


def test_good_token() -> None:
    """K7: a token of LibreChat proves tenant and user; its jti may come again; aud may be a list."""
    credentials, same = signed(), token()
    for _ in range(2):
        assert credentials.identify(bearer(same)) == Principal("jwt", "acme", "user-1")
    assert credentials.identify(bearer(token(aud=["other", "codeapi"]))).is_verified
    assert credentials.identify(bearer(token(role="admin", plan_id="p", org_id="o", jti=None))).is_verified


def test_rs256_token() -> None:
    """K7: RS256 with an RSA key is accepted."""
    credentials = Credentials(settings(codeapi_jwt_public_key=public_pem(rsa_key()), codeapi_jwt_kid="k1"))
    assert credentials.identify(bearer(token(rsa_key(), "RS256"))).tenant == "acme"


def test_tenants_are_different_principals() -> None:
    """K9: the same sub in another tenant is another principal; no tenant_id is `legacy`."""
    one, two = (signed().identify(bearer(token(tenant_id=name))) for name in ("acme", "globex"))
    assert one != two and one.user == two.user
    assert signed().identify(bearer(token(tenant_id=None))).tenant == "legacy"


@pytest.mark.parametrize("none", ["none", "None", "NONE", ""])
def test_alg_none(none: str) -> None:
    """K7: an unsigned token is refused, however it spells `none`, and with any signature."""
    unsigned = forged({"alg": none, "typ": "JWT", "kid": "k1"})
    assert "invalid token" in refusal(signed(), bearer(unsigned))
    assert "invalid token" in refusal(signed(), bearer(unsigned + segment(b"x" * 64)))


def test_hs256_with_the_public_key_as_secret() -> None:
    """K7: the public key is no HMAC secret, in none of the forms an attacker can know it."""
    for key in (ed_key(), rsa_key()):
        credentials = Credentials(settings(codeapi_jwt_public_key=public_pem(key), codeapi_jwt_kid="k1"))
        der = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        for secret in (public_pem(key).encode(), public_pem(key).strip().encode(), der):
            attack = forged({"alg": "HS256", "typ": "JWT", "kid": "k1"}, secret)
            assert "algorithm" in refusal(credentials, bearer(attack))


@pytest.mark.parametrize("alg", ["RS384", "RS512", "PS256"])
def test_algorithm_is_the_keys_not_the_tokens(alg: str) -> None:
    """K7: an RSA key serves RS256 alone, even when the signature is right."""
    credentials = Credentials(settings(codeapi_jwt_public_key=public_pem(rsa_key()), codeapi_jwt_kid="k1"))
    assert "algorithm" in refusal(credentials, bearer(token(rsa_key(), alg)))


def test_key_of_another() -> None:
    """K7: a token signed with another key of the same kind is refused, as is a tampered one."""
    assert "signature" in refusal(signed(), bearer(token(ed_key("mallory"))))
    header, _, signature = token().split(".")
    payload = segment(json.dumps(claims(sub="admin")).encode())
    assert "signature" in refusal(signed(), bearer(f"{header}.{payload}.{signature}"))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"exp": -31, "iat": -331}, "expired"),
        ({"nbf": 60}, "not valid yet"),
        ({"iat": 60}, "not valid yet"),
        ({"exp": 331}, "lifetime is over 300 s"),
        ({"exp": 10**9}, "lifetime"),
    ],
)
def test_times(change: dict[str, int], reason: str) -> None:
    """K7: expired, not yet valid and long-lived tokens are refused (seconds from now)."""
    now = int(time.time())
    times: dict[str, Any] = {name: now + seconds for name, seconds in change.items()}
    assert reason in refusal(signed(), bearer(token(**times)))


def test_thirty_seconds_of_skew() -> None:
    """K7: clocks may differ by 30 s, either way."""
    now = int(time.time())
    assert signed().identify(bearer(token(iat=now - 320, nbf=now - 320, exp=now - 20))).is_verified
    assert signed().identify(bearer(token(iat=now + 20, nbf=now + 20, exp=now + 320))).is_verified
    assert signed().identify(bearer(token(exp=now + 325))).is_verified


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"aud": "librechat"}, "audience"),
        ({"aud": ["a", "b"]}, "audience"),
        ({"aud": []}, "claim is missing"),
        ({"aud": "codeapi2"}, "audience"),
        ({"iss": "mallory"}, "issuer"),
        ({"iss": "Librechat"}, "issuer"),
        ({"sub": ""}, "sub"),
        ({"tenant_id": 7}, "tenant_id"),
    ],
)
def test_wrong_claims(change: dict[str, Any], reason: str) -> None:
    """K7: another audience, another issuer, an empty sub or a tenant that is no text is refused."""
    assert reason in refusal(signed(), bearer(token(**change)))


@pytest.mark.parametrize("name", ["iss", "aud", "sub", "iat", "nbf", "exp"])
def test_missing_claims(name: str) -> None:
    """K7: each of these claims is required."""
    without: dict[str, Any] = {name: None}
    assert "a claim is missing" in refusal(signed(), bearer(token(**without)))


@pytest.mark.parametrize("name", ["sub", "iat", "nbf", "exp", "aud", "iss"])
@pytest.mark.parametrize("odd", [[], {}, [1], True, "x", 1e400, {"a": 1}])
def test_claims_of_odd_types(name: str, odd: object) -> None:
    """K7: a claim of the wrong type is a 401, never a crash."""
    body = ".".join(
        segment(json.dumps(part).encode()) for part in ({"alg": "EdDSA", "kid": "k1"}, claims(**{name: odd}))
    )
    attempt = f"{body}.{segment(ed_key().sign(body.encode()))}"
    if (name, odd) == ("sub", "x"):
        assert signed().identify(bearer(attempt)).user == "x"
    else:
        assert "invalid token" in refusal(signed(), bearer(attempt))


def test_issuer_and_audience_are_settings() -> None:
    """K7: CODEAPI_JWT_ISSUER and CODEAPI_JWT_AUDIENCE name what is expected."""
    credentials = signed(codeapi_jwt_issuer="chat", codeapi_jwt_audience="code")
    assert credentials.identify(bearer(token(iss="chat", aud="code"))).is_verified
    refusal(credentials, bearer(token()))


def test_kid_chooses_the_key(tmp_path: Path) -> None:
    """K7: a token is checked with the key of its kid alone; an unknown or missing kid is refused."""
    for name in ("a", "b"):
        (tmp_path / f"{name}.pem").write_text(public_pem(ed_key(name)))
    credentials = Credentials(settings(codeapi_jwt_public_keys_dir=tmp_path))
    assert credentials.identify(bearer(token(ed_key("a"), kid="a"))).is_verified
    assert "signature" in refusal(credentials, bearer(token(ed_key("a"), kid="b")))
    for kid in ("c", None, "../a", ""):
        assert "kid" in refusal(credentials, bearer(token(ed_key("a"), kid=kid)))


def test_wrong_kid_of_the_one_configured_key() -> None:
    """K7: with a configured kid, a token must name it."""
    for kid in ("k2", None):
        assert "kid" in refusal(signed(), bearer(token(kid=kid)))


def test_key_without_kid_serves_any(tmp_path: Path) -> None:
    """K7: the one key without a kid serves tokens of no or unknown kid, whose signature still has to match."""
    (tmp_path / "a.pem").write_text(public_pem(ed_key("a")))
    credentials = Credentials(
        settings(codeapi_jwt_public_key=public_pem(ed_key()), codeapi_jwt_public_keys_dir=tmp_path)
    )
    for kid in (None, "whatever"):
        assert credentials.identify(bearer(token(kid=kid))).is_verified
    assert "signature" in refusal(credentials, bearer(token(ed_key("a"), kid="whatever")))
    assert "signature" in refusal(credentials, bearer(token(kid="a")))


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "EdDSA", "kid": ["k1"]},
        {"alg": "EdDSA", "kid": None},
        {"alg": ["EdDSA"], "kid": "k1"},
        {"kid": "k1"},
        {"alg": "EdDSA", "kid": "k1", "crit": ["x"]},
        {"alg": "EdDSA", "kid": "k1", "typ": "at+jwt"},
        {"alg": "EdDSA", "kid": "k1", "typ": []},
        {"alg": "EdDSA", "kid": "k1", "b64": False},
        {"alg": "EdDSA", "jwk": json.loads(OKPAlgorithm.to_jwk(ed_key("mallory").public_key())), "kid": "m"},
    ],
)
def test_odd_token_headers(header: dict[str, Any]) -> None:
    """K7: headers of odd types, unknown critical ones, another typ, or a key of their own are a 401."""
    body = ".".join(segment(json.dumps(part).encode()) for part in (header, claims()))
    signer = ed_key("mallory") if "jwk" in header else ed_key()
    assert "invalid token" in refusal(signed(), bearer(f"{body}.{segment(signer.sign(body.encode()))}"))


@pytest.mark.parametrize(
    "broken",
    [
        "..",
        "a.b.c",
        "é.é.é",
        "\ud800.a.b",
        f"{segment(b'[' * 9000)}.e30.e30",
        "x" * 20000 + ".e30.e30",
        "e30.e30.",
    ],
    ids=["empty", "letters", "latin", "surrogate", "deep", "long", "bare"],
)
def test_broken_tokens(broken: str) -> None:
    """K7: a malformed token is a 401, never a crash."""
    assert "invalid token" in refusal(signed(), bearer(broken))


def test_long_token_is_not_even_parsed() -> None:
    """K7: a token over 16 KiB is refused for its length, even if its signature is right."""
    assert "too long" in refusal(signed(), bearer(token(role="x" * 20000)))


def test_characters_no_header_has() -> None:
    """K5: a mapping that holds more than Latin-1 is a 401 too, never a crash."""
    for odd in ("\u20ac", "\ud800"):
        refusal(keyed(), {"x-api-key": odd})
        refusal(keyed(), {"authorization": f"Basic {odd}"})


def test_token_without_a_key_to_check_it() -> None:
    """K7: a service without token keys says so in the 401."""
    assert "CODEAPI_JWT_*" in refusal(keyed(), bearer(token()))


# ---- Keys as operators write them ----


@pytest.mark.parametrize("key", [ed_key(), rsa_key()], ids=["ed25519", "rsa"])
def test_forms_of_a_public_key(key: ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey) -> None:
    """K7: PEM, PEM on one line with \\n, PEM with CRLF, and base64 of PEM are the same key."""
    pem = public_pem(key)
    wrapped = base64.encodebytes(pem.encode()).decode()
    for form in (pem, pem.replace("\n", "\\n"), pem.replace("\n", "\r\n"), wrapped):
        (read,) = read_keys(pem=form, kid="k1")
        assert (read.key, read.kid) == (key.public_key(), "k1")


def jwk(key: Any, **members: Any) -> dict[str, Any]:
    """Write a key as a JWK with more members."""
    algorithm = RSAAlgorithm if isinstance(key, rsa.RSAPublicKey | rsa.RSAPrivateKey) else OKPAlgorithm
    written: dict[str, Any] = json.loads(algorithm.to_jwk(key))
    return {name: value for name, value in (written | members).items() if name != "key_ops"}


def test_jwks() -> None:
    """K7: a JWKS gives Ed25519 and RSA keys by their kids."""
    ours = [
        jwk(ed_key().public_key(), kid="e", use="sig", alg="EdDSA"),
        jwk(rsa_key().public_key(), kid="r", alg="RS256"),
    ]
    credentials = Credentials(settings(codeapi_jwt_jwks_json=json.dumps({"keys": ours})))
    assert credentials.identify(bearer(token(kid="e"))).is_verified
    assert credentials.identify(bearer(token(rsa_key(), "RS256", kid="r"))).is_verified
    assert "algorithm" in refusal(credentials, bearer(token(kid="r")))


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        (jwk(ed_key()), "private key"),
        ({"kty": "oct", "k": "c2VjcmV0"}, "shared secret"),
        ({"kty": "EC", "crv": "P-256"}, "neither"),
        (jwk(ed_key().public_key(), crv="Ed448"), "no key"),
        (jwk(ed_key().public_key(), x="AAAA"), "no key"),
        (jwk(ed_key().public_key(), x=7), "no key"),
        (jwk(ed_key().public_key(), use="enc"), "not meant"),
        (jwk(ed_key().public_key(), alg="RS256"), "not meant"),
        (jwk(ed_key().public_key(), kid=7), "not a key"),
        ({"kty": "RSA", "n": "AQAB", "e": "AQAB"}, ""),
        ("text", "not a key"),
    ],
)
def test_jwks_that_are_refused(members: Any, reason: str) -> None:
    """K7: private, shared, foreign or broken keys stop the start with a line that names the variable."""
    with pytest.raises(SettingsError, match=f"^CODEAPI_JWT_JWKS_JSON: key 1: .*{reason}") as refused:
        read_keys(jwks=json.dumps({"keys": [members]}))
    assert "c2VjcmV0" not in str(refused.value)


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", '{"keys":[]}', '{"keys":{}}', "[" * 100_000])
def test_jwks_that_are_none(text: str) -> None:
    """K7: a document that is no key set is refused; the empty text is unset."""
    if not text:
        assert read_keys(jwks=text) == ()
        return
    with pytest.raises(SettingsError, match=r"^CODEAPI_JWT_JWKS_JSON: not "):
        read_keys(jwks=text)


def test_private_key_by_mistake(tmp_path: Path) -> None:
    """K7: a private key is refused with a clear line that does not repeat it, in every source."""
    pem = private_pem(ed_key())
    (tmp_path / "k1.pem").write_text(pem)
    for source in ({"pem": pem}, {"pem": base64.b64encode(pem.encode()).decode()}, {"directory": tmp_path}):
        with pytest.raises(SettingsError, match=r"^CODEAPI_JWT_PUBLIC_KEY.* private key") as refused:
            read_keys(**source)
        assert pem.splitlines()[1] not in str(refused.value)


def test_weak_and_foreign_keys() -> None:
    """K7: RSA below 2048 bits and other curves are refused."""
    with pytest.raises(SettingsError, match="1024 bits"):
        read_keys(pem=public_pem(rsa_key(1024)))
    with pytest.raises(SettingsError, match="neither an Ed25519 nor an RSA key"):
        read_keys(pem=public_pem(ec.generate_private_key(ec.SECP256R1())))


def test_keys_that_a_token_cannot_tell_apart() -> None:
    """K7: two keys with one kid, or two without, are refused: a token could not choose."""
    two = [jwk(ed_key(name).public_key()) for name in ("a", "b")]
    for kid in ({}, {"kid": "same"}):
        with pytest.raises(SettingsError, match="two keys"):
            read_keys(jwks=json.dumps({"keys": [key | kid for key in two]}))


def test_keys_are_read_once(tmp_path: Path) -> None:
    """K7: the keys are read at the start; what happens to the files later does not matter."""
    (tmp_path / "k1.pem").write_text(public_pem(ed_key()))
    credentials = Credentials(settings(codeapi_jwt_public_keys_dir=tmp_path))
    (tmp_path / "k1.pem").unlink()
    assert credentials.identify(bearer(token())).is_verified


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CODEAPI_JWT_PUBLIC_KEY", "no key\nat all"),
        ("CODEAPI_JWT_PUBLIC_KEY", "bm8ga2V5"),
        ("CODEAPI_JWT_PUBLIC_KEY", "-----BEGIN PUBLIC KEY-----\nbm8ga2V5\n-----END PUBLIC KEY-----"),
        ("CODEAPI_JWT_JWKS_JSON", '{"keys":'),
        ("CODEAPI_JWT_PUBLIC_KEYS_DIR", "nowhere"),
    ],
)
def test_bad_key_is_one_line_that_names_it(name: str, value: str) -> None:
    """K7: a key that cannot be read stops the start, named in one line that does not repeat it."""
    with pytest.raises(SettingsError) as refused:
        Credentials(settings(**{name.lower(): value}))
    line = str(refused.value)
    assert line.startswith(f"{name}: ") and "\n" not in line and "bm8ga2V5" not in line


def test_odd_files_in_the_directory(tmp_path: Path) -> None:
    """K7: only `<kid>.pem` counts; one that is no text is named by its variable."""
    (tmp_path / "README").write_text("no key")
    with pytest.raises(SettingsError, match=r"^CODEAPI_JWT_PUBLIC_KEYS_DIR: no <kid>\.pem"):
        read_keys(directory=tmp_path)
    (tmp_path / "k1.pem").write_bytes(b"\xff")
    with pytest.raises(SettingsError, match=r"^CODEAPI_JWT_PUBLIC_KEYS_DIR: a file in it cannot be read"):
        read_keys(directory=tmp_path)


# ---- ADAPTER_AUTH=none, and the hint ----


def test_none_accepts_requests_without_credential() -> None:
    """K8: with ADAPTER_AUTH=none every caller is accepted; a User-Id is used, wrong keys are ignored."""
    credentials = Credentials(settings(adapter_auth="none"))
    assert credentials.identify({}) == Principal("none")
    assert credentials.identify({"user-id": "u1", "x-api-key": "any"}) == Principal("none", user="u1")
    assert credentials.identify(bearer(token())) == Principal("none")


def test_none_still_verifies_tokens() -> None:
    """K8: with token keys, a presented token is verified and its identity used; an invalid one is refused."""
    credentials = signed(adapter_auth="none")
    assert credentials.identify({}) == Principal("none")
    assert credentials.identify(bearer(token())) == Principal("jwt", "acme", "user-1")
    assert "expired" in refusal(credentials, bearer(token(exp=int(time.time()) - 60)))


def test_none_still_knows_the_key() -> None:
    """K8: with ADAPTER_AUTH=none a right API key counts as one."""
    assert keyed(adapter_auth="none").identify(basic(f"x:{API_KEY}")) == Principal("key")


def test_nothing_configured_admits_nobody() -> None:
    """Section 2: settings without any credential (which no service starts with) refuse every request."""
    for headers in ({}, {"x-api-key": ""}, {"x-api-key": "x"}, bearer(token()), bearer(""), basic(":")):
        refusal(Credentials(settings()), headers)


def test_hint_for_librechat_comes_once(caplog: pytest.LogCaptureFixture) -> None:
    """K8: the first 401 for a LibreChat without credential logs one line with the three ways out."""
    credentials, librechat = keyed(), {"user-agent": "LibreChat/1.0"}
    with caplog.at_level(logging.INFO):
        refusal(credentials, {"user-agent": "curl/8"})
        refusal(credentials, librechat | {"x-api-key": "wrong"})
        assert caplog.messages == []
        for _ in range(3):
            refusal(credentials, librechat)
    (line,) = caplog.messages
    assert all(part in line for part in ("v0.8.6", "LIBRECHAT_CODE_BASEURL", "CODEAPI_JWT_", "ADAPTER_AUTH=none"))
    assert "\n" not in line and API_KEY not in line
