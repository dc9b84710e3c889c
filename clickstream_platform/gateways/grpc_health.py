"""Asks a gRPC server whether it serves, by the health protocol of gRPC (grpc.health.v1).

Belongs here: the question in the protocol's own bytes. Does not: judging, and Dagster's other calls.
"""

from __future__ import annotations

import grpc  # type: ignore[import-untyped]

_METHOD = "/grpc.health.v1.Health/Check"
_SERVING = 1


def ask_grpc_health(address: str, service: str, seconds: float) -> str:
    """Return why the service at `host:port` (or `unix:path`) does not serve; an empty text when it does."""
    name = service.encode()
    request = bytes([0x0A, len(name)]) + name  # field 1, a text; names are shorter than 128 bytes
    # No proxy, for it would be asked about a service beside us.
    with grpc.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)]) as channel:
        call = channel.unary_unary(_METHOD, request_serializer=None, response_deserializer=None)
        try:
            answer: bytes = call(request, timeout=seconds, wait_for_ready=False)
        except grpc.RpcError as error:
            return str(getattr(error, "code", lambda: "no answer")()).removeprefix("StatusCode.").lower()
    status = answer[1] if len(answer) == 2 and answer[0] == 0x08 else 0  # field 1, a number
    return "" if status == _SERVING else f"health status {status}"
