"""Pictures: decoded, cut and resized into the batch, the same for the same seed, epoch and row; bad ones are told."""

import sys

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import simplejpeg

from streamer.pipeline import StreamSettings, recipe_input
from streamer.recipe import Recipe
from streamer.recipe_column import Jpeg
from streamer.stages import Occasion, crew, pictures
from tests.streamer.sources.record_writing import example, write_records
from wire.cursor import Cursor
from wire.elements import Ragged
from wire.errors import InvalidInput, NotFound

ROWS = 12
SIZE = (16, 24)


def _picture(row, height=40, width=60):
    """A gradient that no other row has, as pixels: what is mirrored, moved or exchanged is seen."""
    down, right = np.mgrid[0:height, 0:width]
    return np.stack([down * 160 // height, right * 240 // width, np.full_like(down, row * 20)], -1).astype(np.uint8)


def _jpeg(row, **size):
    return simplejpeg.encode_jpeg(_picture(row, **size), quality=95, colorsubsampling="444")


def _column(*files):
    return Ragged(np.frombuffer(b"".join(files), np.uint8), np.cumsum([0, *map(len, files)]))


def _made(jpeg, *files, seed=0, epoch=0):
    occasion = Occasion(seed, epoch, np.arange(len(files)), lambda row: f"row {row}")
    return pictures.Pictures("x", Jpeg(**{"size": SIZE, **jpeg})).apply({"x": _column(*files)}, occasion)["x"]


def _recipe(folder, files, jpeg=None, **section):
    records = [example(x=[data], y=[row]) for row, data in enumerate(files)]
    write_records(folder / "a.tfrecord", records)
    columns = {"x": {"jpeg": {"size": list(SIZE), **(jpeg or {})}}, "y": {"dtype": "int32"}}
    section = {"format": "tfrecord", "data_dir": str(folder), "columns": columns, "batch_size": 4, **section}
    return Recipe.from_params(section, "train_input")


def _frames(opened, settings, cursor):
    pipeline = opened.open(settings, cursor)
    try:
        frames = []
        while not frames or not frames[-1].end:
            frames.append(pipeline.get(20))
        return frames[:-1]
    finally:
        pipeline.close()


def test_whole_picture_is_resized_and_stands_in_its_place():
    """Each picture of a batch is the one that its row has, resized; larger and smaller ones too."""
    files = [_jpeg(0), _jpeg(1, height=8, width=10), _jpeg(2, height=200, width=300)]
    made = _made({"crop": "whole"}, *files)
    assert made.shape == (3, *SIZE, 3) and made.dtype == np.uint8
    for row, data in enumerate(files):
        resized = cv2.resize(simplejpeg.decode_jpeg(data), SIZE[::-1], interpolation=cv2.INTER_AREA)
        assert np.abs(made[row].astype(int) - resized).mean() < 3
        assert abs(int(made[row, ..., 2].mean()) - row * 20) < 3


def test_center_takes_the_middle():
    """The middle is 7/8 of the largest part that has the wanted shape: its mean is the picture's, its spread less."""
    whole, middle = _made({"crop": "whole"}, _jpeg(1))[0], _made({}, _jpeg(1))[0]
    assert abs(whole[..., 0].mean() - middle[..., 0].mean()) < 3
    assert np.ptp(middle[..., 0].astype(int)) < 0.92 * np.ptp(whole[..., 0].astype(int))


def test_random_is_of_seed_epoch_and_row():
    """The same seed, epoch and row give the same part, others another one, and about half of them are mirrored."""
    files = [_jpeg(1)] * 64
    jpeg = {"crop": "random", "flip": True}
    made = _made(jpeg, *files)
    assert np.array_equal(made, _made(jpeg, *files))
    for other in (_made(jpeg, *files, seed=1), _made(jpeg, *files, epoch=1)):
        assert sum(np.array_equal(a, b) for a, b in zip(made, other, strict=True)) < 4
    mirrored = sum(int(each[0, 0, 1]) > int(each[0, -1, 1]) for each in made)
    assert 16 < mirrored < 48
    assert len({each.tobytes() for each in made}) > 60


def test_any_number_of_threads_makes_the_same(monkeypatch):
    """What is made does not depend on how many threads make it."""
    files = [_jpeg(row) for row in range(10)]
    several = _made({"crop": "random"}, *files)
    monkeypatch.setattr(crew, "size", lambda: 1)
    assert np.array_equal(several, _made({"crop": "random"}, *files))


@pytest.mark.parametrize("streams", [1, 2])
def test_resume_gives_the_same_pictures(tmp_path, streams):
    """From any cursor on, and in any number of streams, a batch is what it was: order and parts are exact."""
    jpeg = {"crop": "random", "flip": True}
    opened = recipe_input(_recipe(tmp_path, [_jpeg(row) for row in range(ROWS)], jpeg))
    settings = StreamSettings(4, 1, streams, epochs=2, seed=5, shuffle=True)
    whole = {frame.cursor: frame for n in range(streams) for frame in _frames(opened, settings, Cursor(n))}
    assert len(whole) == 2 * ROWS / 4
    for cursor, frame in whole.items():
        again = _frames(opened, settings, cursor)[0]
        assert np.array_equal(again.batch["x"], frame.batch["x"]) and again.digests == frame.digests
        assert np.array_equal(again.batch["y"], frame.row_numbers)


def _broken(kind):
    good = _jpeg(3)
    return {
        "text": b"no picture at all" * 9,
        "empty": b"",
        "cut": good[: len(good) // 2],
        "damaged": good[: len(good) // 2] + b"\xff\xd9",
        "png": b"\x89PNG\r\n\x1a\n" + bytes(100),
    }[kind]


@pytest.mark.parametrize("kind", ["text", "empty", "cut", "damaged", "png"])
def test_bad_picture_is_a_bad_sample(tmp_path, kind):
    """A file that is no whole JPEG ends the stream with its record's name, or is passed over where that is wanted."""
    files = [_jpeg(row) for row in range(4)]
    files[2] = _broken(kind)
    opened = recipe_input(_recipe(tmp_path, files))
    with pytest.raises(InvalidInput, match="holds no JPEG here") as caught:
        _frames(opened, StreamSettings(4, epochs=1), Cursor(0))
    assert "a.tfrecord record 2" in caught.value.where
    (frame,) = _frames(opened, StreamSettings(4, epochs=1, pass_bad=True), Cursor(0))
    assert [(bad.place, bad.row) for bad in frame.bad] == [(2, 2)] and "no JPEG" in frame.bad[0].why
    assert np.array_equal(frame.batch["x"][2], frame.batch["x"][1]) and frame.batch["y"].tolist() == [0, 1, 1, 3]


def test_too_many_pixels_are_not_decoded():
    """A header that promises a picture of gigabytes is refused before memory is taken for it."""
    data = bytearray(_jpeg(1))
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = b"\xea\x60\xea\x60"
    with pytest.raises(InvalidInput, match=r"60,000 x 60,000 pixels are too many"):
        _made({}, bytes(data))


def test_parquet_with_structs_of_bytes(tmp_path):
    """Pictures of a Parquet file, as bytes or as structs that hold bytes, are the same."""
    files = [_jpeg(row) for row in range(4)]
    plain, nested = tmp_path / "a.parquet", tmp_path / "b.parquet"
    pq.write_table(pa.table({"x": files}), plain)
    pq.write_table(pa.table({"x": [{"bytes": data, "path": "x.jpg"} for data in files]}), nested)
    columns = {"x": {"jpeg": {"size": SIZE}}}
    found = []
    for path in (plain, nested):
        section = {"format": "parquet", "data_dir": str(path), "columns": columns, "batch_size": 4}
        opened = recipe_input(Recipe.from_params(section, "train_input"))
        found.append(_frames(opened, StreamSettings(4, epochs=1), Cursor(0))[0].batch["x"])
    assert np.array_equal(*found) and np.array_equal(found[0], _made({}, *files))


def test_other_columns_are_refused(tmp_path):
    """A column that holds no bytes is named when the data is opened, and so is a missing library."""
    columns = {"x": {"jpeg": {"size": SIZE}}}
    pq.write_table(pa.table({"x": [[1, 2], [3]]}), tmp_path / "a.parquet")
    section = {"format": "parquet", "data_dir": str(tmp_path), "columns": columns, "batch_size": 1}
    with pytest.raises(InvalidInput, match="column 'x' holds x: int64"):
        recipe_input(Recipe.from_params(section, "train_input"))


def test_missing_library_is_said(monkeypatch):
    """Without the extra, what is needed and how to get it is said when the data is opened."""
    monkeypatch.setitem(sys.modules, "simplejpeg", None)
    pictures._libraries.cache_clear()
    try:
        with pytest.raises(NotFound, match=r"simplejpeg is not installed") as caught:
            pictures.Pictures("x", Jpeg(size=SIZE))
        assert "[images]" in caught.value.fix
    finally:
        pictures._libraries.cache_clear()


def test_fake_data_has_the_pictures_spec(tmp_path):
    """Synthetic data in place of the pictures looks like them."""
    recipe = _recipe(tmp_path, [_jpeg(row) for row in range(4)])
    faked = recipe.model_copy(update={"use_fake_data": True})
    assert recipe_input(faked).spec == recipe_input(recipe).spec
