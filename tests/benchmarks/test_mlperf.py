"""Emulated accelerators: the arithmetic of MLPerf Storage, and the records that workers read."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.mlperf.data import Records, get_train_dataloader
from benchmarks.mlperf.records import write_records
from benchmarks.mlperf.workloads import chosen, fitted
from wire.errors import InvalidInput


def test_what_an_h100_takes() -> None:
    """Samples a second of one accelerator that never waits, and GB/s at rest."""
    found = {w.name: (w.samples_per_second, w.samples_per_second * w.record_bytes / 1e9) for w in chosen("h100")}
    assert found == {
        "resnet50": (pytest.approx(1785.7, rel=1e-3), pytest.approx(0.2047, rel=1e-3)),
        "unet3d": (pytest.approx(21.67, rel=1e-3), pytest.approx(3.177, rel=1e-3)),
        "cosmoflow": (pytest.approx(285.7, rel=1e-3), pytest.approx(0.8081, rel=1e-3)),
    }


def test_what_passes() -> None:
    """90, 90 and 70 %, on either accelerator."""
    for accelerator in ("h100", "a100"):
        passes = {workload.name: workload.passes_at for workload in chosen(accelerator)}
        assert passes == {"resnet50": 0.90, "unet3d": 0.90, "cosmoflow": 0.70}


@pytest.mark.parametrize(("part", "accelerators"), [(0.5, 1), (1.0, 3)])
def test_utilisation_is_computing_time_over_time(part: float, accelerators: int) -> None:
    """Steps times their computing time, over how long they took."""
    (workload,) = chosen("h100", ["unet3d"])
    rate = part * accelerators * workload.batch_size / workload.compute_seconds
    steps, seconds = 100, 100 * workload.batch_size / rate * accelerators
    assert workload.utilisation(rate, accelerators) == pytest.approx(steps * workload.compute_seconds / seconds)


def test_no_accelerator_computes_for_more_than_all_of_the_time() -> None:
    """What clocks differ by is no utilisation."""
    (workload,) = chosen("h100", ["resnet50"])
    assert workload.utilisation(workload.samples_per_second * 1.001) == 1.0


def test_unknown_names_are_refused_with_the_nearest() -> None:
    """Of accelerators and of workloads."""
    with pytest.raises(InvalidInput, match="'b100'") as accelerator:
        chosen("b100")
    assert accelerator.value.where == "--accelerator"
    with pytest.raises(InvalidInput, match="'resnet'") as workload:
        chosen("h100", ["resnet"])
    assert "'resnet50'" in workload.value.fix


@pytest.mark.parametrize(("size", "expected"), [(12, (1, 12)), (100, (1, 12)), (5, (3, 12))])
def test_a_record_is_cut_or_repeated(size: int, expected: tuple[int, int]) -> None:
    """To the size of the sample."""
    assert fitted(size, (2, 2, 3)) == expected


@pytest.mark.parametrize("size", [50, 5])
def test_workers_read_whole_records(tmp_path: Path, size: int) -> None:
    """Every row is the bytes of its record, and rows beyond the file come from its start again."""
    path = tmp_path / "records"
    write_records(path, size, 4)
    assert path.stat().st_size == 4 * size
    section = {"records": str(path), "record_bytes": size, "shape": [2, 2, 3], "rows": 9, "batch_size": 2}
    rows, data = Records(section), path.read_bytes()
    assert len(rows) == 9
    for row in range(9):
        record = data[row % 4 * size :][:size]
        assert bytes(rows[row]["sample"].flatten().tolist()) == (record * 3)[:12]
    assert len(get_train_dataloader({"train_input": section})) == 4


def test_records_of_several_blocks_have_their_size(tmp_path: Path) -> None:
    """The noise is repeated, the last block cut."""
    write_records(tmp_path / "records", 17 * 2**20 + 3, 1)
    assert (tmp_path / "records").stat().st_size == 17 * 2**20 + 3
