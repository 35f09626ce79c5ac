"""Preparation of a sandbox in one exec: directories, the runner, and the check of its Python version.

``PROGRAM`` runs inside the sandbox with whatever Python is there, so its syntax also suits old versions.
"""

from __future__ import annotations

import base64
import json

from librechat_code_interpreter.engines.daytona import archive

HOME = "/tmp/.librechat-code"
BAKED = "/opt/librechat-code"
WORKSPACE = "/mnt/data"
ALIAS = "/workspace"

PROGRAM = '''
import base64, io, json, os, subprocess, sys, zipfile
order = json.load(sys.stdin)

def say(**answer):
    print("\\n#ready " + order["nonce"] + " " + json.dumps(answer) + " #\\n", flush=True)
    sys.exit(0)

def as_root(*command):
    return subprocess.call(("sudo", "-n") + command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL) == 0

def make(path):
    try:
        os.makedirs(path)
    except FileExistsError:
        pass
    except OSError:
        as_root("mkdir", "-p", path)
    if not os.access(path, os.W_OK | os.X_OK):
        as_root("chown", str(os.getuid()), path)
    return os.access(path, os.W_OK | os.X_OK)

def link(target, path):
    try:
        parent = os.path.dirname(path)
        if not os.path.isdir(parent):
            os.makedirs(parent)
        os.symlink(target, path)
    except OSError:
        as_root("mkdir", "-p", os.path.dirname(path)) and as_root("ln", "-sT", target, path)
    return os.path.isdir(path) and os.path.samefile(path, target)

def install(path, packed):
    """Keep the modules compiled: that saves a third of the runner's start."""
    from importlib._bootstrap_external import _code_to_hash_pyc
    fresh = path + "." + str(os.getpid())
    with zipfile.ZipFile(io.BytesIO(packed)) as source, zipfile.ZipFile(fresh, "w") as target:
        for name in source.namelist():
            code = compile(source.read(name), name, "exec", dont_inherit=True)
            target.writestr(name + "c", bytes(_code_to_hash_pyc(code, bytes(8), False)))
    os.rename(fresh, path)

if sys.version_info < tuple(order["python"]):
    say(error="its python3 is %d.%d, too old" % sys.version_info[:2])
workspace, alias = order["workspace"], order["alias"]
if os.path.isdir(alias) and not os.path.exists(workspace):
    workspace, alias = alias, workspace
if not make(workspace):
    say(error="%s cannot be made or written to" % workspace)
if not (os.path.isdir(alias) and os.path.samefile(workspace, alias)):
    if os.path.isdir(alias) and not os.path.islink(alias) and not os.listdir(alias):
        try:
            os.rmdir(alias)
        except OSError:
            as_root("rmdir", alias)
    if not link(workspace, alias):
        say(error="%s cannot be made a name of %s" % (alias, workspace))
os.makedirs(order["home"], 0o700, exist_ok=True)
if not os.path.exists(order["path"]):
    install(order["path"], base64.b64decode(order["runner"]))
say(path=order["path"])
'''


def runner_path(*, is_baked: bool) -> str:
    """Return the runner's path in a sandbox."""
    return f"{BAKED if is_baked else HOME}/{archive.runner_name()}"


def command(nonce: str) -> str:
    """Build the shell command that prepares a sandbox; it may be repeated."""
    order = {
        "nonce": nonce,
        "python": archive.NEEDS_PYTHON,
        "workspace": WORKSPACE,
        "alias": ALIAS,
        "home": HOME,
        "path": runner_path(is_baked=False),
        "runner": base64.b64encode(archive.runner()).decode("ascii"),
    }
    program = base64.b64encode(PROGRAM.encode()).decode("ascii")
    start = f"import base64; exec(base64.b64decode('{program}'))"
    return f"python3 -c \"{start}\" <<'{nonce}'\n{json.dumps(order)}\n{nonce}\n"


def error_in(output: str, nonce: str) -> str | None:
    """Return why a sandbox could not be prepared, or ``None``. Raises ``ValueError`` when there is no answer."""
    _, found, rest = output.partition(f"#ready {nonce} ")
    if not found:
        raise ValueError("no answer")
    error: str | None = json.loads(rest.partition(" #")[0]).get("error")
    return error
