"""Every setting of the service: its name, default, unit and meaning. Those of the engines are inherited.

The environment variable of a field is its name in upper case. ``.env`` is read too; the environment has priority.
``docs/settings.md`` and ``.env.example`` are generated from here (``python tools/settings_docs.py --write``). Contract
K7 is the source of the JWT names.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from librechat_code_interpreter import capacity
from librechat_code_interpreter.engines.daytona.config import DaytonaSettings
from librechat_code_interpreter.engines.local.config import LocalSettings
from librechat_code_interpreter.setting_fields import Bytes, Word, section
from librechat_code_interpreter.units import KiB, MiB

DAY_SECONDS = 86400
LIBRECHAT_RUNS = 40  # K42: within 30 seconds

_RUNS_ON_DAYTONA = 64
"""Equal to the default of ``MAX_SANDBOXES``; one replica could run a hundred and more (docs/scaling.md)."""


LEAST_STDOUT_BYTES = 10 * MiB + 1
"""One byte more than the file size that LibreChat's edit_file accepts (its ``MAX_AUTHORING_BYTES``)."""

_RUNS_FOR_A_LIMIT = 4
"""Programs for the memory of one program's limit: most need far less, and none starts when memory is short."""


def _computing_runs() -> int:
    return 2 * capacity.processors()


WAIT_SECONDS = 600
"""Time a paused program waits for tools (K32), in which Daytona sees no activity in its sandbox."""


class SettingsError(Exception):
    """Invalid settings: one line with the variable and its fault, never its value."""


_service = section("Service")
_caller = section("Authentication")
_engine = section("Engine")
_session = section("Sessions")
_file = section("Files")
_request = section("Requests")
_run = section("Runs")
_watch = section("Observability")


class Settings(LocalSettings, DaytonaSettings, BaseSettings):
    """Settings from the environment and ``.env``; unknown names are ignored, an empty value counts as unset."""

    model_config = SettingsConfigDict(
        env_file_encoding="utf-8-sig",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    host: str = _service("127.0.0.1", "Address that `python -m app` listens on.")
    port: int = _service(8000, "Port that `python -m app` listens on.", ge=0, le=65535)
    log_level: Annotated[Literal["debug", "info", "warning", "error", "critical"], Word] = _service(
        "info", "Lowest severity that is logged."
    )
    log_format: Annotated[Literal["readable", "json"], Word] = _service(
        "readable", "`readable` lines, or `json` for machines; both name request, session and run."
    )
    log_access: bool = _service(
        False,
        "Log every request with its path; runs have their audit line anyway. Paths hold ids of sessions and files.",
    )
    drain_seconds: int = _service(20, "Time that a stopping service waits for current requests.", "seconds", ge=0)

    adapter_api_key: SecretStr | None = _caller(
        None,
        "The key that callers send as `X-API-Key`, as `Authorization: Bearer` (K5), or as user or password of"
        " HTTP Basic, as in `LIBRECHAT_CODE_BASEURL=http://x:KEY@host:8000/v1` (K6). `make run` makes one.",
    )
    adapter_auth: Annotated[Literal["auto", "none"], Word] = _caller(
        "auto",
        "`auto`: any configured credential; without one the service does not start."
        " `none`: requests without a credential are accepted too, for a closed network (K8).",
    )
    codeapi_jwt_public_key: str | None = _caller(
        None,
        "Public key of LibreChat's tokens (K7), Ed25519 or RSA: PEM, PEM with `\\n` for newlines, or base64 of PEM.",
        repr=False,
    )
    codeapi_jwt_kid: str | None = _caller(
        None, "Key id of `CODEAPI_JWT_PUBLIC_KEY`; unset, the key verifies tokens whose `kid` no other key has."
    )
    codeapi_jwt_jwks_json: str | None = _caller(None, "A JWKS document with more public keys.", repr=False)
    codeapi_jwt_public_keys_dir: Path | None = _caller(None, "Directory of `<kid>.pem` files, one public key each.")
    codeapi_jwt_issuer: str = _caller("librechat", "The `iss` that tokens must have.")
    codeapi_jwt_audience: str = _caller("codeapi", "The `aud` that tokens must have, alone or in a list.")

    adapter_engine: Annotated[Literal["auto", "local", "daytona"], Word] = _engine(
        "auto", "Where programs run; `auto` is `daytona` when `DAYTONA_API_KEY` is set, else `local`."
    )

    redis_url: str | None = _session(
        None,
        "Redis for the leases of several replicas, as in `redis://redis:6379/0`; unset, leases are in memory.",
        pattern=r"^(rediss?|unix)://\S+$",
        repr=False,
    )
    redis_prefix: str = _session(
        "lc:", "Prefix of all keys in Redis; services that share leases share it.", pattern=r"^\S+$"
    )
    session_ttl_seconds: int = _session(
        1800, "Idle time after which a sandbox is destroyed; its files stay.", "seconds", ge=1
    )
    cleanup_interval_seconds: int = _session(60, "Time between two clean-ups.", "seconds", ge=1)
    session_language_policy: Annotated[Literal["bound", "mixed"], Word] = _session(
        "bound",
        "`bound`: a session keeps the language that first ran in it, another is a 409; `mixed`: any (K17).",
    )
    max_sandboxes: int = _session(
        64,
        "Sandboxes of sessions at one time, of all replicas that share `REDIS_URL` together; beyond it the one with"
        " the longest idle time is destroyed.",
        "sandboxes",
        ge=1,
    )

    file_store_url: str = _file(
        "data",
        "Location of files and sessions: a directory, or a file://, s3://, gs://, az:// or memory:// URL.",
        repr=False,
    )
    file_ttl_seconds: int = _file(
        7 * DAY_SECONDS,
        "How long the files of a session outlive its last use; 0 keeps them for ever, else at least 86400,"
        " because LibreChat counts on files for 23 h (K12).",
        "seconds",
        ge=0,
    )
    upload_max_bytes: Bytes = _file(20 * MiB, "Largest uploaded file (K36).", "bytes", ge=1)
    artifact_max_bytes: Bytes = _file(
        100 * MiB,
        "Largest file that is kept of what a run wrote; others are named on stderr (K21).",
        "bytes",
        ge=1,
    )
    artifact_max_files: int = _file(50, "Files that are kept of what one run wrote (K21).", "files", ge=0)

    request_body_max_bytes: Bytes = _request(
        64 * MiB, "Largest JSON body; code carries files as base64, 20 MiB and more (K24).", "bytes", ge=KiB
    )
    max_concurrent_runs: int = _request(
        0,
        "Concurrent programs, including those that sleep or wait. 0 means 64 on Daytona, otherwise four for"
        " each `SANDBOX_MEMORY_BYTES` of memory, at most `MAX_SANDBOXES`. An eighth is reserved for users without a"
        " running program.",
        "programs",
        ge=0,
    )
    max_computing_runs: int = _request(
        0,
        "Concurrent programs that use a processor; 0 means twice the cores. Others are queued. A program that sleeps or"
        " waits does not count, and on Daytona none does.",
        "programs",
        ge=0,
    )
    max_queued_runs: int = _request(256, "Maximum of queued runs; above it, 429.", "runs", ge=0)
    max_paused_runs: int = _request(
        32,
        "Programs that may wait for LibreChat's tools at one time; above it, 429. Each keeps a sandbox and its"
        " memory for ten minutes at most.",
        "runs",
        ge=1,
    )
    rate_limit_user_runs: int = _request(
        0,
        "Programs that one user may start within 30 seconds; above it, 429. 0: no limit; otherwise at least"
        " 40, because LibreChat reads images in 33 runs (K42). Without tokens, the request names the user.",
        "runs",
        ge=0,
    )
    rate_limit_tenant_runs: int = _request(
        0,
        "Programs that all users of a tenant may start together within 30 seconds, likewise; all callers without a"
        " token are one tenant. Replicas that share `REDIS_URL` count together; while Redis is unavailable, there is no"
        " limit.",
        "runs",
        ge=0,
    )
    queue_timeout_seconds: int = _request(
        10,
        "Maximum time that a run waits for its session and a slot; then 429 (K42). LibreChat's file helpers time"
        " out after 15 seconds in all, so with more than 10 they do not receive the 429.",
        "seconds",
        ge=0,
    )

    run_timeout_seconds: int = _run(60, "Default time limit of a run.", "seconds", ge=1)
    run_timeout_max_seconds: int = _run(300, "Maximum time limit that a request may set.", "seconds", ge=1)
    stdout_max_bytes: Bytes = _run(
        11 * MiB,
        "Limit of stdout; above it the run is ended, and stderr says so. It must be above 10 MiB: LibreChat's"
        " edit_file reads a file through `cat`, takes up to 10 MiB, and writes back what it has read. A lower limit"
        " would cut users' files (K23).",
        "bytes",
        ge=LEAST_STDOUT_BYTES,
    )
    stderr_max_bytes: Bytes = _run(
        10 * MiB, "Limit of stderr; above it the run is ended, and stderr says so.", "bytes", ge=KiB
    )

    metrics_access: Annotated[Literal["key", "open", "off"], Word] = _watch(
        "key",
        "Access to `/metrics`: `key` with `METRICS_KEY` or the API key (not with a user's token), `open` for"
        " everybody who reaches the port, `off` for nobody.",
    )
    metrics_key: SecretStr | None = _watch(
        None, "A key for `/metrics` alone, as a Bearer token, so that Prometheus need not know the API key."
    )
    console_enabled: bool = _watch(
        True,
        "Enables the operator's page at `/console`. Its data needs the API key. With `ADAPTER_AUTH=none` and no"
        " API key, everybody who reaches the port sees it, without sessions.",
    )

    otel_exporter_otlp_endpoint: str | None = _watch(
        None,
        "Address of an OpenTelemetry collector that takes OTLP over HTTP, as in `http://collector:4318`; unset, there"
        " are no traces. The SDK's other variables (`OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_TRACES_SAMPLER`, …) count too,"
        " in the environment.",
        pattern=r"^https?://\S+$",
        repr=False,
    )
    otel_service_name: str = _watch("librechat-code-interpreter", "Name of the service in traces.")

    @property
    def engine(self) -> Literal["local", "daytona"]:
        """Engine in use: ``ADAPTER_ENGINE``, with `auto` resolved."""
        if self.adapter_engine == "auto":
            return "daytona" if self.daytona_api_key else "local"
        return self.adapter_engine

    @property
    def concurrent_runs(self) -> int:
        """Concurrent programs: ``MAX_CONCURRENT_RUNS``, with 0 resolved to the capacity for the engine."""
        if self.max_concurrent_runs:
            return self.max_concurrent_runs
        if self.engine == "daytona":
            return _RUNS_ON_DAYTONA
        by_memory = _RUNS_FOR_A_LIMIT * capacity.total_memory() // self.sandbox_memory_bytes
        return max(_computing_runs(), min(by_memory, self.max_sandboxes))

    @property
    def computing_runs(self) -> int:
        """Concurrent programs that use a processor of this machine: ``MAX_COMPUTING_RUNS``, with 0 resolved."""
        if self.engine == "daytona":
            return self.concurrent_runs
        return min(self.max_computing_runs or _computing_runs(), self.concurrent_runs)

    @property
    def has_credential(self) -> bool:
        """Whether any credential can be verified: an API key or a JWT key is configured (K5-K7)."""
        jwt_sources = (
            self.codeapi_jwt_public_key,
            self.codeapi_jwt_jwks_json,
            self.codeapi_jwt_public_keys_dir,
        )
        return self.adapter_api_key is not None or any(source is not None for source in jwt_sources)

    @model_validator(mode="before")
    @classmethod
    def _trim(cls, values: Any) -> Any:
        """Strip whitespace from values; empty values count as unset."""
        if not isinstance(values, Mapping):
            return values
        trimmed = {name: value.strip() if isinstance(value, str) else value for name, value in values.items()}
        return {name: value for name, value in trimmed.items() if value != ""}

    @field_validator("file_store_url")
    @classmethod
    def _known_store(cls, url: str) -> str:
        scheme, separator, _ = url.partition("://")
        if separator and scheme not in {"file", "s3", "gs", "az", "memory"}:
            raise ValueError("neither a directory nor a file://, s3://, gs://, az:// or memory:// URL")
        return url

    @field_validator("file_ttl_seconds")
    @classmethod
    def _outlives_a_day(cls, seconds: int) -> int:
        if 0 < seconds < DAY_SECONDS:
            raise ValueError(f"0 (for ever) or at least {DAY_SECONDS} seconds: LibreChat counts on files for 23 h")
        return seconds

    @field_validator("rate_limit_user_runs", "rate_limit_tenant_runs")
    @classmethod
    def _lets_librechat_work(cls, runs: int) -> int:
        if 0 < runs < LIBRECHAT_RUNS:
            raise ValueError(
                f"0 (any number) or at least {LIBRECHAT_RUNS}: LibreChat reads images in up to 33 runs in a row"
            )
        return runs

    @model_validator(mode="after")
    def _agree(self) -> Settings:
        for is_met, error in self._rules():
            if not is_met:
                raise ValueError(error)
        return self

    def _rules(self) -> list[tuple[bool, str]]:
        """List the rules between settings: whether each is met, and its error if not."""
        return [
            (
                self.run_timeout_seconds <= self.run_timeout_max_seconds,
                "RUN_TIMEOUT_SECONDS: more than RUN_TIMEOUT_MAX_SECONDS",
            ),
            (
                self.adapter_engine != "daytona" or self.daytona_api_key is not None,
                "DAYTONA_API_KEY: not set, and ADAPTER_ENGINE=daytona needs it",
            ),
            (
                _outlasts(self.daytona_auto_stop_minutes, max(self.run_timeout_max_seconds, WAIT_SECONDS)),
                "DAYTONA_AUTO_STOP_MINUTES: has to be 0 or longer than RUN_TIMEOUT_MAX_SECONDS and five minutes more,"
                " and than the fifteen minutes of a program that waits for tools",
            ),
            (
                _outlasts(self.daytona_ttl_minutes, 2 * self.run_timeout_max_seconds),
                "DAYTONA_TTL_MINUTES: has to be 0 or longer than twice RUN_TIMEOUT_MAX_SECONDS and five minutes more",
            ),
            (
                self.sandbox_min_isolation != "none" or _is_loopback(self.host),
                "HOST: has to be a loopback address with SANDBOX_MIN_ISOLATION=none",
            ),
        ]


def load_settings(env_file: str | Path | None = ".env", *, serving: bool = True) -> Settings:
    """Read the settings of this process. Raises ``SettingsError`` with one line for the operator.

    The public keys of tokens are read by ``api.auth.Credentials``, which raises the same exception.
    ``serving=False`` (doctor, one program on the command line) needs no credential. A service refuses to start without
    one (section 2 of the contract).
    """
    source: dict[str, Any] = {"_env_file": env_file}  # an argument of BaseSettings, not a field of ours
    try:
        settings = Settings(**source)
    except ValidationError as error:
        raise SettingsError(_one_line(error)) from None  # its own text may quote values
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{env_file}: cannot be read ({type(error).__name__})") from None
    if serving and settings.adapter_auth == "auto" and not settings.has_credential:
        raise SettingsError(
            "ADAPTER_API_KEY: not set; set it, or a key of LibreChat's tokens (CODEAPI_JWT_PUBLIC_KEY and"
            " kin), or ADAPTER_AUTH=none on a closed network"
        )
    return settings


def _one_line(error: ValidationError) -> str:
    """Return each invalid variable and its fault in one line, without any value."""
    faults = []
    for fault in error.errors(include_input=False, include_url=False, include_context=False):
        name = f"{fault['loc'][0]}: ".upper() if fault["loc"] else ""
        faults.append(name + fault["msg"].removeprefix("Value error, "))
    return " ".join("; ".join(faults).split())


def _outlasts(minutes: int, seconds: float) -> bool:
    return minutes == 0 or 60 * minutes > seconds + 300


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
