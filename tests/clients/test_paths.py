"""Where data is looked for."""

from __future__ import annotations

import pytest

from clients.paths import resolve_data
from wire.errors import NotFound


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project with data at its top and a params file two folders deep; the current folder is elsewhere."""
    (tmp_path / "project" / "data").mkdir(parents=True)
    (tmp_path / "project" / "pyproject.toml").write_text("")
    (tmp_path / "project" / "net" / "configs").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    return tmp_path / "project"


@pytest.mark.parametrize("given", ["data", "./data", "../data", "../../data"])
def test_a_relative_path_is_found_from_the_params_file(project, given):
    """The folders above the params file are tried, up to the project's top."""
    section = resolve_data({"data_dir": given, "x": 1}, "train_input", project / "net" / "configs" / "p.yaml")
    assert section == {"data_dir": str(project / "data"), "x": 1}


def test_the_current_directory_goes_first(project, tmp_path):
    """A path that exists from here is taken from here."""
    (tmp_path / "elsewhere" / "data").mkdir()
    section = resolve_data({"data_dir": "data"}, "train_input", project / "p.yaml")
    assert section["data_dir"] == str(tmp_path / "elsewhere" / "data")


def test_nothing_above_the_project_is_tried(project, tmp_path):
    """A folder of that name outside of the project is not mistaken for the data."""
    (tmp_path / "secret").mkdir()
    with pytest.raises(NotFound):
        resolve_data({"data_dir": "secret"}, "train_input", project / "net" / "p.yaml")


def test_missing_data_lists_what_was_tried(project, tmp_path):
    """The error names the key, the value and every path tried."""
    with pytest.raises(NotFound) as caught:
        resolve_data({"data_dir": "mnits"}, "eval_input", project / "net" / "p.yaml")
    assert "eval_input.data_dir is 'mnits'" in caught.value.what
    for folder in (tmp_path / "elsewhere", project / "net", project):
        assert str(folder / "mnits") in caught.value.fix


@pytest.mark.parametrize("section", [{"data_dir": "s3://bucket/x"}, {}, {"data_dir": "nowhere", "use_fake_data": True}])
def test_what_is_no_path_is_left_alone(project, section):
    """URIs, sections without data and fake data are not looked for."""
    assert resolve_data(section, "train_input", project / "p.yaml") == section


def test_a_list_of_folders_is_resolved_one_by_one(project):
    """Every entry of a list becomes absolute."""
    section = resolve_data({"data_dir": ["data", "net"]}, "train_input", project / "p.yaml")
    assert section["data_dir"] == [str(project / "data"), str(project / "net")]
