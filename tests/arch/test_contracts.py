"""The layers hold, and generated code is what the contracts give."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run(*command, cwd=ROOT):
    """Run this Python with these arguments."""
    return subprocess.run([sys.executable, *command], cwd=cwd, capture_output=True, text=True, check=False)


def test_imports_keep_to_the_layers():
    """Every contract of pyproject.toml is kept."""
    lint = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(cache_dir=None))"
    done = run("-c", lint)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


def test_generated_code_is_what_the_contracts_give():
    """wire/v1 was generated from proto/ as it is now."""
    done = run("scripts/generate_proto.py", "--check")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.fixture
def copy(tmp_path):
    """A copy of the contracts, of what is generated from them, and of the script that does it."""
    for part in ("proto", "wire/v1", "scripts"):
        shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def test_drift_is_found_and_mended(copy):
    """A changed contract and a file left over are named by --check, and gone after generating again."""
    contract = copy / "proto/wire/v1/ingest.proto"
    contract.write_text(contract.read_text() + "\nmessage Added {}\n")
    (copy / "wire/v1/gone_pb2.py").touch()
    found = run("scripts/generate_proto.py", "--check", cwd=copy)
    assert found.returncode == 1
    assert "gone_pb2.py, ingest_pb2.py, ingest_pb2.pyi" in found.stderr
    assert run("scripts/generate_proto.py", cwd=copy).returncode == 0
    assert not (copy / "wire/v1/gone_pb2.py").exists()
    assert (copy / "wire/v1/__init__.py").exists()
    assert run("scripts/generate_proto.py", "--check", cwd=copy).returncode == 0


def test_a_contract_that_is_no_contract_is_an_error(copy):
    """What the compiler says reaches the terminal, and nothing is written."""
    (copy / "proto/wire/v1/ingest.proto").write_text("no contract")
    before = (copy / "wire/v1/ingest_pb2.py").read_bytes()
    done = run("scripts/generate_proto.py", cwd=copy)
    assert done.returncode != 0
    assert "ingest.proto" in done.stderr
    assert (copy / "wire/v1/ingest_pb2.py").read_bytes() == before


@pytest.mark.parametrize("cli", ["streamer", "wafer_sim"])
def test_help_imports_nothing_heavy(cli):
    """`--help` answers without torch, pyarrow or gRPC."""
    lines = (
        f"import atexit, sys; sys.argv = [{cli!r}, '--help']",
        "heavy = {'torch', 'pyarrow', 'grpc'}",
        "atexit.register(lambda: print('loaded', *sorted(heavy & {*sys.modules})))",
        f"from {cli}.cli import main; main()",
    )
    done = run("-c", "\n".join(lines))
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "loaded"
