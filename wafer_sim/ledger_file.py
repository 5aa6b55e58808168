"""The ledger of a checkpoint as one file: accounts, bitmaps and loader states as compressed safetensors."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from dataclasses import astuple
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load, save

from wafer_sim.accounts import Accounts, BadRecord, EpochAccount, SkippedRange
from wafer_sim.ledger import LoaderState, StreamPosition
from wire.cursor import Cursor

_LEVEL = 1  # a bitmap under way is as good as random, a closed epoch costs nothing: more effort would gain nothing
_FACTS, _EPOCHS, _BITMAP, _LOADER = "facts", "epochs", "bitmap/", "loader/"
_COLUMNS = 1 + len(EpochAccount.__slots__)

_Bytes = npt.NDArray[np.uint8]


def pack(accounts: Accounts | None, streams: Sequence[StreamPosition]) -> bytes:
    """Accounts, and the loader states of some streams, as bytes. Equal ledgers give equal bytes."""
    tensors: dict[str, npt.NDArray[Any]] = {}
    states = {}
    for position in streams:
        if position.loader_state is not None:
            at = position.loader_state.at
            states[str(at.stream)] = [at.epoch, at.sequence]
            tensors[f"{_LOADER}{at.stream}"] = _array(position.loader_state.state)
    facts: dict[str, Any] = {"loaders": states, "accounts": None}
    if accounts is not None:
        facts["accounts"] = _facts(accounts)
        rows = [(epoch, *astuple(accounts.epochs[epoch])) for epoch in sorted(accounts.epochs)]
        tensors[_EPOCHS] = np.array(rows, np.int64).reshape(-1, _COLUMNS)
        tensors |= {f"{_BITMAP}{epoch}": bitmap for epoch, bitmap in accounts.bitmaps.items()}
    tensors[_FACTS] = _array(json.dumps(facts, sort_keys=True).encode())
    return zlib.compress(save(tensors), _LEVEL)


def unpack(content: bytes) -> tuple[Accounts | None, dict[int, LoaderState]]:
    """What `pack` packed: accounts, and stream -> state of its loader. Raises ValueError for anything else."""
    try:
        tensors = load(zlib.decompress(content))
        facts = json.loads(tensors[_FACTS].tobytes())
        states = {
            int(stream): LoaderState(Cursor(int(stream), *at), tensors[f"{_LOADER}{stream}"].tobytes())
            for stream, at in facts["loaders"].items()
        }
        accounts = None if facts["accounts"] is None else _accounts(facts["accounts"], tensors)
    except (zlib.error, SafetensorError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"this is no ledger ({type(error).__name__}: {error})") from error
    return accounts, states


def _facts(accounts: Accounts) -> dict[str, Any]:
    return {
        "rows": accounts.rows,
        "before": accounts.before,
        "whole_from": accounts.whole_from,
        "closed_below": accounts.closed_below,
        "bad": [[*astuple(b.cursor), b.row, b.where, b.why] for b in accounts.bad],
        "bad_count": accounts.bad_count,
        "skipped": [astuple(skipped) for skipped in accounts.skipped],
    }


def _accounts(facts: dict[str, Any], tensors: dict[str, npt.NDArray[Any]]) -> Accounts:
    bitmaps = {int(name.removeprefix(_BITMAP)): tensors[name].copy() for name in tensors if name.startswith(_BITMAP)}
    accounts = Accounts(
        facts["rows"],
        facts["before"],
        facts["whole_from"],
        facts["closed_below"],
        {row[0]: EpochAccount(*row[1:]) for row in tensors[_EPOCHS].tolist()},
        bitmaps,
        [BadRecord(Cursor(*entry[:3]), *entry[3:]) for entry in facts["bad"]],
        facts["bad_count"],
        [SkippedRange(*entry) for entry in facts["skipped"]],
    )
    if any(bitmap.shape != ((accounts.rows + 7) // 8,) or bitmap.dtype != np.uint8 for bitmap in bitmaps.values()):
        raise ValueError(f"a bitmap is not one of {accounts.rows} rows")
    return accounts


def _array(content: bytes) -> _Bytes:
    return np.frombuffer(content, np.uint8)
