"""Run the emulator from the command line, alone or with the service pointed at it."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from pathlib import Path

import uvicorn

from devtools.daytona_emulator.server import address_of, configure, listen, running
from devtools.daytona_emulator.settings import Settings, names

_PORT = 3986
_STOP_SECONDS = 60


def main() -> int:
    """Serve until a signal to stop."""
    options = _parser().parse_args()
    settings = Settings(**{name: getattr(options, name) for name, _ in names()})
    if not (options.runtime / "bin" / "python3").exists():
        print(
            f"There is no sandbox runtime at {options.runtime}: run `make install`, or give --runtime.", file=sys.stderr
        )
        return 78
    try:
        sock = listen(options.host, options.port)
    except OSError as error:
        print(f"{options.host}:{options.port}: {error.strerror}", file=sys.stderr)
        return 3
    address = address_of(sock)
    for line in (
        f"DAYTONA_API_URL={address}/api",
        f"DAYTONA_API_KEY={settings.api_key}",
        f"log: {address}/__emulator/log",
    ):
        print(line, flush=True)
    if options.with_service:
        with running(settings, options.runtime, sock):
            return _serve_as_well(f"{address}/api", settings.api_key)
    uvicorn.Server(configure(settings, options.runtime)).run([sock])
    return 0


def _serve_as_well(api_url: str, key: str) -> int:
    """Run the service with the emulator as its Daytona; it ends first, for it takes its sandboxes along."""
    env = {**os.environ, "ADAPTER_ENGINE": "daytona", "DAYTONA_API_URL": api_url, "DAYTONA_API_KEY": key}
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with subprocess.Popen([sys.executable, "-m", "app", "serve"], env=env, start_new_session=True) as service:
        try:
            return service.wait()
        except KeyboardInterrupt:
            service.terminate()
            return service.wait(_STOP_SECONDS)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m devtools.daytona_emulator", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=_PORT, help="0 takes a free one")
    parser.add_argument("--runtime", type=Path, default=Path(".sandbox"), help="sandbox runtime of the sandboxes")
    parser.add_argument("--with-service", action="store_true", help="start the service against the emulator, too")
    defaults = Settings()
    for name, kind in names():
        flag, default = f"--{name.replace('_', '-')}", getattr(defaults, name)
        if kind is bool:
            parser.add_argument(flag, dest=name, action=argparse.BooleanOptionalAction, default=default)
        else:
            parser.add_argument(flag, dest=name, type=kind, default=default)
    return parser


if __name__ == "__main__":
    sys.exit(main())
