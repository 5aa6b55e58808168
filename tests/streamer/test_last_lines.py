"""What is told of a process when it is gone."""

from __future__ import annotations

import logging

from streamer.last_lines import KEPT, LONGEST, LastLines, cut


def test_warnings_of_every_logger_are_kept_until_they_are_taken() -> None:
    """Those of the user's code too, each once; what is no warning is not kept."""
    lines = LastLines()
    with lines.listening():
        logging.getLogger("theirs").warning("a file is missing")
        logging.getLogger("streamer.deep").error("stream %d", 3)
        logging.getLogger("theirs").info("fine")
    logging.getLogger("theirs").warning("later")
    assert lines.taken() == ["a file is missing", "stream 3"]
    assert lines.taken() == []


def test_a_streamer_that_speaks_for_itself_is_heard(monkeypatch) -> None:
    """A worker's own lines do not go to the root logger where a user's code has one."""
    monkeypatch.setattr(logging.getLogger("streamer"), "propagate", False)
    lines = LastLines()
    with lines.listening():
        logging.getLogger("streamer.deep").error("once")
    assert lines.taken() == ["once"]


def test_an_error_is_kept_with_its_traceback() -> None:
    """And what is long is cut: the last lines say what happened."""
    lines = LastLines()
    with lines.listening():
        try:
            {}["x" * 2 * LONGEST]
        except KeyError:
            logging.getLogger("theirs").exception("it failed")
    said = lines.taken()
    assert said[0] == "it failed"
    assert said[-1].startswith("KeyError")
    assert max(map(len, said)) == LONGEST
    assert cut("\n".join(map(str, range(100)))) == [str(line) for line in range(100 - KEPT, 100)]
