"""Programs with an egress allowlist reach its hosts, by CONNECT alone, and nothing else."""

from __future__ import annotations

import asyncio
import hashlib
import io
import ssl
import zipfile
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
import pytest_asyncio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from librechat_code_interpreter.core.protocols import Staged
from librechat_code_interpreter.engines.local.engine import LocalEngine
from librechat_code_interpreter.engines.local.sandbox import LocalSandbox
from librechat_code_interpreter.runner.endings import Ending
from tests.engine.asking import bash, output, python
from tests.engine.conftest import SETTINGS

pytestmark = pytest.mark.asyncio(loop_scope="module")

PACKAGE = "pleasant"
HOST = "127.0.0.2"
"""Of the loopback too, but not the address that programs reach without a proxy."""


@dataclass(frozen=True, slots=True)
class Index:
    """A package index of one package, on HTTPS of the host's loopback."""

    port: int
    certificate: bytes
    asked: list[str]


def make_certificate(directory: Path) -> bytes:
    """Create a self-signed certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(HOST))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    text = certificate.public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (directory / "both.pem").write_bytes(secret + text)
    return text


def make_wheel() -> bytes:
    """Write the smallest wheel there is."""
    content = {
        f"{PACKAGE}.py": b"greeting = 'good morning'\n",
        f"{PACKAGE}-1.0.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {PACKAGE}\nVersion: 1.0\n".encode(),
        f"{PACKAGE}-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{PACKAGE}-1.0.dist-info/RECORD": b"",
    }
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return file.getvalue()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def index(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Index]:
    """Serve the index."""
    directory = tmp_path_factory.mktemp("index")
    certificate, wheel = make_certificate(directory), make_wheel()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(directory / "both.pem")
    name, asked = f"{PACKAGE}-1.0-py3-none-any.whl", list[str]()
    page = f'<a href="/{name}#sha256={hashlib.sha256(wheel).hexdigest()}">{name}</a>'.encode()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        path = head.split()[1].decode()
        asked.append(path)
        kind, body = ("application/octet-stream", wheel) if path.endswith(".whl") else ("text/html", page)
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n".encode())
        writer.write(b"Connection: close\r\n\r\n" + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, HOST, 0, ssl=context)
    async with server:
        yield Index(server.sockets[0].getsockname()[1], certificate, asked)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine(index: Index) -> AsyncIterator[LocalEngine]:
    """An engine whose programs may reach the index and nothing else."""
    host = f"{HOST}:{index.port}"
    engine = LocalEngine(
        SETTINGS.model_copy(update={"sandbox_egress_hosts": host, "pip_index_url": f"https://{host}/simple"})
    )
    await engine.open()
    yield engine
    await engine.close()


@pytest_asyncio.fixture(loop_scope="module")
async def sandbox(engine: LocalEngine, index: Index) -> AsyncIterator[LocalSandbox]:
    """A sandbox that holds the index's certificate."""

    async def certificate() -> AsyncIterator[bytes]:
        yield index.certificate

    sandbox = await engine.create()
    await sandbox.put([Staged("ca.pem", len(index.certificate), certificate)])
    yield sandbox
    await engine.destroy(sandbox.id)


async def test_pip_installs_from_the_index_that_is_allowed(sandbox: LocalSandbox, index: Index) -> None:
    """One program installs a package and imports it; a later one in the session has it, and none of it is delivered."""
    source = f"""
import subprocess, sys
done = subprocess.run(
    [sys.executable, "-m", "pip", "install", "--quiet", "--cert", "ca.pem", "{PACKAGE}"], capture_output=True, text=True
)
print(done.returncode, done.stderr)
import {PACKAGE}
print({PACKAGE}.greeting)
"""
    reply = await sandbox.exchange(python(source))
    assert (reply.stdout, reply.stderr, reply.changed) == ("0 \ngood morning\n", "", [])
    assert await output(sandbox, bash(f"python3 -c 'import {PACKAGE}; print({PACKAGE}.greeting)'")) == "good morning\n"
    assert any(path.endswith(".whl") for path in index.asked)


ASK = """
import socket
with socket.create_connection(("127.0.0.1", 3128)) as proxy:
    proxy.sendall({request!r})
    print(proxy.makefile("rb").readline().decode().strip())
"""


@pytest.mark.parametrize(
    ("request_of", "answer"),
    [
        (lambda port: f"CONNECT {HOST}:{port} HTTP/1.1\r\n\r\n", "HTTP/1.1 200 Connection established"),
        (lambda port: f"CONNECT {HOST}:{port + 1} HTTP/1.1\r\n\r\n", "HTTP/1.1 403 Forbidden"),
        (lambda port: f"CONNECT localhost:{port} HTTP/1.1\r\n\r\n", "HTTP/1.1 403 Forbidden"),
        (lambda port: f"CONNECT 127.2:{port} HTTP/1.1\r\n\r\n", "HTTP/1.1 403 Forbidden"),
        (lambda port: f"CONNECT [::1]:{port} HTTP/1.1\r\n\r\n", "HTTP/1.1 405 Method Not Allowed"),
        (lambda port: f"GET http://{HOST}:{port}/ HTTP/1.1\r\n\r\n", "HTTP/1.1 405 Method Not Allowed"),
        (lambda port: f"CONNECT user@{HOST}:{port} HTTP/1.1\r\n\r\n", "HTTP/1.1 405 Method Not Allowed"),
        (lambda _: "x" * 20_000 + "\r\n\r\n", ""),
        (lambda _: "\r\n\r\n", "HTTP/1.1 405 Method Not Allowed"),
    ],
    ids=["allowed", "other-port", "other-name", "short-form", "ipv6", "get", "userinfo", "endless", "nothing"],
)
async def test_what_the_proxy_is_asked(
    sandbox: LocalSandbox, index: Index, request_of: Callable[[int], str], answer: str
) -> None:
    """Only CONNECT to a host and port on the allowlist, letter for letter; all else is refused."""
    source = ASK.format(request=request_of(index.port).encode())
    assert (await sandbox.exchange(python(source))).stdout.strip() == answer


async def test_there_is_no_other_way_out(sandbox: LocalSandbox, index: Index) -> None:
    """Apart from the proxy there is no network, also towards the allowed host."""
    source = f"""
import errno, socket
for address in (("{HOST}", {index.port}), ("192.0.2.1", 443), ("10.0.0.1", 53)):
    try:
        socket.create_connection(address, timeout=5)
        print("out")
    except OSError as error:
        print(errno.errorcode.get(error.errno, error))
"""
    assert (await sandbox.exchange(python(source))).stdout.split() == ["ECONNREFUSED", "ENETUNREACH", "ENETUNREACH"]


async def test_connections_of_a_program_are_counted(sandbox: LocalSandbox, index: Index) -> None:
    """The seventeenth concurrent connection is refused; the others stay, and end with the program."""
    source = f"""
import socket
held = []
for _ in range(17):
    held.append(socket.create_connection(("127.0.0.1", 3128)))
    held[-1].sendall(b"CONNECT {HOST}:{index.port} HTTP/1.1\\r\\n\\r\\n")
    print(held[-1].recv(12).decode()[9:])
"""
    reply = await sandbox.exchange(python(source))
    assert reply.stdout.split() == ["200"] * 16 + ["429"]
    assert (await sandbox.exchange(python(ASK.format(request=b"\r\n\r\n")))).ending is Ending.OK


async def test_the_operator_is_reminded(engine: LocalEngine, index: Index) -> None:
    """Readiness lists the hosts that programs can reach."""
    assert any(f"{HOST}:{index.port}" in warning for warning in engine.warnings)
