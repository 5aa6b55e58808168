"""`streamer index`: an index beside each file, and a table about them."""

import sys

import pytest

from streamer import cli
from streamer.inspect import facts, open_source
from streamer.sources.tfrecord import TfrecordSource
from tests.streamer.sources.record_writing import example, write_records
from wire.errors import InvalidInput


@pytest.fixture
def shards(tmp_path):
    for name, rows in (("b", 1200), ("a", 7)):
        write_records(tmp_path / f"{name}.tfrecord", [example(y=[row % 100], x=[0.5] * 4) for row in range(rows)])
    return tmp_path


def _main(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["streamer", *arguments])
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit) as caught:
        cli.main()
    return caught.value.code


def test_index_builds_and_tells(monkeypatch, capsys, shards):
    """Each file of a folder gets an index, is in the table with records and bytes, and is then read by index."""
    assert _main(monkeypatch, "index", str(shards)) == 0
    lines = capsys.readouterr().out.splitlines()
    assert all(word in lines[1] for word in ("file", "records", "bytes", "seconds"))
    rows = [line for line in lines if ".tfrecord" in line]
    assert "a.tfrecord" in rows[0] and "b.tfrecord" in rows[1] and "1,200" in rows[1]
    assert f"{(shards / 'b.tfrecord').stat().st_size:,}" in rows[1]
    assert {path.name for path in shards.glob("*.index")} == {"a.tfrecord.index", "b.tfrecord.index"}
    assert "read by index" in TfrecordSource(str(shards)).describe()
    assert _main(monkeypatch, "index", f"{shards}/*") == 0
    assert len(list(shards.iterdir())) == 4


def test_index_stops_at_a_file_that_cannot_be_read(monkeypatch, capsys, shards):
    """A file that is cut off is named, after a table of those before; nothing is written outside --data-root."""
    (shards / "b.tfrecord").write_bytes((shards / "b.tfrecord").read_bytes()[:-1])
    assert _main(monkeypatch, "index", str(shards)) == 1
    shown = capsys.readouterr()
    assert "cut off in record 1199" in shown.err and "a.tfrecord" in shown.out and "b.tfrecord" not in shown.out
    assert [path.name for path in shards.glob("*.index")] == ["a.tfrecord.index"]
    (shards / "a.tfrecord.index").unlink()
    assert _main(monkeypatch, "index", str(shards / "b.tfrecord"), "--data-root", str(shards / "root")) == 1
    assert "outside the data root" in capsys.readouterr().err and not list(shards.glob("*.index"))


def test_inspect_knows_tfrecord(shards, tmp_path):
    """inspect reads files of this format without being told, with the columns of a recipe or without."""
    found = dict(facts(open_source(str(shards), None, None, "train_input"), 0.01))
    assert found["rows"] == "1,207" and found["field x"] == "float32 4" and found["blocks"].startswith("2 of 7 to")
    (tmp_path / "p.yaml").write_text("train_input: {format: tfrecord, columns: {y: {dtype: uint8}}}")
    shown = open_source(str(shards / "a.tfrecord"), tmp_path / "p.yaml", None, "train_input")
    assert str(shown.spec) == "y: uint8()"
    write_records(shards / "c.tfrecord", [example(image=[b"\xff\xd8"])])
    with pytest.raises(InvalidInput, match="dtype and shape"):
        open_source(str(shards / "c.tfrecord"), None, None, "train_input")
