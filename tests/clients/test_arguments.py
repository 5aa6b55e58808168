"""The command line of run.py."""

from __future__ import annotations

import argparse

import pytest

from clients import arguments as command_line
from clients.arguments import Arguments, ExtraParsers, address
from clients.pytorch.flags import PYTORCH
from wire.errors import InvalidInput


def parse(words: list[str], extra: ExtraParsers | None = None) -> Arguments:
    return command_line.parse(words, PYTORCH, extra)


def test_what_was_not_given_overrides_nothing():
    """Only flags that were given are handed on."""
    arguments = parse(["-p", "x.yaml"])
    assert (str(arguments.params), arguments.flags, arguments.overrides) == ("x.yaml", {}, ())


def test_every_flag_of_the_documents_is_known():
    """The flags of CSoft 1.6 for PyTorch are parsed under their runconfig names."""
    words = (
        "-p x -m eval -o out -c cache --cs_ip 10.0.0.1 --compile_only --multireplica --checkpoint_path ck "
        "--is_pretrained_checkpoint --cpu --logging debug --num_workers 4 --num_workers_per_csx 3 "
        "--execution_strategy pipeline --max_steps 9 --num_steps 8 --fabric_mode drain"
    )
    assert parse(words.split()).flags == {
        "mode": "eval",
        "model_dir": "out",
        "compile_dir": "cache",
        "cs_ip": "10.0.0.1:9000",
        "compile_only": True,
        "multireplica": True,
        "checkpoint_path": "ck",
        "is_pretrained_checkpoint": True,
        "cpu": True,
        "logging": "DEBUG",
        "num_workers": 4,
        "num_workers_per_csx": 3,
        "execution_strategy": "pipeline",
        "max_steps": 9,
        "num_steps": 8,
        "fabric_mode": "drain",
    }


def test_overrides_follow_flags_in_any_order():
    """Words with a section are overrides, wherever they stand."""
    words = ["model.depth", "3", "-p", "x", "--model.mixed_precision=False", "optimizer.learning_rate", "-0.5"]
    assert parse(words).overrides == (
        "model.depth",
        "3",
        "--model.mixed_precision=False",
        "optimizer.learning_rate",
        "-0.5",
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-p", "x", "--max_step", "3"], "did you mean '--max_steps'"),
        (["-p", "x", "--compile_only", "--validate_only"], "not allowed with"),
        (["-p", "x", "-m", "trian"], "invalid choice"),
        (["-p", "x", "--max_steps", "many"], "invalid int"),
        (["-p", "x", "--cs_ip", "host:port"], "neither HOST nor HOST:PORT"),
        ([], "required"),
    ],
)
def test_wrong_words_are_refused(words, message):
    """A wrong command line is one error, with the nearest flag where there is one."""
    with pytest.raises(InvalidInput) as caught:
        parse(words)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "result"),
    [("host", "host:9000"), ("host:1", "host:1"), ("[::1]", "[::1]:9000"), ("[::1]:80", "[::1]:80")],
)
def test_port_9000_is_added(text, result):
    """An address without a port gets the coordinator's."""
    assert address(text) == result


def test_a_users_own_parser_adds_flags():
    """Flags of an extra parser are parsed, and kept apart from runconfig."""

    def extra() -> list[argparse.ArgumentParser]:
        parser = argparse.ArgumentParser(add_help=False)
        parser.add_argument("--my_flag", type=int, default=7)
        return [parser]

    assert parse(["-p", "x"], extra).own == {"my_flag": 7}
    assert parse(["-p", "x", "--my_flag", "3"], extra).own == {"my_flag": 3}
