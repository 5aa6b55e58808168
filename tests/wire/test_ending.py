"""How programs end."""

import os
import subprocess
import sys

import pytest

from wire.ending import code_of
from wire.errors import Refused


def raising(error):
    """A program that ends with an error."""

    def program():
        raise error

    return program


@pytest.mark.parametrize(("result", "code"), [(None, 0), (0, 0), (7, 7), ("text", 0)])
def test_the_number_that_a_program_gives_is_its_code(result, code):
    """Anything else is 0."""
    assert code_of(lambda: result) == code


def test_a_fault_is_one_screen(capsys):
    """What, where and what to do, on stderr; with `traceback` the stack is to be seen."""
    fault = Refused("no", where="here", fix="mend it")
    assert code_of(raising(fault)) == 1
    assert capsys.readouterr().err == fault.screen() + "\n"
    with pytest.raises(Refused, match="no"):
        code_of(raising(fault), traceback=True)


def test_ctrl_c_is_130():
    """As shells have it."""
    assert code_of(raising(KeyboardInterrupt())) == 130


def test_a_reader_that_has_enough_is_no_traceback():
    """`head` closes the pipe; the program ends without a word."""
    text = "from wire.ending import code_of; import sys; sys.exit(code_of(lambda: print('x' * 10**6)))"
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run([sys.executable, "-c", text], stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, "")
