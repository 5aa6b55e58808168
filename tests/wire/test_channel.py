"""Servers and channels: who is let in, on which addresses, and what is said otherwise."""

import contextlib

import grpc
import pytest

from wire.admission import WIRE_VERSION
from wire.channel import DEFAULT_PORT, Security, address_of, connect, is_loopback, serve
from wire.errors import Exhausted, InvalidInput, Refused
from wire.status import raised

PATIENCE = 20.0
ECHO, HEALTH = "/test.Echo/Say", "/grpc.health.v1.Health/Check"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("localhost", f"localhost:{DEFAULT_PORT}"),
        ("localhost:1234", "localhost:1234"),
        ("10.0.0.7:0", "10.0.0.7:0"),
    ],
)
def test_an_address_is_a_host_and_perhaps_a_port(text, address):
    """The coordinator's port is taken where none is given."""
    assert address_of(text) == address


@pytest.mark.parametrize("text", ["", ":9000", "localhost:", "localhost:http", "localhost:65536", "localhost:-1"])
def test_what_is_no_address_is_refused(text):
    """The error shows the text and the form that is expected."""
    with pytest.raises(InvalidInput, match="is no address; write HOST or HOST:PORT"):
        address_of(text)


@pytest.mark.parametrize(
    ("host", "loopback"), [("localhost", True), ("127.0.0.1", True), ("::1", True), ("10.0.0.7", False), ("b", False)]
)
def test_loopback_is_told_from_addresses_that_others_reach(host, loopback):
    """A name that is not localhost may be anything, so it counts as open."""
    assert is_loopback(host) is loopback


class Echo(grpc.GenericRpcHandler):
    """A service that answers each call with its request."""

    def service(self, details):
        if details.method.endswith("Stream"):
            return grpc.stream_stream_rpc_method_handler(lambda requests, _: requests)
        return grpc.unary_unary_rpc_method_handler(lambda request, _: request)


@contextlib.contextmanager
def serving(security):
    """A server on a free port of this machine; its address."""
    server, port = serve("localhost", 0, security, threads=2)
    server.add_generic_rpc_handlers((Echo(),))
    server.start()
    try:
        yield f"localhost:{port}"
    finally:
        server.stop(None).wait(PATIENCE)


def say(channel, method=ECHO):
    """Call a method with two bytes; what it answers."""
    return channel.unary_unary(method)(b"hi", timeout=PATIENCE)


@pytest.mark.parametrize("token", [None, "secret"])
def test_who_speaks_this_version_and_knows_the_token_is_let_in(token):
    """A channel made by `connect` introduces itself on unary and on streaming calls."""
    with serving(Security(token)) as address, connect(address, Security(token)) as channel:
        assert say(channel) == b"hi"
        assert list(channel.stream_stream(f"{ECHO}Stream")(iter([b"a", b"b"]), timeout=PATIENCE)) == [b"a", b"b"]


@pytest.mark.parametrize("token", [None, "wrong"])
def test_a_wrong_or_missing_token_is_refused(token):
    """The caller learns that it is the token, on unary and on streaming calls; the token is not repeated."""
    with serving(Security("secret")) as address, connect(address, Security(token)) as channel:
        stream = channel.stream_stream(f"{ECHO}Stream")
        for call in (lambda: say(channel), lambda: list(stream(iter([b"a"]), timeout=PATIENCE))):
            with pytest.raises(grpc.RpcError) as failed:
                call()
            fault = raised(failed.value, address)
            assert isinstance(fault, Refused)
            assert "token is wrong or missing" in fault.what
            assert "secret" not in str(fault)


def test_another_wire_version_is_refused():
    """A caller that does not say this version is told both versions and what to do."""
    with serving(Security()) as address, grpc.insecure_channel(address) as channel:
        with pytest.raises(grpc.RpcError) as failed:
            say(channel)
        fault = raised(failed.value, address)
        assert isinstance(fault, Refused)
        assert f"wire version {WIRE_VERSION}, the caller version 'none'" in fault.what
        assert "same release" in fault.fix


def test_health_checks_need_no_introduction():
    """A load balancer asks whether a service is well without token and version."""
    with serving(Security("secret")) as address, grpc.insecure_channel(address) as channel:
        assert say(channel, HEALTH) == b"hi"


def test_a_port_that_is_taken_is_named():
    """The second server on a port is told which port, and to choose another."""
    with serving(Security()) as address, pytest.raises(Exhausted, match=rf"{address} cannot be bound.*--port"):
        serve("localhost", int(address.split(":")[1]), Security(), threads=1)


@pytest.mark.parametrize("security", [Security(), Security("secret")])
def test_no_address_beyond_loopback_without_tls_and_token(security):
    """An address that other machines reach is not opened to everybody by mistake."""
    with pytest.raises(Refused, match=r"needs TLS and a token.*--tls-cert"):
        serve("10.0.0.7", 0, security, threads=1)


def test_a_pem_file_that_is_not_there_is_named(tmp_path):
    """The path is in the error."""
    with pytest.raises(InvalidInput, match=str(tmp_path / "ca.pem")):
        connect("localhost:1", Security(authority=tmp_path / "ca.pem"))


def test_security_is_read_from_the_environment(monkeypatch, tmp_path):
    """WAFER_SIM_TOKEN and WAFER_SIM_CA are taken where they are set; an empty token is none."""
    monkeypatch.setenv("WAFER_SIM_TOKEN", "secret")
    monkeypatch.setenv("WAFER_SIM_CA", str(tmp_path / "ca.pem"))
    assert Security.from_environment() == Security("secret", authority=tmp_path / "ca.pem")
    monkeypatch.setenv("WAFER_SIM_TOKEN", "")
    monkeypatch.delenv("WAFER_SIM_CA")
    assert Security.from_environment() == Security()
