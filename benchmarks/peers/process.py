"""A peer from outside: its process, what it is asked, and how long an answer is waited for."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from benchmarks.faults.guard import guarded
from benchmarks.faults.marked import environment
from benchmarks.peers.digest import Digest
from benchmarks.peers.table import Timed
from benchmarks.peers.task import Work
from wire.errors import Fault, NotFound, Refused, Unreachable

ROOT = Path(__file__).parents[2]
MODULES = {
    "tfdata": "tfdata",
    "tfdata_tuned": "tfdata_tuned",
    "tfdata_service": "tfdata_service",
    "torch": "torch_loader",
    "grain": "grain_loader",
    "spdl": "spdl_loader",
    "ray": "ray_data",
}
TOKEN_MODULES = {"tfdata_service": "tfdata_service_tokens"}
PATIENCE_SECONDS = 180.0
GOODBYE_SECONDS = 20.0
_INSTALL = (
    "pip install -c constraints.txt -c benchmarks/constraints.txt -e '.[bench]', "
    "or give --python an interpreter that has it"
)


class PeerProcess:
    """One peer, asked one thing at a time. Every call raises Refused where it fails, Unreachable where it is silent.

    Raises NotFound where its package is not installed. settings: worth trying. version: of its package.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - a process, and what it is given
        self, name: str, module: str, python: str, task: Work, mark: str, log: IO[bytes]
    ) -> None:
        self.name = name
        self._answers: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._process = subprocess.Popen(
            [python, "-m", "benchmarks.peers.child", f"benchmarks.peers.{module}", task.to_json()],
            cwd=ROOT,
            env=environment(mark) | {"PYTHONPATH": os.fspath(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        threading.Thread(target=self._listen, daemon=True).start()
        first = self._answer()
        if "missing" in first:
            raise NotFound(f"{name} is left out: {first['missing']} is not installed", fix=_INSTALL)
        self.settings: list[str] = first["settings"]
        self.version: str = first["version"]

    def digest(self, setting: str) -> Digest:
        """What an epoch delivers, untimed."""
        return Digest(**self._ask(do="digest", setting=setting))

    def run(self, setting: str, seconds: float) -> Timed:
        """As quick as it can, after a warm-up."""
        answer = self._ask(do="run", setting=setting, seconds=seconds)
        return Timed(answer["samples"] / answer["seconds"], answer["cpu"] / answer["samples"] * 1e6)

    def close(self) -> None:
        """Ask it to leave; what is left of it is killed by its mark."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(GOODBYE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _ask(self, **order: Any) -> dict[str, Any]:
        if self._process.stdin is not None:
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        try:
            line = self._answers.get(timeout=PATIENCE_SECONDS)
        except queue.Empty as error:
            raise Unreachable(f"{self.name} is left out: it was silent for {PATIENCE_SECONDS:g} s") from error
        answer: dict[str, Any] = json.loads(line) if line else {"error": "its process ended"}
        if "error" in answer:
            raise Refused(f"{self.name} is left out: {answer['error']}")
        return answer

    def _listen(self) -> None:
        if self._process.stdout is not None:
            with self._process.stdout as lines:
                for line in lines:
                    self._answers.put(line)
        self._answers.put("")


@contextmanager
def peers(
    names: list[str], python: str, task: Work, folder: Path, modules: Mapping[str, str] = MODULES
) -> Iterator[tuple[list[PeerProcess], list[str]]]:
    """Those of the peers that are there, and a sentence about each one that is not. None is left afterwards."""
    mark = uuid.uuid4().hex
    there: list[PeerProcess] = []
    sentences: list[str] = []
    with guarded(mark), (folder / "peers.log").open("wb") as log:
        for name in names:
            try:
                there.append(PeerProcess(name, modules[name], python, task, mark, log))
            except Fault as fault:
                sentences.append(f"{fault}.")
        try:
            yield there, sentences
        finally:
            for peer in there:
                peer.close()
