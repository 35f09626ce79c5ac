"""Promises of `settings`: the seed's names, one line for a bad value, no secret in any text."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from librechat_code_interpreter.settings import Settings, SettingsError, load_settings
from librechat_code_interpreter.units import GiB, MiB, human_bytes, parse_bytes


def _tool() -> Any:
    """Load `tools/settings_docs.py`, which is a script and no package."""
    path = Path(__file__).parent.parent / "tools" / "settings_docs.py"
    spec = importlib.util.spec_from_file_location("settings_docs", path)
    assert spec and spec.loader
    module = sys.modules["settings_docs"] = importlib.util.module_from_spec(spec)  # dataclasses look there
    spec.loader.exec_module(module)
    return module


settings_docs = _tool()
SECRET = "s3cr3t-value-nobody-may-see"
NONE_OPT_IN = "SANDBOX_ALLOW_RUNNING_STRANGERS_CODE_WITHOUT_ISOLATION"


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Start each test in an empty directory, without any setting in the environment."""
    names = {name.upper() for name in Settings.model_fields}
    for name in [name for name in os.environ if name.upper() in names]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def load(monkeypatch: pytest.MonkeyPatch, **environment: str) -> Settings:
    """Load the settings of a service with these variables, and an API key unless they bring one."""
    for name, value in ({"ADAPTER_API_KEY": SECRET} | environment).items():
        monkeypatch.setenv(name, value)
    return load_settings()


def complaint(monkeypatch: pytest.MonkeyPatch, **environment: str) -> str:
    """Return the one-line error for these variables."""
    with pytest.raises(SettingsError) as refusal:
        load(monkeypatch, **environment)
    shown = refusal.value.__context__ is not None and not refusal.value.__suppress_context__
    assert refusal.value.__cause__ is None and not shown  # a traceback would quote the values of the ValidationError
    return str(refusal.value)


def test_generated_docs_equal_the_class() -> None:
    """`.env.example` and `docs/settings.md` match the class; else run the tool with --write."""
    assert settings_docs.stale() == []


def test_check_runs_as_a_script() -> None:
    """`python tools/settings_docs.py --check` works from any directory, without an installed package."""
    tool = settings_docs.ROOT / "tools" / "settings_docs.py"
    done = subprocess.run([sys.executable, str(tool), "--check"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_check_sees_a_difference_and_write_mends_it(tmp_path: Path) -> None:
    """A missing or edited file is stale until it is written."""
    assert settings_docs.stale(tmp_path) == [".env.example", "docs/settings.md"]
    settings_docs.stale(tmp_path, write=True)
    assert settings_docs.stale(tmp_path) == []
    (tmp_path / ".env.example").write_text("PORT=1\n")
    assert settings_docs.stale(tmp_path) == [".env.example"]


def test_every_setting_is_documented_once() -> None:
    """Each setting has a section, a meaning and exactly one line in both generated texts."""
    for entry in settings_docs.entries():
        assert entry.section and entry.meaning.endswith(".")
        assert settings_docs.settings_page().count(f"\n| `{entry.name}` |") == 1
        assert settings_docs.env_example().count(f"\n#{entry.name}=") == 1


def test_units_are_in_the_names() -> None:
    """A setting in bytes or seconds says so in its name (design, house style)."""
    for entry in settings_docs.entries():
        assert entry.name.endswith("_BYTES") == (entry.unit == "bytes"), entry.name
        assert entry.name.endswith("_SECONDS") == (entry.unit == "seconds"), entry.name


def test_env_example_starts_with_the_seed_and_loads(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The seed's seven names come first; the file with its # taken away is a valid, all-default `.env`."""
    text = settings_docs.env_example()
    names = [line[1:].partition("=")[0] for line in text.splitlines() if line.startswith("#") and line[1:2].isupper()]
    assert tuple(names[:7]) == settings_docs.SEED
    (bare / ".env").write_text("\n".join(line[1:] if line[1:2].isupper() else line for line in text.splitlines()))
    assert load(monkeypatch).model_dump(exclude={"adapter_api_key"}) == Settings().model_dump(
        exclude={"adapter_api_key"}
    )


def test_defaults_of_the_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The seed's README promises these defaults."""
    settings = load(monkeypatch)
    assert (settings.session_ttl_seconds, settings.upload_max_bytes, settings.cleanup_interval_seconds) == (
        1800,
        20971520,
        60,
    )
    assert (settings.daytona_api_key, settings.daytona_api_url, settings.redis_url) == (None, None, None)


def test_defaults_keep_the_contract(monkeypatch: pytest.MonkeyPatch) -> None:
    """K12 24 h, K17 bound, K21 100 MiB and 50 files, K23 over 10 MiB, K24 bodies over 20 MiB."""
    settings = load(monkeypatch)
    assert settings.file_ttl_seconds >= 86400
    assert settings.session_language_policy == "bound"
    assert (settings.artifact_max_bytes, settings.artifact_max_files) == (100 * MiB, 50)
    assert settings.stdout_max_bytes > 10 * MiB
    assert settings.queue_timeout_seconds <= 10
    assert settings.request_body_max_bytes > 20 * MiB
    assert settings.concurrent_runs >= 2


@pytest.mark.parametrize(
    ("hosts", "index", "is_good"),
    [
        ("pypi.org, files.pythonhosted.org", "https://pypi.org/simple", True),
        ("packages.example:8443", "https://packages.example:8443/simple", True),
        ("packages.example:443", "https://user:word@packages.example/simple", True),
        ("packages.example", "https://packages.example:8443/simple", False),
        ("files.pythonhosted.org", "https://pypi.org/simple", False),
        ("pypi.org", "http://pypi.org/simple", False),
    ],
)
def test_programs_can_reach_their_package_index(
    monkeypatch: pytest.MonkeyPatch, hosts: str, index: str, is_good: bool
) -> None:
    """An index that the proxy would refuse is an error at the start, not in pip in a program."""
    values = {"SANDBOX_EGRESS_HOSTS": hosts, "PIP_INDEX_URL": index}
    if is_good:
        assert load(monkeypatch, **values).pip_index_url == index
    else:
        with pytest.raises(SettingsError, match="PIP_INDEX_URL"):
            load(monkeypatch, **values)


def test_the_builders_own_index_is_nobodys_business(monkeypatch: pytest.MonkeyPatch) -> None:
    """`PIP_INDEX_URL` is in many environments for other reasons; without hosts it has no effect here."""
    assert load(monkeypatch, PIP_INDEX_URL="http://mirror/simple").egress_hosts == ()


def test_more_programs_wait_for_daytona_than_there_are_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice the cores used to be the limit on Daytona too, where a run takes no local core."""
    assert load(monkeypatch, DAYTONA_API_KEY="key").concurrent_runs == 64
    assert load(monkeypatch, DAYTONA_API_KEY="key", MAX_CONCURRENT_RUNS="3").concurrent_runs == 3


def test_environment_wins_over_env_file(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`.env` is read, the environment wins, an empty or blank value is unset, unknown names are ignored."""
    (bare / ".env").write_text("\ufeffPORT=9001\nMAX_SANDBOXES=7\nSESSION_TTL_SECONDS=\nDAYTONA_API_KEY=\nWHAT=1\n")
    settings = load(monkeypatch, PORT="9002", REDIS_URL="", HOST="  ", FILE_STORE_URL=" s3://files ")
    assert (settings.port, settings.max_sandboxes, settings.session_ttl_seconds) == (9002, 7, 1800)
    assert (settings.redis_url, settings.host, settings.file_store_url) == (None, "127.0.0.1", "s3://files")
    assert settings.engine == "local"


def test_engine_follows_the_daytona_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """`auto` is daytona when its key is set, else local; an explicit engine stays."""
    assert load(monkeypatch, DAYTONA_API_KEY=SECRET).engine == "daytona"
    assert load(monkeypatch, DAYTONA_API_KEY=SECRET, ADAPTER_ENGINE="Local").engine == "local"


def test_preload_is_a_list_or_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """`SANDBOX_PRELOAD` names modules with commas; `none` loads nothing."""
    assert load(monkeypatch).preload == ("numpy", "pandas", "matplotlib.pyplot")
    assert load(monkeypatch, SANDBOX_PRELOAD="json , csv").preload == ("json", "csv")
    assert load(monkeypatch, SANDBOX_PRELOAD="none").preload == ()


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("20971520", 20 * MiB),
        ("20MiB", 20 * MiB),
        ("1.5 gib", 3 * GiB // 2),
        ("20MB", 20_000_000),
        (" 7 B ", 7),
    ],
)
def test_sizes_in_human_form(monkeypatch: pytest.MonkeyPatch, text: str, size: int) -> None:
    """Sizes are bytes or a number with its unit, binary or decimal."""
    assert load(monkeypatch, UPLOAD_MAX_BYTES=text).upload_max_bytes == parse_bytes(text) == size


@pytest.mark.parametrize("text", ["20M", "20,000", "1-2", "20 MiB more", "-1", "٣", "1e6", "MiB"])
def test_sizes_that_are_none(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """An ambiguous or empty size is refused."""
    assert complaint(monkeypatch, UPLOAD_MAX_BYTES=text).startswith("UPLOAD_MAX_BYTES: not a size")


def test_human_bytes() -> None:
    """Sizes are shown in the largest unit that keeps them exact."""
    assert [human_bytes(size) for size in (20 * MiB, GiB, 1000, 0)] == [
        "20 MiB",
        "1 GiB",
        "1000 bytes",
        "0 bytes",
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "eighty"),
        ("PORT", "65536"),
        ("LOG_LEVEL", "loud"),
        ("DRAIN_SECONDS", "-1"),
        ("ADAPTER_AUTH", "off"),
        ("ADAPTER_ENGINE", "docker"),
        ("DAYTONA_API_URL", "app.daytona"),
        ("REDIS_URL", "http://redis:6379"),
        ("SESSION_LANGUAGE_POLICY", "free"),
        ("FILE_STORE_URL", "ftp://files"),
        ("FILE_TTL_SECONDS", "86399"),
        ("RUN_TIMEOUT_SECONDS", "301"),
        ("STDOUT_MAX_BYTES", "10MiB"),
        ("SANDBOX_UID", "0"),
        ("SANDBOX_PRELOAD", "os; import sys"),
        ("SANDBOX_MIN_ISOLATION", "some"),
        (NONE_OPT_IN, "perhaps"),
    ],
)
def test_bad_value_is_one_line_that_names_it(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """A bad value stops the start with one line that begins with its variable."""
    line = complaint(monkeypatch, **{name: value})
    assert line.startswith(f"{name}: ")
    assert "\n" not in line and "Traceback" not in line


def test_all_bad_values_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two bad values are two errors in the one line."""
    line = complaint(monkeypatch, PORT="eighty", LOG_LEVEL="loud")
    assert "PORT: " in line and "; LOG_LEVEL: " in line and "\n" not in line


@pytest.mark.parametrize("name", ["ADAPTER_API_KEY", "DAYTONA_API_KEY", "REDIS_URL", "DAYTONA_API_URL"])
def test_refusals_never_show_the_value(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A value in the wrong place may be a secret: no error quotes it."""
    assert SECRET not in complaint(monkeypatch, **{"PORT": SECRET, "UPLOAD_MAX_BYTES": SECRET, name: SECRET})


def test_secrets_are_in_no_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """repr and str show neither keys nor URLs that may carry a password."""
    url = f"redis://:{SECRET}@redis:6379"
    settings = load(monkeypatch, DAYTONA_API_KEY=SECRET, REDIS_URL=url, FILE_STORE_URL=f"s3://a:{SECRET}@files")
    assert SECRET not in repr(settings) + str(settings)
    monkeypatch.setenv("PORT", SECRET)
    with pytest.raises(ValueError, match="port") as refusal:
        Settings()
    assert SECRET not in str(refusal.value)


def test_no_credential_no_service(monkeypatch: pytest.MonkeyPatch) -> None:
    """Section 2 of the contract: without a credential no service starts; the command line does."""
    line = complaint(monkeypatch, ADAPTER_API_KEY="")
    assert line.startswith("ADAPTER_API_KEY: ") and "ADAPTER_AUTH=none" in line and "\n" not in line
    assert load_settings(serving=False).has_credential is False
    assert load(monkeypatch, ADAPTER_API_KEY=" ", ADAPTER_AUTH="none").adapter_auth == "none"


def test_daytona_needs_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """`ADAPTER_ENGINE=daytona` without a key is refused at the start, not at the first run."""
    assert complaint(monkeypatch, ADAPTER_ENGINE="daytona").startswith("DAYTONA_API_KEY: ")


def test_file_ttl_may_be_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """K12: 0 keeps files for ever; the least other value is a day."""
    assert load(monkeypatch, FILE_TTL_SECONDS="0").file_ttl_seconds == 0
    assert load(monkeypatch, FILE_TTL_SECONDS="86400").file_ttl_seconds == 86400


def test_no_isolation_needs_the_long_opt_in_and_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Running hostile code without isolation takes two settings and a loopback address."""
    assert NONE_OPT_IN in complaint(monkeypatch, SANDBOX_MIN_ISOLATION="none")
    monkeypatch.setenv(NONE_OPT_IN, "true")
    for host in ("0.0.0.0", "::", "10.1.2.3", "example.org"):
        assert complaint(monkeypatch, HOST=host).startswith("HOST: ")
    for host in ("127.0.0.1", "::1", "localhost"):
        assert load(monkeypatch, HOST=host).sandbox_min_isolation == "none"


def test_unreadable_env_file_is_one_line(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A `.env` that is no text is named, without a traceback and without its content."""
    (bare / ".env").write_bytes(b"PORT=\xff\xfe\n")
    assert complaint(monkeypatch) == ".env: cannot be read (UnicodeDecodeError)"
