"""Generate wire/v1 from proto/wire/v1: messages (`_pb2.py`), their types (`_pb2.pyi`) and services (`_pb2_grpc.py`).

python scripts/generate_proto.py            write wire/v1
python scripts/generate_proto.py --check    write nothing; exit 1 if wire/v1 is not what proto/ gives
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROTO = Path("proto")
PACKAGE = Path("wire/v1")
GENERATED = ("*_pb2.py", "*_pb2.pyi", "*_pb2_grpc.py")


def generate(out: Path, root: Path = ROOT) -> None:
    """Write the code for every root/proto/wire/v1/*.proto under out/wire/v1. Raises CalledProcessError."""
    protos = sorted(path.relative_to(root).as_posix() for path in (root / PROTO / PACKAGE).glob("*.proto"))
    outputs = [f"--{kind}_out={out}" for kind in ("python", "pyi", "grpc_python")]
    subprocess.run([sys.executable, "-m", "grpc_tools.protoc", f"-I{PROTO}", *outputs, *protos], cwd=root, check=True)


def generated(tree: Path) -> dict[str, bytes]:
    """The generated files under tree/wire/v1: name -> content."""
    return {path.name: path.read_bytes() for kind in GENERATED for path in (tree / PACKAGE).glob(kind)}


def drift(root: Path = ROOT) -> list[str]:
    """The names of the generated files that are not what root/proto gives: changed, missing or left over."""
    with tempfile.TemporaryDirectory() as out:
        generate(Path(out), root)
        fresh, committed = generated(Path(out)), generated(root)
    return sorted(name for name in {*fresh, *committed} if fresh.get(name) != committed.get(name))


def write(root: Path = ROOT) -> None:
    """Bring root/wire/v1 up to date with root/proto, left-over files removed."""
    with tempfile.TemporaryDirectory() as out:
        generate(Path(out), root)
        fresh = generated(Path(out))
    for name in generated(root).keys() - fresh.keys():
        (root / PACKAGE / name).unlink()
    for name, content in fresh.items():
        (root / PACKAGE / name).write_bytes(content)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run as a command; the exit code."""
    parser = argparse.ArgumentParser(description="Generate wire/v1 from proto/wire/v1.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 where wire/v1 is out of date")
    try:
        if not parser.parse_args(arguments).check:
            write()
        elif stale := drift():
            print(f"{PACKAGE} is not what {PROTO} gives: {', '.join(stale)}. Run `make proto`.", file=sys.stderr)
            return 1
    except subprocess.CalledProcessError as error:
        return int(error.returncode)  # protoc has said what is wrong
    return 0


if __name__ == "__main__":
    sys.exit(main())
