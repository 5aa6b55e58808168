"""Sequences of 2,048 tokens, padded and packed, beside tf.data service: the same samples, alternating runs."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from benchmarks.entrants import Service, contenders, our_entrant, peer_entrant
from benchmarks.measure import Figure, Result
from benchmarks.peers.process import TOKEN_MODULES, peers
from benchmarks.peers.table import figures
from benchmarks.peers.tokens import COLUMN, END, FILL, TokenTask, write_documents
from benchmarks.service import coordinator
from clients.analysis.draining import Drain, Source
from streamer.recipe import Recipe

ROUNDS = 5
SECONDS = 2.0
DOCUMENTS = 8192
TRY_STEPS = 1000
TARGETS = {"tfdata_service": 3.0}


def measure(count: int = ROUNDS, seconds: float = SECONDS, python: str = sys.executable) -> Result:
    """Padded, then packed. python: an interpreter that has TensorFlow."""
    load = os.getloadavg()[0]
    notes = [f"{DOCUMENTS:,} documents in memory, shuffled. Load at the start: {load:.1f}. {count} rounds."]
    found: list[Figure] = []
    refused: list[str] = []
    with tempfile.TemporaryDirectory() as name:
        for packed in (False, True):
            folder = Path(name) / ("packed" if packed else "padded")
            folder.mkdir()
            task = TokenTask(str(folder), packed)
            write_documents(folder, DOCUMENTS, task.length, task.seed)
            rows, refusals = _beside(task, folder, count, seconds, python, notes)
            found += rows
            refused += refusals
    return Result("tokens", "python -m benchmarks tokens", found, "\n".join(notes), refused=refused)


def recipe_of(task: TokenTask) -> Recipe:
    """The task as a recipe."""
    way = {"pack": {"to": task.length, "end": END}} if task.packed else {"pad": {"to": task.length, "fill": FILL}}
    section = {"format": "parquet", "data_dir": task.data, "columns": {COLUMN: way}, "batch_size": task.batch_size}
    return Recipe.from_params(section | {"shuffle": True}, "train_input")


def _beside(  # noqa: PLR0913, PLR0917 - what is done, where, and how often
    task: TokenTask, folder: Path, count: int, seconds: float, python: str, notes: list[str]
) -> tuple[list[Figure], list[str]]:
    kind = "packed" if task.packed else "padded"
    with (
        coordinator(folder) as (address, pid),
        peers(list(TOKEN_MODULES), python, task, folder, TOKEN_MODULES) as (there, missing),
    ):
        notes += missing
        service, source = Service(address, pid, folder), Source.of(recipe_of(task))
        ours = [
            our_entrant(service, source, f"streamer, {kind}, {name}", seconds, Drain(TRY_STEPS, tcp_only=tcp_only))
            for name, tcp_only in (("shared memory", False), ("TCP", True))
        ]
        theirs = [entrant for peer in there if (entrant := peer_entrant(peer, seconds, notes)) is not None]
        timed = contenders([*ours, *theirs], count)
    return figures(timed[: len(ours)], timed[len(ours) :], TARGETS)
