"""The work of the token benchmark: documents of int32, padded to one length each, or packed into samples of it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

Tokens = npt.NDArray[np.int32]

FILE = "documents.parquet"
COLUMN = "tokens"
FILL = 0
END = 1
LEAST = 2
"""What tokens begin with: those before are what fills, and what ends a document."""


@dataclass(frozen=True, slots=True)
class TokenTask:
    """data: the folder with the documents. packed: or else padded. An epoch is whole batches, in any order."""

    data: str
    packed: bool
    length: int = 2048
    batch_size: int = 64
    seed: int = 1

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> TokenTask:
        return cls(**json.loads(text))

    def read(self) -> tuple[Tokens, npt.NDArray[np.int64]]:
        """All documents, one after the other, and where each begins; the last offset is where the last one ends."""
        import pyarrow.parquet as pq

        column = pq.read_table(Path(self.data) / FILE)[COLUMN].combine_chunks()
        return column.values.to_numpy(), column.offsets.to_numpy().astype(np.int64)


def write_documents(folder: Path, documents: int, length: int, seed: int = 1) -> None:
    """Generated documents of 1 to `length` - 3 tokens, an even number of them.

    To each there is one that has what it lacks: the two and their ends are `length` items. Packing leaves nothing over.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    random = np.random.default_rng(seed)
    half = random.integers(1, length - 2, documents // 2)
    lengths = random.permutation(np.concatenate([half, length - 2 - half]))
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
    tokens = random.integers(LEAST, 50_000, int(offsets[-1]), dtype=np.int32)
    lists = pa.LargeListArray.from_arrays(pa.array(offsets), pa.array(tokens))
    pq.write_table(pa.table({COLUMN: lists}), folder / FILE)


def packed(tokens: Tokens, offsets: npt.NDArray[np.int64], length: int) -> Tokens:
    """The documents with an end behind each, cut into rows: (n, length). What fills the last one is the end too."""
    count = len(offsets) - 1
    whole = np.full(-(-(len(tokens) + count) // length) * length, END, np.int32)
    places = np.arange(len(tokens)) + np.repeat(np.arange(count), np.diff(offsets))
    whole[places] = tokens
    return whole.reshape(-1, length)
