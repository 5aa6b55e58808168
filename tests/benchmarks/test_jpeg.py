"""The picture benchmark compares like with like."""

import numpy as np

from benchmarks import jpeg
from benchmarks.limits.decoding import decode_into
from benchmarks.peers.digest import Digest
from streamer.pipeline import recipe_input


def test_the_loop_and_the_recipes_make_the_same(tmp_path):
    """Pixels and labels of both recipes are, bit for bit, those of the bare loop."""
    files = [jpeg.jpeg(number) for number in range(3)]
    jpeg._write(tmp_path, files)
    batch = np.empty((3, *jpeg.SIZE, 3), np.uint8)
    decode_into(batch, files, np.empty(jpeg.HEIGHT * jpeg.WIDTH * 3, np.uint8))
    bare = Digest().with_batch((batch, np.arange(3, dtype=np.int32)))
    rows = np.array([2, 0, 1])
    for kind in ("parquet", "tfrecord"):
        opened = recipe_input(jpeg._recipe(tmp_path, kind))
        made = opened.reader(opened.source, 0).read(0, 0, rows).batch
        assert Digest().with_batch(list(made.values())) == bare
