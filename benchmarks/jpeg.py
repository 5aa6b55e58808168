"""JPEGs through the real service, decoded by its workers, beside decoding in a bare loop on as many cores."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.entrants import Entrant, Service, contenders, our_entrant
from benchmarks.limits.decoding import Pictures, bare_rate, cores, decode_into
from benchmarks.measure import Result
from benchmarks.peers.digest import Digest
from benchmarks.peers.table import Timed, figures
from benchmarks.service import coordinator
from clients.analysis.draining import Drain, Source
from streamer.recipe import Recipe
from streamer.sources.record_files import CHECKSUM, checksum, header_of
from wire.v1 import example_pb2

ROUNDS = 5
SECONDS = 5.0
FILES, BATCH = 512, 64
HEIGHT, WIDTH = 375, 500
SIZE = (224, 224)
QUALITY = 88
TRY_STEPS = 32
TARGET = 0.95
BARE = "a bare loop"


def measure(count: int = ROUNDS, seconds: float = SECONDS) -> Result:
    """Pictures of ImageNet's mean size, in memory as Parquet and in TFRecord files, alternating with the loop."""
    files = [jpeg(number) for number in range(FILES)]
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _write(folder, files)
        with coordinator(folder) as (address, pid):
            service = Service(address, pid, folder)
            ours = [
                our_entrant(service, Source.of(_recipe(folder, kind)), f"streamer, {kind}", seconds, _how())
                for kind in ("parquet", "tfrecord")
            ]
            timed = contenders([*ours, _bare(files, seconds)], count)
    rows, refused = figures(timed[:-1], timed[-1:], {BARE: TARGET})
    notes = (
        f"{FILES} generated pictures of {WIDTH} x {HEIGHT}, {np.mean([*map(len, files)]):,.0f} bytes on average, "
        f"stretched to {SIZE[0]} x {SIZE[1]}; {cores()} cores, as many workers; the loop has a process a core. "
        f"Load at the start: {load:.1f}."
    )
    return Result("jpeg", "python -m benchmarks jpeg", rows, notes, refused=refused)


def jpeg(number: int) -> bytes:
    """A generated picture with detail at all scales; of another number another one, of the same number the same."""
    import cv2
    import simplejpeg

    random = np.random.default_rng(number)
    pixels = random.normal(128, 6, (HEIGHT, WIDTH, 3)).astype(np.float32)
    for cells, strength in ((8, 60), (32, 40), (128, 25)):
        coarse = random.standard_normal((cells, cells, 3)).astype(np.float32)
        pixels += strength * cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    data: bytes = simplejpeg.encode_jpeg(pixels.clip(0, 255).astype(np.uint8), quality=QUALITY)
    return data


def _how() -> Drain:
    return Drain(TRY_STEPS, workers=cores(), streams=cores(), prefetch=2)


def _recipe(folder: Path, kind: str) -> Recipe:
    columns = {
        "image/encoded": {"jpeg": {"size": list(SIZE), "crop": "whole"}},
        "image/class/label": {"dtype": "int32"},
    }
    section = {"format": kind, "data_dir": str(folder / kind), "columns": columns, "batch_size": BATCH}
    return Recipe.from_params(section | {"shuffle": True}, "train_input")


def _write(folder: Path, files: list[bytes]) -> None:
    """The same pictures and labels as Parquet, and as ImageNet's TFRecords."""
    (folder / "parquet").mkdir()
    (folder / "tfrecord").mkdir()
    table = pa.table({"image/encoded": files, "image/class/label": pa.array(range(len(files)), pa.int32())})
    pq.write_table(table, folder / "parquet" / "pictures.parquet")
    with (folder / "tfrecord" / "pictures.tfrecord").open("wb") as records:
        for label, data in enumerate(files):
            example = example_pb2.Example()
            example.features.feature["image/encoded"].bytes_list.value.append(data)
            example.features.feature["image/class/label"].int64_list.value.append(label)
            content = example.SerializeToString()
            records.write(header_of(len(content)) + content + CHECKSUM.pack(checksum(content)))


def _bare(files: list[bytes], seconds: float) -> Entrant:
    scratch = np.empty(HEIGHT * WIDTH * 3, np.uint8)
    batch: Pictures = np.empty((BATCH, *SIZE, 3), np.uint8)
    digest = Digest()
    for start in range(0, len(files), BATCH):
        decode_into(batch, files[start : start + BATCH], scratch)
        digest = digest.with_batch((batch, np.arange(start, start + BATCH, dtype=np.int32)))
    return Entrant(BARE, digest, lambda: Timed(*bare_rate(files, batch.shape, scratch.nbytes, seconds)))
