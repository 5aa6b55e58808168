"""Files of tensors: what the library writes, without all of it in memory."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load, save

from wafer_sim.tensor_files import NotTensorsError, TensorFile, pieces

KINDS = ("f8", "f4", "f2", "i8", "i4", "i2", "i1", "u8", "u4", "u2", "u1", "?")


def tensors() -> dict[str, np.ndarray]:
    made = {f"of {kind}": np.arange(6).reshape(2, 3).astype(kind) for kind in KINDS}
    more = {"a number": np.array(3.5, np.float32), 'é"\n': np.ones((0, 3), np.float32), "w": np.ones(5)}
    return made | more


def test_the_bytes_are_those_of_the_library() -> None:
    """Whoever reads safetensors reads these files, and the same tensors are always the same file."""
    assert b"".join(pieces(tensors())) == save(tensors())
    assert b"".join(pieces({})) == save({})


def test_what_is_turned_or_of_the_other_byte_order_is_written_as_it_reads() -> None:
    """A transposed view and big-endian numbers keep their values."""
    given = {"turned": np.arange(6.0).reshape(2, 3).T, "big": np.arange(3, dtype=">f4")}
    read = load(b"".join(bytes(piece) for piece in pieces(given)))
    assert all(np.array_equal(read[name], given[name]) for name in given)


def test_a_tensor_is_read_when_it_is_asked_for(tmp_path: Path) -> None:
    """Each is a copy of what was written, also when the file is gone by then."""
    path = tmp_path / "t"
    path.write_bytes(save(tensors()))
    file = TensorFile(path)
    path.unlink()
    assert set(file) == set(tensors())
    for name, array in tensors().items():
        assert (file[name].dtype, file[name].shape) == (array.dtype, array.shape)
        assert file[name].tobytes() == array.tobytes()
    file["w"][:] = 7
    assert file["w"][0] == 1


def header(entry: object) -> bytes:
    text = json.dumps(entry).encode()
    return len(text).to_bytes(8, "little") + text


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"half",
        header({"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}),
        header({"w": {"dtype": "F32", "shape": [3], "data_offsets": [0, 8]}}) + bytes(8),
        header({"w": {"dtype": "Q32", "shape": [2], "data_offsets": [0, 8]}}) + bytes(8),
        header({"w": {"dtype": "F32", "shape": [-2], "data_offsets": [0, 8]}}) + bytes(8),
        header({"w": {"dtype": "F32", "shape": [2], "data_offsets": [-8, 0]}}) + bytes(8),
        header([1, 2]),
    ],
)
def test_what_is_no_such_file_is_refused(tmp_path: Path, content: bytes) -> None:
    """Nothing is read that lies outside of the file, or has another size than its shape."""
    (tmp_path / "t").write_bytes(content)
    with pytest.raises(NotTensorsError):
        TensorFile(tmp_path / "t")


def test_a_dtype_that_the_format_has_not_is_refused() -> None:
    """It would be read as something else."""
    with pytest.raises(TypeError, match="complex128"):
        list(pieces({"w": np.ones(2, np.complex128)}))
