"""The commands, run as a user runs them."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.contract.live import until
from tests.runtime import RUNTIME
from tests.service import running_service

ROOT = Path(__file__).parents[1]


def command(*arguments: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run ``python -m app`` in a directory of its own, away from the tree's ``.env``."""
    clean = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    return subprocess.run(
        [sys.executable, "-m", "app", *arguments],
        cwd=cwd,
        env={**clean, "PYTHONPATH": str(ROOT), "SANDBOX_RUNTIME": str(RUNTIME), **env},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_exec_runs_a_program_by_the_services_path(tmp_path: Path) -> None:
    """`python -m app exec` prints what the program prints and returns its exit code, without a server or a key."""
    done = command("exec", "print(6*7); import sys; print('oh', file=sys.stderr); sys.exit(3)", cwd=tmp_path)
    assert (done.stdout, done.returncode) == ("42\n", 3)
    assert "oh\n" in done.stderr


def test_exec_takes_files_and_gives_files(tmp_path: Path) -> None:
    """`--file` is in the workspace, `--arg` reaches the program, `--out` receives what it makes."""
    (tmp_path / "data.csv").write_text("a,b\n1,2\n")
    code = (
        "const fs = require('fs'); fs.writeFileSync('out.txt', fs.readFileSync('data.csv', 'utf8') + process.argv[2])"
    )
    done = command("exec", code, "--lang", "js", "--file", "data.csv", "--arg", "end", "--out", "made", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "made" / "out.txt").read_text() == "a,b\n1,2\nend"
    assert "[file] out.txt" in done.stderr


def test_exec_leaves_no_files_behind(tmp_path: Path) -> None:
    """Running one program makes no file store in the directory it was called from."""
    command("exec", "open('x', 'w').write('1')", cwd=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_doctor_finds_this_machine_fit(tmp_path: Path) -> None:
    """The doctor prints a line for each part, runs a real program, and returns 0 where the service can work."""
    done = command("doctor", cwd=tmp_path, FILE_STORE_URL=str(tmp_path / "store"))
    assert done.returncode == 0, done.stdout
    for part in (
        "user namespaces",
        "bubblewrap",
        "seccomp",
        "control groups",
        "sandbox runtime",
        "memory",
        "file store",
    ):
        assert part in done.stdout
    assert "a program computed 42" in done.stdout
    assert "ok    language ts" in done.stdout


def test_doctor_names_what_is_missing_and_the_cure(tmp_path: Path) -> None:
    """Without a sandbox runtime the doctor fails, and prints where it looked and what to run."""
    done = command("doctor", cwd=tmp_path, SANDBOX_RUNTIME="/nowhere", FILE_STORE_URL=str(tmp_path / "store"))
    assert done.returncode == 1
    assert "FAIL  sandbox runtime" in done.stdout
    assert "make install" in done.stdout


@pytest.mark.parametrize("name", ["serve", "doctor"])
def test_a_bad_setting_stops_the_start_with_one_line(name: str, tmp_path: Path) -> None:
    """A bad value ends the command with code 78 and one line that names the variable."""
    done = command(name, cwd=tmp_path, RUN_TIMEOUT_SECONDS="soon")
    said = (done.stderr + done.stdout).strip()
    assert done.returncode == 78
    assert "RUN_TIMEOUT_SECONDS" in said
    assert "\n" not in said


def test_a_machine_that_cannot_isolate_is_refused(tmp_path: Path) -> None:
    """Where the engine cannot start, uvicorn ends with code 78 and the reason, instead of serving."""
    done = subprocess.run(
        [sys.executable, "-m", "uvicorn", "app.main:app", "--port", "0"],
        cwd=tmp_path,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "ADAPTER_API_KEY": "k",
            "SANDBOX_RUNTIME": "/nowhere",
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 78
    assert "The sandbox runtime is not at /nowhere" in done.stderr


def test_the_first_start_makes_a_key_and_keeps_it_private(tmp_path: Path) -> None:
    """With no credential configured a key is added to ``.env``, readable by its owner alone; the rest stays."""
    (tmp_path / ".env").write_text("PORT=8123\nADAPTER_API_KEY=\n")
    code = "from librechat_code_interpreter.cli.key import ensure_key; print(ensure_key(), ensure_key())"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "True False\n"
    first, second = (tmp_path / ".env").read_text().splitlines()
    assert first == "PORT=8123"
    assert second.startswith("ADAPTER_API_KEY=") and len(second) > 40
    assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600


def test_welcome_says_what_librechat_needs() -> None:
    """The lines to paste contain the key once for releases before v0.8.6 and once in the address for later ones."""
    from librechat_code_interpreter.cli.serve import welcome
    from librechat_code_interpreter.settings import Settings

    text = welcome(Settings(adapter_api_key="the-key", host="127.0.0.1", port=8000), key_was_made=True)
    assert "LIBRECHAT_CODE_BASEURL=http://localhost:8000/v1\n  LIBRECHAT_CODE_API_KEY=the-key" in text
    assert "LIBRECHAT_CODE_BASEURL=http://x:the-key@localhost:8000/v1" in text


def test_a_health_check_asks_the_service_that_runs_here(tmp_path: Path) -> None:
    """`doctor --quick` gives 0 while the service on HOST and PORT is ready, and 1, saying why, when none answers."""
    with running_service(tmp_path) as service:
        port = service.host.rpartition(":")[2]
        ready = command("doctor", "--quick", cwd=tmp_path, HOST="0.0.0.0", PORT=port)
    gone = command("doctor", "--quick", cwd=tmp_path, HOST="0.0.0.0", PORT=port)
    assert (ready.returncode, ready.stdout) == (0, "ok    service            ready\n")
    assert gone.returncode == 1
    assert f"127.0.0.1:{port} does not answer" in gone.stdout


def test_a_health_check_imports_no_framework_and_no_engine(tmp_path: Path) -> None:
    """`doctor --quick` runs twice a minute for ever: it needs neither FastAPI, uvicorn, an engine nor a store."""
    program = (
        "import sys; from librechat_code_interpreter.__main__ import main;"
        "main(['doctor', '--quick']); print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PORT": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    loaded = set(done.stdout.split())
    assert "librechat_code_interpreter.cli.doctor" in loaded, done.stderr
    assert (
        loaded
        & {
            "fastapi",
            "uvicorn",
            "obstore",
            "librechat_code_interpreter.wiring",
            "librechat_code_interpreter.core.run_service",
        }
        == set()
    )


def test_no_key_is_made_where_it_could_not_be_kept(tmp_path: Path) -> None:
    """Where `.env` cannot be written, `serve` without a credential ends with code 78 and names the setting."""
    (tmp_path / ".env.new").mkdir()  # what stands in the way of root too
    done = command("serve", cwd=tmp_path)
    assert done.returncode == 78
    assert "ADAPTER_API_KEY: not set" in done.stderr


def test_a_key_of_the_settings_is_not_written_into_a_log(tmp_path: Path) -> None:
    """`serve` prints a configured key on a terminal only, since a container's output is kept in logs."""
    log = tmp_path / "log"
    with log.open("wb") as stream, subprocess.Popen(
        [sys.executable, "-m", "app", "serve"], cwd=tmp_path, stdout=stream, stderr=stream,
        env={
            "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "SANDBOX_RUNTIME": str(RUNTIME),
            "ADAPTER_API_KEY": "a-key-of-the-settings", "PORT": "0",
        },
    ) as process:  # fmt: skip
        until(lambda: "Uvicorn running" in log.read_text() or process.poll() is not None)
        process.terminate()
    assert "Uvicorn running" in log.read_text()
    assert "a-key-of-the-settings" not in log.read_text()
