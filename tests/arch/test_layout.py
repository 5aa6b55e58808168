"""The shape of the source: names that say something, docstrings, and no tampering with the import path."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("wire", "streamer", "wafer_sim", "clients", "compat")
SOURCES = sorted(
    path.relative_to(ROOT)
    for package in (*PACKAGES, "scripts", "benchmarks")
    for path in (ROOT / package).rglob("*.py")
    if not path.is_relative_to(ROOT / "wire" / "v1")
)
VAGUE = {"utils", "util", "common", "helpers", "helper", "base", "misc"}
# CSoft's reference projects have a utils.py, and ours are laid out as theirs are.
CSOFT_LAYOUT = "clients/fc_mnist/*/utils.py"
# A user's file imports its neighbours, and a project's run.py is started by its path: both say so where they do it.
EXTENDS_THE_PATH = {
    Path("streamer/user_code.py"),
    *(Path("clients/fc_mnist") / framework / "run.py" for framework in ("pytorch", "tf")),
}


def test_the_source_is_found():
    """The tests below look at every package, not at an empty list."""
    assert {path.parts[0] for path in SOURCES} >= set(PACKAGES)


def test_a_name_says_what_is_in_it():
    """No file and no folder has a name that fits anything."""
    vague = [path for path in SOURCES if VAGUE & {*path.parts, path.stem} and not path.match(CSOFT_LAYOUT)]
    assert vague == []


def test_a_module_says_what_it_is():
    """Every module and package begins with a docstring."""
    silent = [path for path in SOURCES if not ast.get_docstring(ast.parse((ROOT / path).read_text()))]
    assert silent == []


def test_every_folder_of_modules_is_a_package():
    """Each folder of a package has an __init__.py, so that layers and types are checked in all of it."""
    folders = {path.parent for path in SOURCES if path.parts[0] in PACKAGES} | {Path("wire/v1")}
    assert [folder for folder in sorted(folders) if not (ROOT / folder / "__init__.py").exists()] == []


def path_writes(source):
    """The lines at which a module changes sys.path."""
    changes = {"append", "extend", "insert", "remove", "pop", "clear"}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            written = [node.func.value] if isinstance(node.func, ast.Attribute) and node.func.attr in changes else []
        elif isinstance(node, ast.Assign | ast.AugAssign | ast.Delete):
            written = [node.target] if isinstance(node, ast.AugAssign) else node.targets
        else:
            continue
        for target in written:
            if ast.unparse(target).split("[")[0] == "sys.path":
                yield node.lineno


@pytest.mark.parametrize("source", ["sys.path.insert(0, x)", "sys.path += [x]", "sys.path = x", "sys.path[:0] = [x]"])
def test_writing_the_import_path_is_noticed(source):
    """The rule below sees every way of changing sys.path."""
    assert list(path_writes(f"import sys\n{source}\nprint(sys.path)")) == [2]


def test_only_who_has_to_changes_the_import_path():
    """What can be imported does not depend on what was imported before."""
    writers = {path for path in SOURCES if list(path_writes((ROOT / path).read_text()))}
    assert writers - EXTENDS_THE_PATH == set()


def undocumented(tests):
    """The test functions of some files that do not say what behaviour they show."""
    for path in tests:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_") and not ast.get_docstring(node):
                yield f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"


def test_every_test_says_what_behaviour_it_shows():
    """Each test function has a docstring."""
    assert list(undocumented(sorted((ROOT / "tests").rglob("test_*.py")))) == []
