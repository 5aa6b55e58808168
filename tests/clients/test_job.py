"""Jobs and references to data functions."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest

from clients.job import Job, function_reference
from clients.sections import RunConfig
from streamer.user_code import load_function
from wire.errors import InvalidInput


def job(mode: str, **functions: object) -> Job:
    return Job({}, RunConfig(), Path("p.yaml"), Path("model_dir"), mode, **functions)


def test_a_function_of_a_package_is_named_by_module():
    """A function inside a package is named package.module:name, and that name loads it."""
    reference = function_reference(load_function)
    assert reference == "streamer.user_code:load_function"
    assert load_function(reference, "") is load_function


def test_a_function_of_a_script_is_named_by_file(tmp_path, monkeypatch):
    """A function of a file outside of packages is named path:name."""
    (tmp_path / "lonely_data.py").write_text("def get_train_dataloader(params):\n    return []\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    import lonely_data

    reference = function_reference(lonely_data.get_train_dataloader)
    assert reference == f"{tmp_path}/lonely_data.py:get_train_dataloader"


def closure():
    def inner(params):
        return params

    return inner


@pytest.mark.parametrize("function", [lambda params: params, functools.partial(print), closure()])
def test_what_no_module_names_cannot_be_sent(function):
    """Lambdas, closures and partials are refused, with the place where they were made."""
    with pytest.raises(InvalidInput, match="workers cannot load"):
        function_reference(function)


def test_a_lambda_is_no_error_until_workers_need_it():
    """Building a job with a lambda is fine; asking for its reference is not."""
    made = job("train", train_data_fn=lambda params: [])
    assert made.data_fn({}) == []
    with pytest.raises(InvalidInput) as caught:
        made.data_reference()
    assert __file__ in caught.value.where


def test_a_mode_without_its_data_function_is_refused():
    """eval without eval_data_fn says which argument of run() is missing."""
    with pytest.raises(InvalidInput, match="needs eval_data_fn"):
        _ = job("eval", train_data_fn=print).data_fn
