"""TFRecord files as a source: any rows of any files, and what cannot be read is named by file and record."""

import os

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamer.pipeline import StreamSettings, recipe_input
from streamer.recipe import Column, Recipe
from streamer.sources.record_index import build_index
from streamer.sources.tfrecord import TfrecordSource, record_files
from tests.streamer.sources.record_writing import example, framed, write_records
from wire.cursor import Cursor
from wire.elements import Ragged
from wire.errors import Fault, InvalidInput, NotFound, Refused

# two records written by tf.io.TFRecordWriter of TensorFlow 2.21
OF_TENSORFLOW = (
    "490000000000000036250ea30a470a110a0178120c120a0a080000003f000000c00a0f0a0372617712080a060a04ff0102030a0c0a01741207"
    "0a050a036ec3a90a130a0179120e1a0c0a0affffffffffffffffff01b73da75f3f00000000000000516576610a3d0a110a0178120c120a0a08"
    "0000c03f000040400a0f0a0372617712080a060a04090807060a0a0a017412050a030a01620a0b0a017912061a040a02ac0226468c75"
)

SAMPLES = st.tuples(st.integers(-(2**63), 2**63 - 1), st.text(max_size=3))


def _numbered(folder, *counts):
    """Files of so many records, numbered through."""
    numbers = iter(range(sum(counts)))
    for file, count in enumerate(counts):
        records = [example(y=[next(numbers)]) for _ in range(count)]
        write_records(folder / f"part-{file:05d}-of-{len(counts):05d}", records)
    return str(folder)


def test_what_tensorflow_wrote(tmp_path):
    """A file written by TensorFlow itself is read as it was written."""
    (path := tmp_path / "x.tfrecord").write_bytes(bytes.fromhex(OF_TENSORFLOW))
    columns = {"raw": Column(dtype="uint8", shape=(2, 2)), "x": Column(), "y": Column(), "t": Column()}
    batch = TfrecordSource(str(path), columns).gather(np.array([1, 0]))
    assert batch["raw"].tolist() == [[[9, 8], [7, 6]], [[255, 1], [2, 3]]]
    assert batch["x"].tolist() == [[1.5, 3.0], [0.5, -2.0]] and batch["x"].dtype == np.float32
    assert batch["y"].tolist() == [300, -1] and batch["t"].tolist() == ["b", "né"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(st.lists(st.lists(SAMPLES, min_size=1, max_size=10), min_size=1, max_size=6), st.data())
def test_any_examples_at_any_rows(tmp_path, files, data):
    """Whatever examples are written to whichever files, any rows in any order are those, indexed or not."""
    for path in tmp_path.iterdir():
        path.unlink()
    for number, samples in enumerate(files):
        records = [example(y=[y], t=[text.encode()], ids=list(range(1 + y % 3))) for y, text in samples]
        path = write_records(tmp_path / f"{number:03d}.tfrecord", records)
        if data.draw(st.booleans()):
            build_index(path)
    written = [sample for samples in files for sample in samples]
    source = TfrecordSource(str(tmp_path))
    assert source.blocks == tuple(map(len, files))
    rows = data.draw(st.lists(st.integers(0, len(written) - 1), max_size=20))
    batch = source.gather(np.array(rows, np.int64))
    assert batch["y"].tolist() == [written[row][0] for row in rows]
    assert batch["t"].tolist() == [written[row][1] for row in rows]
    if isinstance(batch["ids"], Ragged):
        assert np.diff(batch["ids"].offsets).tolist() == [1 + written[row][0] % 3 for row in rows]


@pytest.mark.parametrize("indexed", [True, False])
def test_damage_never_gives_wrong_data(tmp_path, indexed):
    """Whichever byte of a file changes, each row is what was written, or cannot be read."""
    path = write_records(tmp_path / "x.tfrecord", [example(y=[n], x=[n / 2]) for n in range(3)])
    if indexed:
        build_index(path)
    good, stamp = path.read_bytes(), path.stat()
    for at in range(len(good)):
        path.write_bytes(good[:at] + bytes([good[at] ^ 0x10]) + good[at + 1 :])
        os.utime(path, ns=(0, stamp.st_mtime_ns))
        assert _damaged_rows(path) == (
            {0, 1, 2} if not indexed and at % (len(good) // 3) < 12 else {at * 3 // len(good)}
        )


def _damaged_rows(path):
    """The rows that raise; the others are as they were written."""
    damaged = set()
    for row in range(3):
        try:
            batch = TfrecordSource(str(path)).gather(np.array([row]))
        except InvalidInput as error:
            assert error.where.startswith(str(path)) and error.fix
            damaged.add(row)
        else:
            assert batch["y"].tolist() == [row] and batch["x"].tolist() == [row / 2]
    return damaged


def test_what_does_not_fit_is_read_each_time(tmp_path):
    """Records that fit into the budget are read once; others, and lists, are read whenever they are asked for."""
    folder = _numbered(tmp_path, 3, 2)
    fits, large = TfrecordSource(folder, memory_budget=40), TfrecordSource(folder, memory_budget=39)
    rows = np.array([4, 0, 2])
    assert fits.gather(rows)["y"].tolist() == large.gather(rows)["y"].tolist() == [4, 0, 2]
    for path in record_files(folder):
        data = path.read_bytes()
        with path.open("r+b") as file:  # the file that is open goes bad under the reader
            file.write(bytes(len(data)))
    assert fits.gather(rows)["y"].tolist() == [4, 0, 2]
    for source, row in ((fits, 1), (large, 4)):
        with pytest.raises(InvalidInput, match="checksum is wrong"):
            source.gather(np.array([row]))


def test_files_of_a_folder_and_a_pattern(tmp_path):
    """Shards in their order, without what is no TFRecord file and without the indexes that a pattern matches too."""
    _numbered(tmp_path, 2, 3)
    (tmp_path / "README.md").write_text("about")
    build_index(tmp_path / "part-00000-of-00002")
    shards = [tmp_path / f"part-0000{n}-of-00002" for n in range(2)]
    assert record_files(str(tmp_path)) == record_files(f"{tmp_path}/part-*") == shards
    assert record_files(str(shards[1])) == shards[1:]
    with pytest.raises(NotFound, match=r"no \.tfrecord file in"):
        record_files(f"{tmp_path}/*.tfrecord")
    with pytest.raises(InvalidInput, match="this machine only"):
        record_files("s3://bucket/x.tfrecord")


def test_nothing_outside_the_data_root(tmp_path):
    """Neither a path nor a link leads out of the data root."""
    (root := tmp_path / "root").mkdir()
    outside = write_records(tmp_path / "x.tfrecord", [example(y=[1])])
    (root / "link.tfrecord").symlink_to(outside)
    for given_path in (str(outside), str(root), f"{root}/*.tfrecord"):
        with pytest.raises(Refused, match="outside the data root"):
            TfrecordSource(given_path, data_root=root)


def test_it_says_how_it_is_read(tmp_path):
    """Files without an index, or with a useless one, are named with what to do; then it is read by index."""
    source = TfrecordSource(_numbered(tmp_path, 2, 3))
    assert "part-00000-of-00002 has no index, and 1 more files; run `streamer index` once" in source.describe()
    assert source.where(3) == f"{tmp_path}/part-00001-of-00002 record 1"
    for path in record_files(str(tmp_path)):
        build_index(path)
    assert TfrecordSource(str(tmp_path)).describe() == "TFRecord, 2 files, 5 records, read by index, kept in memory"


def test_a_bad_record_does_not_hide_the_fields(tmp_path):
    """Fields are learned from the good records; where none is good, the first one's fault is told."""
    path = write_records(tmp_path / "x.tfrecord", [b"\xff", example(y=[1])])
    assert str(TfrecordSource(str(path)).spec) == "y: int64()"
    write_records(path, [b"\xff", b"\xfe"])
    with pytest.raises(InvalidInput, match=r"no tf\.train\.Example") as caught:
        TfrecordSource(str(path))
    assert caught.value.where == f"{path} record 0"


def _opened(data_dir, **more):
    section = {"format": "tfrecord", "data_dir": data_dir, "batch_size": 4, **more}
    return recipe_input(Recipe.from_params(section, "train_input"))


def _batches(opened, settings):
    pipeline = opened.open(settings, Cursor(0))
    try:
        frames = []
        while not (frame := pipeline.get(5)).end:
            frames.append(frame)
        return frames
    finally:
        pipeline.close()


def test_a_recipe_streams_and_interleaves(tmp_path):
    """A recipe of this format streams through the pipeline, cast as it says, its files read in turn."""
    opened = _opened(_numbered(tmp_path, 4, 4), columns={"y": {"dtype": "int32"}}, interleave_cycle_length=2)
    frames = _batches(opened, StreamSettings(4, epochs=1))
    assert [frame.batch["y"].tolist() for frame in frames] == [[0, 4, 1, 5], [2, 6, 3, 7]]
    assert frames[0].batch["y"].dtype == np.int32


def test_bad_samples_are_passed_over(tmp_path):
    """A damaged record and one that differs are listed in the frame, and others stand in for them."""
    path = tmp_path / "x.tfrecord"
    records = [example(y=[n]) for n in range(6)] + [example(y=[1.5]), example(y=[7])]
    damaged = bytearray(b"".join(map(framed, records)))
    damaged[len(framed(records[0])) * 3 - 6] ^= 1
    path.write_bytes(damaged)
    first, second = _batches(_opened(str(path)), StreamSettings(4, epochs=1, pass_bad=True))
    assert first.batch["y"].tolist() == [0, 1, 1, 3] and second.batch["y"].tolist() == [4, 5, 5, 7]
    assert [bad.where for bad in first.bad + second.bad] == [f"{path} record 2", f"{path} record 6"]
    assert "checksum" in first.bad[0].why and "'y' is float" in second.bad[0].why
    with pytest.raises(Fault, match="record 2 is damaged"):
        _batches(_opened(str(path)), StreamSettings(4, epochs=1))
