"""Folders of pictures: a folder is a class, a file is a row, and what is no such thing is named."""

import numpy as np
import pytest

from streamer.inspect import open_source
from streamer.sources.class_folders import ClassFolders
from wire.errors import InvalidInput, NotFound, Refused

FILES = {"cat/1.jpg": b"first", "dog/a/2.JPEG": b"second one", "cat/3.jpg": b"3", "dog/notes.txt": b"none"}


@pytest.fixture
def folder(tmp_path):
    for name, data in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    return tmp_path


def test_rows_are_files_by_class(folder):
    """Any rows in any order are the files' bytes, with the number of their class; files of other kinds are none."""
    source = ClassFolders(str(folder))
    assert source.classes == ("cat", "dog") and source.blocks == (2, 1) and len(source) == 3
    batch = source.gather(np.array([2, 0, 1]))
    image = batch["image"]
    cut = [image.values[a:b].tobytes() for a, b in zip(image.offsets, image.offsets[1:], strict=False)]
    assert cut == [b"second one", b"first", b"3"] and batch["label"].tolist() == [1, 0, 0]
    assert source.where(2).endswith("dog/a/2.JPEG")


def test_what_cannot_be_a_row_is_named(folder):
    """A picture outside the class folders, one that went away, a file, nothing, and another root are refused."""
    source = ClassFolders(str(folder))
    (folder / "cat/1.jpg").unlink()
    with pytest.raises(InvalidInput, match="cannot be read") as caught:
        source.gather(np.array([0]))
    assert caught.value.where.endswith("cat/1.jpg")
    with pytest.raises(InvalidInput, match="is no folder"):
        ClassFolders(str(folder / "cat/3.jpg"))
    with pytest.raises(Refused):
        ClassFolders(str(folder), folder / "cat")
    (folder / "4.jpg").write_bytes(b"4")
    with pytest.raises(InvalidInput, match="in no class folder"):
        ClassFolders(str(folder))
    (empty := folder / "empty").mkdir()
    with pytest.raises(NotFound):
        ClassFolders(str(empty))


def test_inspect_knows_them(folder):
    """`streamer inspect` takes such a folder for what it is."""
    assert "2 classes, 3 files" in open_source(str(folder), None, None, "train_input").describe()
