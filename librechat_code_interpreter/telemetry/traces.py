"""Traces for an OpenTelemetry collector: each request, its run's steps, and its calls to Daytona and the store.

Only the span of the request is open during the request. The others are created afterwards from the events of
``core/events.py`` and their times. So where traces are off, they cost nothing and import nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Mapping
from typing import Self

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode, format_trace_id, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from librechat_code_interpreter import __version__
from librechat_code_interpreter.core import request_context
from librechat_code_interpreter.core.events import EngineCalled, Events, FinishedRun, StoreCalled

EXPORT_SECONDS = 5
"""Time limit of one export to the collector; spans not delivered in time are lost."""

_ENDINGS_WITHOUT_ERROR = ("ok", "exit", "signal", "time", "memory", "output", "paused", "cancelled")
_PREFIX = "code_interpreter."

Attributes = Mapping[str, str | int | float]


class Traces:
    """Owns the exporter, and creates the spans."""

    def __init__(self, events: Events, endpoint: str, service_name: str) -> None:
        resource = Resource.create({"service.name": service_name, "service.version": __version__})
        self._provider = TracerProvider(resource=resource)
        exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces", timeout=EXPORT_SECONDS)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("librechat_code_interpreter", __version__)
        events.on(FinishedRun, self._run)
        events.on(EngineCalled, self._engine_called)
        events.on(StoreCalled, self._store_called)

    def around(self, app: ASGIApp, words: Collection[str]) -> ASGIApp:
        """Add a span around each request, below the caller's if the request has a ``traceparent``.

        Its name consists of those parts of the path that are in ``words``; without any, there is no span.
        """

        async def traced(scope: Scope, receive: Receive, send: Send) -> None:
            name = _name_of(scope["path"], words) if scope["type"] == "http" else "/"
            if name == "/":
                await app(scope, receive, send)
                return
            with self._tracer.start_as_current_span(
                f"{scope['method']} {name}",
                context=_parent(scope),
                kind=SpanKind.SERVER,
                attributes={"http.request.method": scope["method"]},
            ) as span:
                if (ours := request_context.current()) is not None:
                    ours.trace_id = format_trace_id(span.get_span_context().trace_id)
                    span.set_attribute("request_id", ours.request_id)

                async def answer(message: Message) -> None:
                    if message["type"] == "http.response.start":
                        span.set_attribute("http.response.status_code", message["status"])
                        if message["status"] >= 500:
                            span.set_status(StatusCode.ERROR)
                    await send(message)

                await app(scope, receive, answer)

        return traced

    def _run(self, run: FinishedRun) -> None:
        end = int(run.at * 1e9)
        begin = end - int(run.total_seconds * 1e9)
        run_span = self._tracer.start_span("run", start_time=begin, attributes=_attributes_of(run))
        if run.ending not in _ENDINGS_WITHOUT_ERROR:
            run_span.set_status(Status(StatusCode.ERROR, run.ending))
        run_context = set_span_in_context(run_span)
        for step, seconds in zip(run.seconds._fields, run.seconds, strict=True):
            if seconds:
                step_end = begin + int(seconds * 1e9)
                self._tracer.start_span(step, run_context, start_time=begin).end(step_end)
                begin = step_end
        run_span.end(end)

    def _engine_called(self, call: EngineCalled) -> None:
        self._call(f"daytona {call.operation}", call.outcome, call.seconds, {})

    def _store_called(self, call: StoreCalled) -> None:
        self._call(f"store {call.operation}", call.outcome, call.seconds, {"bytes": call.size} if call.size else {})

    def _call(self, name: str, outcome: str, seconds: float, attributes: Attributes) -> None:
        end = time.time_ns()
        span = self._tracer.start_span(
            name,
            kind=SpanKind.CLIENT,
            start_time=end - int(seconds * 1e9),
            attributes={"outcome": outcome, **attributes},
        )
        span.end(end)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Export the remaining spans. A collector that does not respond delays the shutdown by seconds only."""
        await asyncio.to_thread(self._provider.shutdown)


def _parent(scope: Scope) -> Context:
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    return TraceContextTextMapPropagator().extract(headers, Context())


def _name_of(path: str, words: Collection[str]) -> str:
    return "/" + "/".join(part for part in path.split("/") if part in words)


def _attributes_of(run: FinishedRun) -> Attributes:
    attributes: dict[str, str | int | float] = {
        "run_id": run.run_id, "session_id": run.session_id, "language": run.language, "ending": run.ending,
        "sandbox": run.sandbox, "staged_files": run.staged_files, "staged_bytes": run.staged_bytes,
        "delivered_files": run.delivered_files, "delivered_bytes": run.delivered_bytes, "tool_rounds": run.tool_rounds,
        "cpu_seconds": run.cpu_seconds, "peak_memory_bytes": run.peak_memory_bytes,
    }  # fmt: skip
    return {_PREFIX + name: value for name, value in attributes.items()}
