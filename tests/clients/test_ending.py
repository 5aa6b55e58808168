"""How run.py ends."""

from __future__ import annotations

import os
import signal
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from clients.ending import heed_sigterm, one_screen, quiet_ctrl_c
from clients.errors import Interrupted
from wire.errors import InvalidInput


@pytest.mark.parametrize(
    ("error", "code", "screen"),
    [
        (InvalidInput("wrong", where="here", fix="mend it"), 1, "error: wrong\n  where: here\n  do:    mend it\n"),
        (Interrupted("stopped, and saved"), 130, "stopped, and saved\n"),
        (KeyboardInterrupt(), 130, "interrupted\n"),
    ],
)
def test_an_error_is_one_screen_and_an_exit_code(monkeypatch, capsys, error, code, screen):
    """A fault ends with 1, Ctrl-C with 130; neither shows a traceback."""
    monkeypatch.setattr(sys, "argv", ["run.py"])
    with pytest.raises(SystemExit) as ended, one_screen():
        raise error
    assert (ended.value.code, capsys.readouterr().err) == (code, screen)


def test_a_traceback_can_be_asked_for(monkeypatch):
    """With --traceback the fault itself goes on."""
    monkeypatch.setattr(sys, "argv", ["run.py", "--traceback"])
    with pytest.raises(InvalidInput, match="wrong"), one_screen():
        raise InvalidInput("wrong")


def test_what_is_no_fault_is_let_through(monkeypatch):
    """A defect of ours shows itself."""
    monkeypatch.setattr(sys, "argv", ["run.py"])
    with pytest.raises(ZeroDivisionError), one_screen():
        _ = 1 / 0


def test_ctrl_c_during_imports_is_one_line(monkeypatch, capsys):
    """What nobody catches is told in a line; other errors keep their traceback."""
    monkeypatch.setattr(sys, "excepthook", sys.__excepthook__)
    quiet_ctrl_c()
    sys.excepthook(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert capsys.readouterr().err == "interrupted\n"
    sys.excepthook(ValueError, ValueError("shown"), None)
    assert "ValueError: shown" in capsys.readouterr().err


def test_a_hook_that_someone_set_stays(monkeypatch):
    """A debugger's own way to show errors is left alone."""

    def own(*_: object) -> None: ...

    monkeypatch.setattr(sys, "excepthook", own)
    quiet_ctrl_c()
    assert sys.excepthook is own


@pytest.fixture
def sigterm():
    """What a SIGTERM does is as it was, afterwards."""
    before = signal.getsignal(signal.SIGTERM)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.usefixtures("sigterm")
def test_sigterm_is_a_ctrl_c_once():
    """The first one interrupts, so that what can be saved is; those after it do not disturb that."""
    heed_sigterm()
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGTERM)
    heed_sigterm()
    os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.usefixtures("sigterm")
def test_sigterm_is_left_to_whoever_heeds_it():
    """A handler of the user's stays, and a thread changes nothing."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(heed_sigterm).result()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    signal.signal(signal.SIGTERM, own := lambda *_: None)
    heed_sigterm()
    assert signal.getsignal(signal.SIGTERM) is own
