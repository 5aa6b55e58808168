"""The harness measures what it says: an epoch through the real service, digested where the replica takes it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.peers.digest import Digest
from benchmarks.service import coordinator, digesting
from clients.analysis.draining import Drain, Source, drained
from streamer.recipe import Recipe
from wafer_sim.meter import WARM_UP_STEPS
from wire.landing import land

pytestmark = pytest.mark.e2e
ROWS, BATCH = 1200, 60


def test_a_digest_is_of_every_sample_as_it_landed(tmp_path: Path) -> None:
    """Shuffled, in four streams of two workers; and the run says how fast it was and what was waited for."""
    pixels = np.random.default_rng(1).integers(0, 256, (ROWS, 12), dtype=np.uint8)
    labels = np.arange(ROWS, dtype=np.int32)
    np.savez(tmp_path / "rows.npz", pixels=pixels, labels=labels)
    columns = {"pixels": {"scale": 1 / 255, "lands_as": "float32"}, "labels": {}}
    section = {"format": "npz", "data_dir": str(tmp_path / "rows.npz"), "columns": columns, "batch_size": BATCH}
    source = Source.of(Recipe.from_params(section | {"shuffle": True}, "train_input"))
    target = tmp_path / "digest.json"
    steps = ROWS // BATCH
    assert steps > WARM_UP_STEPS
    with coordinator(tmp_path, digesting(tmp_path / "state", target)) as (address, _):
        finished = drained(address, tmp_path / "run", source, Drain(steps))
    landed = land(pixels, source.spec.fields[0].landing)
    assert Digest(**json.loads(target.read_text())) == Digest().with_batch((landed, labels))
    assert finished.progress.step == steps
    assert finished.progress.samples_per_second > 0
    assert {seam.name for seam in finished.seams} >= {"merge"}
