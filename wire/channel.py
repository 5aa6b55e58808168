"""How two processes talk: addresses, limits, version, token, TLS. Every server and channel is made here."""

from __future__ import annotations

import ipaddress
import os
from concurrent import futures
from dataclasses import dataclass
from pathlib import Path

import grpc

from wire.admission import TOKEN_VARIABLE, Admit, Introduce
from wire.errors import Exhausted, InvalidInput, Refused

DEFAULT_PORT = 9000
ANYWHERE = ("0.0.0.0", "::", "[::]")  # noqa: S104 - compared with, not bound to
MAX_MESSAGE_BYTES = 256 * 2**20
CA_VARIABLE = "WAFER_SIM_CA"

_OPTIONS = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.so_reuseport", 0),
    ("grpc.enable_http_proxy", 0),
    ("grpc.http2.bdp_probe", 0),
    ("grpc.http2.lookahead_bytes", 8 * 2**20),
    ("grpc.http2.max_frame_size", 2**20),
    ("grpc.http2.write_buffer_size", 2**20),
    ("grpc.experimental.tcp_min_read_chunk_size", 2**18),
    ("grpc.experimental.tcp_max_read_chunk_size", 2**22),
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
)


@dataclass(frozen=True, slots=True)
class Security:
    """Who may talk. token: shared by all processes of an installation; None on loopback lets everybody in.

    certificate, key: PEM files of a server. authority: PEM file with the authority that clients trust.
    """

    token: str | None = None
    certificate: Path | None = None
    key: Path | None = None
    authority: Path | None = None

    @classmethod
    def from_environment(cls, certificate: Path | None = None, key: Path | None = None) -> Security:
        """The token of WAFER_SIM_TOKEN and the authority of WAFER_SIM_CA, where they are set."""
        authority = os.environ.get(CA_VARIABLE)
        return cls(os.environ.get(TOKEN_VARIABLE) or None, certificate, key, Path(authority) if authority else None)


def address_of(text: str) -> str:
    """ "host" or "host:port" as "host:port", with port 9000 where none is given. Raises InvalidInput."""
    host, colon, port = text.rpartition(":") if text.count(":") == 1 else (text, "", "")
    host, port = (host, port) if colon else (text, str(DEFAULT_PORT))
    if not host or not port.isdecimal() or not 0 <= int(port) < 2**16:
        raise InvalidInput(f"{text!r} is no address", fix="write HOST or HOST:PORT")
    return f"{host}:{port}"


def seen_from(address: str, through: str) -> str:
    """Where a service that listens on all interfaces is reached: at the host of `through`, a neighbour of it.

    Any other address is as good as it is. Both are "host:port".
    """
    host, _, port = address.rpartition(":")
    return f"{through.rpartition(':')[0]}:{port}" if host in ANYWHERE else address


def is_loopback(host: str) -> bool:
    """Whether only processes of this machine can reach an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def connect(address: str, security: Security) -> grpc.Channel:
    """A channel to `address` ("host:port"); it connects at the first call."""
    if security.authority is None:
        channel = grpc.insecure_channel(address, _OPTIONS)
    else:
        credentials = grpc.ssl_channel_credentials(_pem(security.authority))
        channel = grpc.secure_channel(address, credentials, _OPTIONS)
    return grpc.intercept_channel(channel, Introduce(security.token))


def serve(host: str, port: int, security: Security, threads: int) -> tuple[grpc.Server, int]:
    """A server, not yet started, and the port that it has (`port` 0: any free one).

    Raises Exhausted if the port is taken, Refused for an address beyond loopback without TLS and a token.
    """
    open_to_all = not is_loopback(host)
    if open_to_all and not (security.token and security.certificate and security.key):
        raise Refused(
            f"{host} can be reached from other machines, so it needs TLS and a token",
            fix=f"give --tls-cert and --tls-key and set {TOKEN_VARIABLE}, or bind to localhost",
        )
    pool = futures.ThreadPoolExecutor(threads, thread_name_prefix="grpc")
    server = grpc.server(pool, interceptors=[Admit(security.token)], options=_OPTIONS)
    return server, _bind(server, host, port, security)


def _bind(server: grpc.Server, host: str, port: int, security: Security) -> int:
    address = f"{host}:{port}"
    try:
        if security.certificate and security.key:
            pair = [(_pem(security.key), _pem(security.certificate))]
            bound = server.add_secure_port(address, grpc.ssl_server_credentials(pair))
        else:
            bound = server.add_insecure_port(address)
    except RuntimeError as error:
        raise _taken(address) from error
    if not bound:
        raise _taken(address)
    return bound


def _taken(address: str) -> Exhausted:
    return Exhausted(
        f"the port of {address} cannot be bound; another process has it",
        where=address,
        fix="stop that process (is a `wafer_sim serve` running?) or choose another --port",
    )


def _pem(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidInput(f"a PEM file cannot be read: {error.strerror}", where=str(path)) from error
