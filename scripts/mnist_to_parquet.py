"""Write MNIST as Parquet, from the four gzipped IDX files it is distributed as.

    python scripts/mnist_to_parquet.py DIRECTORY [--out data/mnist]

The order of the samples is kept, and the same input gives the same bytes (with the same release of pyarrow).
"""

from __future__ import annotations

import argparse
import gzip
import math
import struct
import sys
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

ROOT = Path(__file__).resolve().parent.parent
PIXELS = 28 * 28
COMPRESSION_LEVEL = 15
SCHEMA = pa.schema([pa.field("image", pa.binary(PIXELS), False), pa.field("label", pa.uint8(), False)])


@dataclass(frozen=True)
class Split:
    """One half of MNIST: the prefix of its IDX files, and how many files and rows a group it becomes."""

    name: str
    prefix: str
    files: int
    group_rows: int


SPLITS = (Split("train", "train", 4, 3_000), Split("test", "t10k", 2, 1_000))


def read_idx(path: Path, dimensions: int) -> tuple[tuple[int, ...], bytes]:
    """Shape and content of a gzipped IDX file of uint8. Raises OSError or ValueError, which name the file."""
    try:
        data = gzip.decompress(path.read_bytes())
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{path} is no gzip file, or a damaged one: {error}") from error
    head = struct.Struct(f">4B{dimensions}I")
    if len(data) < head.size or data[:4] != bytes((0, 0, 8, dimensions)):
        raise ValueError(f"{path} is no IDX file of uint8 in {dimensions} dimensions")
    shape, content = head.unpack_from(data)[4:], data[head.size :]
    if len(content) != math.prod(shape):
        raise ValueError(f"{path} holds {len(content)} bytes; its header says {math.prod(shape)}")
    return shape, content


def read_split(directory: Path, split: Split) -> pa.Table:
    """The samples of a split: image (784 bytes, row-major 28x28) and label. Raises ValueError, OSError."""
    shape, pixels = read_idx(directory / f"{split.prefix}-images-idx3-ubyte.gz", 3)
    (rows,), labels = read_idx(directory / f"{split.prefix}-labels-idx1-ubyte.gz", 1)
    if shape != (rows, 28, 28):
        raise ValueError(f"{split.name}: images are {shape}, which does not fit {rows} labels of 28x28 images")
    images = pa.Array.from_buffers(SCHEMA.field("image").type, rows, [None, pa.py_buffer(pixels)])
    numbers = pa.Array.from_buffers(pa.uint8(), rows, [None, pa.py_buffer(labels)])
    return pa.table([images, numbers], schema=SCHEMA)


def write_split(table: pa.Table, split: Split, out: Path) -> None:
    """Write out/<split>/<split>-0000i-of-0000n.parquet, the rows spread evenly and in order."""
    directory = out / split.name
    directory.mkdir(parents=True, exist_ok=True)
    bounds = [table.num_rows * i // split.files for i in range(split.files + 1)]
    for i in range(split.files):
        pq.write_table(
            table.slice(bounds[i], bounds[i + 1] - bounds[i]),
            directory / f"{split.name}-{i:05d}-of-{split.files:05d}.parquet",
            row_group_size=split.group_rows,
            compression="zstd",
            compression_level=COMPRESSION_LEVEL,
            use_dictionary=["label"],
            write_statistics=["label"],
            write_page_checksum=True,
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run as a command; the exit code."""
    parser = argparse.ArgumentParser(description="Write MNIST as Parquet, from its gzipped IDX files.")
    parser.add_argument("directory", type=Path, help="where the four *-ubyte.gz files are")
    parser.add_argument("--out", type=Path, default=ROOT / "data" / "mnist")
    given = parser.parse_args(arguments)
    try:
        for split in SPLITS:
            write_split(read_split(given.directory, split), split, given.out)
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
