"""The work that everybody does: MNIST, uint8 at rest, shuffled, in batches of float32 in [0, 1] at the consumer."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

PIXELS = 28 * 28
SCALE = np.float32(1 / 255)

Pixels = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int32]


class Work(Protocol):
    """What a peer is given to do; a peer's module whose work is not Task says of what class it is, as TASK."""

    def to_json(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Task:
    """data: the folder with the Parquet files. An epoch is whole batches, so that all deliver the same samples."""

    data: str
    batch_size: int = 250
    seed: int = 1

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Task:
        return cls(**json.loads(text))

    def read(self) -> tuple[Pixels, Labels]:
        """Every row: (n, 784) uint8 and (n,) int32, in memory."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        table = pa.concat_tables([pq.read_table(path) for path in sorted(Path(self.data).glob("*.parquet"))])
        image = table["image"].combine_chunks()
        pixels = np.frombuffer(image.buffers()[1], np.uint8).reshape(-1, PIXELS)
        return pixels[: len(table)].copy(), table["label"].to_numpy().astype(np.int32)


def scaled(pixels: Pixels) -> npt.NDArray[np.float32]:
    """What the consumer computes with, (n, 784)."""
    return pixels.astype(np.float32) * SCALE


def index_batches(rows: int, batch_size: int, seed: int, epochs: int | None) -> Iterator[npt.NDArray[np.int64]]:
    """Row numbers of whole batches, each epoch in another order. epochs: None never ends."""
    random = np.random.default_rng(seed)
    done = 0
    while epochs is None or done < epochs:
        yield from random.permutation(rows).reshape(-1, batch_size)
        done += 1


class Peer(Protocol):
    """Another system, ready to do the task. settings: names of those that are worth trying, the plain one first."""

    settings: Sequence[str]

    def batches(self, setting: str, epochs: int | None) -> Iterator[Sequence[Any]]:
        """(image, label) as arrays or tensors of the system, so many epochs long; None: without end."""
        ...

    def close(self) -> None:
        """Nothing of it runs any more."""
        ...
