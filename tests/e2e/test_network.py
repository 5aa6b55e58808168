"""Beyond one machine: TLS and a token on every connection, the data plane included."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
import trustme

from tests.e2e.harness import BIN, PROJECT, Finished, Service, python, serve

pytestmark = pytest.mark.e2e

TOKEN = "a token for the tests"  # noqa: S105 - it opens nothing but this test's own service


@pytest.fixture
def tls(tmp_path: Path) -> dict[str, Path]:
    """A certificate for localhost, its key, and the authority that clients trust."""
    authority = trustme.CA()
    issued = authority.issue_cert("localhost")
    paths = {name: tmp_path / f"{name}.pem" for name in ("certificate", "key", "authority")}
    issued.cert_chain_pems[0].write_to_path(paths["certificate"])
    issued.private_key_pem.write_to_path(paths["key"])
    authority.cert_pem.write_to_path(paths["authority"])
    return paths


def open_service(folder: Path, tls: dict[str, Path]) -> tuple[Service, dict[str, str]]:
    """A service on all interfaces, and the environment of those who may talk to it."""
    env = {"WAFER_SIM_TOKEN": TOKEN, "WAFER_SIM_CA": str(tls["authority"])}
    options = ("--host", "0.0.0.0", "--tls-cert", str(tls["certificate"]), "--tls-key", str(tls["key"]))  # noqa: S104
    running = serve(folder, *options, env=env)
    running.address = f"localhost:{running.address.rpartition(':')[2]}"
    return running, env


def test_a_run_goes_through_tls_and_token_from_end_to_end(tmp_path: Path, tls: dict[str, Path]) -> None:
    """Control plane, wafer process and pushes all talk TLS when the service is open to other machines."""
    running, env = open_service(tmp_path, tls)
    try:
        options = ("--cs_ip", running.address, "--model_dir", str(tmp_path / "m"), "--max_steps", "30")
        done = python("run.py", "--params", "configs/params.yaml", *options, cwd=PROJECT, env=env)
        assert done.code == 0, done.said
    finally:
        running.stop()


def test_who_does_not_trust_the_certificate_is_told_so(tmp_path: Path, tls: dict[str, Path]) -> None:
    """A worker that knows the token but not the authority cannot connect, and ends with one screen."""
    running, _ = open_service(tmp_path, tls)
    try:
        done = subprocess.run(
            [BIN / "wafer_sim", "status", "--coordinator", running.address],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env=os.environ | {"WAFER_SIM_TOKEN": TOKEN},
        )
        ended = Finished(done.returncode, done.stdout, done.stderr)
        assert ended.code == 1, ended.said
        assert "error: " in ended.err
        assert "Traceback" not in ended.err
    finally:
        running.stop()
