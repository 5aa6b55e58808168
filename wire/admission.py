"""Who may call: every call carries the wire version and, where one is set, the installation's token."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import grpc

from wire.errors import Refused
from wire.status import abort

WIRE_VERSION = "1"
TOKEN_VARIABLE = "WAFER_SIM_TOKEN"  # noqa: S105 - the name of a variable, no secret

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"


@dataclass(frozen=True)
class _CallDetails(grpc.ClientCallDetails):
    method: str
    timeout: float | None
    metadata: tuple[tuple[str, str | bytes], ...] | None
    credentials: grpc.CallCredentials | None
    wait_for_ready: bool | None
    compression: Any


class Introduce(
    grpc.UnaryUnaryClientInterceptor,
    grpc.UnaryStreamClientInterceptor,
    grpc.StreamUnaryClientInterceptor,
    grpc.StreamStreamClientInterceptor,
):
    """Puts version and token on every call."""

    def __init__(self, token: str | None) -> None:
        words = (("wire-version", WIRE_VERSION), ("authorization", f"Bearer {token}"))
        self._words: tuple[tuple[str, str | bytes], ...] = words if token else words[:1]

    def _call(self, continuation: Callable[..., Any], details: Any, request: Any) -> Any:
        introduced = _CallDetails(
            details.method,
            details.timeout,
            (*(details.metadata or ()), *self._words),
            details.credentials,
            getattr(details, "wait_for_ready", None),
            getattr(details, "compression", None),
        )
        return continuation(introduced, request)

    intercept_unary_unary = _call  # type: ignore[assignment]
    intercept_unary_stream = _call  # type: ignore[assignment]
    intercept_stream_unary = _call  # type: ignore[assignment]
    intercept_stream_stream = _call  # type: ignore[assignment]


class Admit(grpc.ServerInterceptor):
    """Lets in only who speaks this version and knows the token; health checks need neither."""

    def __init__(self, token: str | None) -> None:
        self._token = token

    def intercept_service(self, continuation: Callable[..., Any], details: grpc.HandlerCallDetails) -> Any:
        if details.method.startswith(("/grpc.health.", "/grpc.reflection.")):
            return continuation(details)
        fault = self._objection(dict(details.invocation_metadata or ()))
        handler = continuation(details)
        return handler if fault is None or handler is None else _refusal(handler, fault)

    def _objection(self, words: dict[str, str | bytes]) -> Refused | None:
        version = words.get("wire-version", "none")
        if version != WIRE_VERSION:
            return Refused(
                f"this service speaks wire version {WIRE_VERSION}, the caller version {version!r}",
                fix="install the same release at both ends",
            )
        given = str(words.get("authorization", ""))
        if self._token and not hmac.compare_digest(given.encode(), f"Bearer {self._token}".encode()):
            return Refused("the token is wrong or missing", fix=f"set {TOKEN_VARIABLE} to the service's token")
        return None


def _refusal(handler: Handler, fault: Refused) -> Handler:
    def refuse(_request: Any, context: grpc.ServicerContext) -> Any:
        abort(context, fault)

    def refuse_stream(_request: Any, context: grpc.ServicerContext) -> Any:
        abort(context, fault)
        yield  # makes this a generator, as a streaming handler must be

    kinds = {
        (False, False): grpc.unary_unary_rpc_method_handler,
        (False, True): grpc.unary_stream_rpc_method_handler,
        (True, False): grpc.stream_unary_rpc_method_handler,
        (True, True): grpc.stream_stream_rpc_method_handler,
    }
    make = kinds[bool(handler.request_streaming), bool(handler.response_streaming)]
    behaviour = refuse_stream if handler.response_streaming else refuse
    return make(behaviour, handler.request_deserializer, handler.response_serializer)
