"""``exec``: runs one program through the same code path as the service, without the server."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from librechat_code_interpreter.core.errors import ServiceError
from librechat_code_interpreter.core.files import UploadPurpose
from librechat_code_interpreter.core.languages import find_language
from librechat_code_interpreter.core.principal import Principal
from librechat_code_interpreter.core.protocols import EngineUnfit
from librechat_code_interpreter.core.run_result import RunResult
from librechat_code_interpreter.core.run_service import RunRequest
from librechat_code_interpreter.main import EX_CONFIG
from librechat_code_interpreter.settings import Settings, SettingsError, load_settings
from librechat_code_interpreter.wiring import Parts, assemble

_CALLER = Principal("none")
_CHUNK = 1 << 20


def add_to(commands: Any) -> None:
    """Add ``exec`` to the command line."""
    parser = commands.add_parser("exec", help="run one program in a sandbox and print its output")
    parser.add_argument("code", help="the program, or - to read it from standard input")
    parser.add_argument("--lang", default="py", help="its language (default: py)")
    parser.add_argument(
        "--file", action="append", default=[], type=Path, help="a file to place in the workspace; may be repeated"
    )
    parser.add_argument("--arg", action="append", default=[], help="an argument of the program; may be repeated")
    parser.add_argument("--timeout", type=float, help="time limit in seconds")
    parser.add_argument(
        "--out", type=Path, help="directory for the files that the program makes (default: only list them)"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the program; return its exit code, or 1 if there is none."""
    language = find_language(arguments.lang)
    if language is None:
        print(f"--lang: {arguments.lang} is not a supported language", file=sys.stderr)
        return 2
    code = sys.stdin.read() if arguments.code == "-" else arguments.code
    order = RunRequest(_CALLER, language, code, arguments.arg, timeout_seconds=arguments.timeout)
    try:
        # files stay in memory here, so nothing is left behind
        settings = load_settings(serving=False).model_copy(
            update={"file_store_url": "memory:///", "sandbox_standby": 0}
        )
        return asyncio.run(_run(settings, order, arguments.file, arguments.out))
    except (SettingsError, EngineUnfit) as error:
        print(error, file=sys.stderr)
        return EX_CONFIG
    except (ServiceError, OSError) as error:
        print(error, file=sys.stderr)
        return 1


async def _run(settings: Settings, order: RunRequest, files: list[Path], out: Path | None) -> int:
    parts = assemble(settings)
    await parts.engine.open()
    try:
        session_id = await _upload(parts, files) if files else None
        result = await parts.runs.run_to_end(replace(order, session_id=session_id))
        await _show(parts, result, out)
    finally:
        await parts.engine.close()
        await parts.leases.close()
    return 1 if result.reply.code is None else result.reply.code


async def _upload(parts: Parts, files: list[Path]) -> str:
    upload = await parts.files.begin(_CALLER, None)
    for path in files:
        await upload.add(path.name, None, _read(path))
    await upload.commit(UploadPurpose(), _CALLER)
    return upload.record.id


async def _read(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            yield chunk


async def _show(parts: Parts, result: RunResult, out: Path | None) -> None:
    sys.stdout.write(result.reply.stdout)
    sys.stdout.flush()
    sys.stderr.write(result.reply.stderr)
    for output in result.delivery.outputs:
        print(f"[file] {output.file.path} ({output.file.size} bytes)", file=sys.stderr)
        if out is not None:
            target = out / output.file.path
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("wb") as stream:
                async for chunk in parts.files.read(result.session_id, output.file.id):
                    stream.write(chunk)
