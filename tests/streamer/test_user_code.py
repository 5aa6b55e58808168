"""User code: found by path or module name, and its errors told with its own lines."""

import sys
import sysconfig

import pytest

from streamer.user_code import call, load_function, told
from wire.errors import InvalidInput, NotFound


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))

    def write(name, text):
        monkeypatch.delitem(sys.modules, name, raising=False)
        (tmp_path / f"{name}.py").write_text(text)
        return str(tmp_path / f"{name}.py")

    return write


def test_by_path_and_by_module(write):
    """A file with and without a function name, and a module on the path, give their functions."""
    path = write("user_data_a", "def get():\n    return 1\n\ndef other():\n    return 2\n")
    assert load_function(path, "get")() == 1
    assert load_function(f"{path}:other", "get")() == 2
    assert load_function("user_data_a:other", "get")() == 2


def test_file_imports_its_neighbours(write):
    """The file's folder is on the path."""
    write("user_neighbour", "N = 5\n")
    path = write("user_data_b", "from user_neighbour import N\n\ndef get():\n    return N\n")
    assert load_function(path, "get")() == 5


@pytest.mark.parametrize(
    ("text", "kind", "message", "where"),
    [
        ("def gett():\n    pass\n", NotFound, "no function 'get'", ""),
        ("def get(:\n", InvalidInput, "SyntaxError", "user_data_c.py:1"),
        ("x = 1\ny = 1 / 0\n", InvalidInput, "ZeroDivisionError", "user_data_c.py:2"),
        ("\nimport not_there_at_all\n", InvalidInput, "not_there_at_all", "user_data_c.py:2"),
    ],
)
def test_errors(write, text, kind, message, where):
    """A missing function and a failing import are told with the name or the user's line."""
    with pytest.raises(kind, match=message) as caught:
        load_function(write("user_data_c", text), "get")
    assert where in caught.value.where


def test_missing(tmp_path):
    """A file and a module that do not exist are told by name."""
    with pytest.raises(NotFound, match=f"no file {tmp_path}/x.py"):
        load_function(str(tmp_path / "x.py"), "get")
    with pytest.raises(NotFound, match="no module 'no_such_package'"):
        load_function("no_such_package:get", "get")


def test_name_taken(write):
    """A file whose name is that of another loaded module is refused, not confused with it."""
    path = write("pytest_taken", "")
    sys.modules["pytest_taken"] = sys.modules["json"]
    with pytest.raises(InvalidInput, match="loaded already"):
        load_function(path, "get")
    del sys.modules["pytest_taken"]


def test_call(write):
    """What a user's function raises is told with its line."""
    function = load_function(write("user_data_d", "def get(p):\n    return p['batch']\n"), "get")
    with pytest.raises(InvalidInput, match="KeyError: 'batch'") as caught:
        call(function, {})
    assert caught.value.where.endswith("user_data_d.py:2 in get")


PY_FUNCTION = """{{function_node __wrapped__IteratorGetNext_device_/job:localhost}} KeyError: 'bad picture'
Traceback (most recent call last):

  File "LIBRARY/script_ops.py", line 267, in __call__
    return func(device, token, args)

  File "/home/me/data.py", line 29, in pyf
    raise KeyError("bad picture")

KeyError: 'bad picture'


\t [[{{node EagerPyFunc}}]] [Op:IteratorGetNext] name: """

TRACED = """in user code:

    File "/home/me/data.py", line 39, in bad_trace  *
        return tf.matmul(x, x)

    ValueError: Shape must be rank 2 but is rank 0 for '{{node MatMul}}'."""

OPERATION = """{{function_node __wrapped__IteratorGetNext_device_/job:localhost/device:CPU:0}} /nope/a; No such file \
[Op:IteratorGetNext] name: """


@pytest.mark.parametrize(
    ("message", "what", "where"),
    [
        (PY_FUNCTION, "KeyError: 'bad picture'", "/home/me/data.py:29 in pyf"),
        (
            TRACED,
            "ValueError: Shape must be rank 2 but is rank 0 for '{{node MatMul}}'.",
            "/home/me/data.py:39 in bad_trace",
        ),
        (OPERATION, "RuntimeError: /nope/a; No such file", ""),
        ("no such key\nin two lines", "RuntimeError: no such key\nin two lines", ""),
    ],
)
def test_long_messages_of_tensorflow_are_told_in_a_sentence(message, what, where):
    """The names of nodes and the tracebacks inside a message are left out, the user's line in them is found."""
    assert told(RuntimeError(message.replace("LIBRARY", sysconfig.get_path("purelib")))) == (what, where)
