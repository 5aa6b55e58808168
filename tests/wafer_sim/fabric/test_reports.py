"""The report as text, as CSoft's files, and as JSON that it can be drawn from later."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

from tests.wafer_sim.fabric.works import chain
from wafer_sim.fabric import artefacts
from wafer_sim.fabric.estimate import estimate
from wafer_sim.fabric.machine import load
from wafer_sim.fabric.published import BERT_LARGE, FC_MNIST_TF, GPT_J
from wafer_sim.fabric.records import from_json, to_json
from wafer_sim.fabric.result import WEIGHT_STREAMING
from wafer_sim.fabric.screen import number, size, table
from wire.errors import InvalidInput, NotFound

FOUND = estimate(FC_MNIST_TF, load())

TABLE = """\
samples/s     1,893,622, limited by the way across the fabric (fc1)
delta_t       448.9 cycles per sample at 850 MHz
machine       CS-2, 757 x 996 cores
strategy      pipeline, training, float16
replicas      1, each with 256 samples a batch
cores         6,140 active (0.81% of the fabric)
memory        8.35 MiB of 28.76 GiB SRAM (0.0%)
busy          99.4% of the active cores' time; arithmetic 23.2%
batch         256 x 437.9 cycles + 719.5 fill + 2,079 update
needed input  2.77 GiB/s
workers       16 at 120,000 samples/s each

kernel  kind           cores          at   cycles    bound  busy  utilised  SRAM  in flight
fc1     matmul         4,356   0,0 66x66  437.9 <   fabric  100%       21%    4%          4
fc2     matmul         1,716  0,66 66x26  437.5    compute  100%       30%    3%          3
fc3     matmul            58   0,92 29x2  239.1     fabric   55%       18%    2%          1
loss    cross_entropy     10   29,92 5x2  42.85    compute   10%        3%    0%          1
"""

REPORT = """\
Samples/s:               1,893,622.2
Compute Samples/s:       1,893,622.2
Transmission Samples/s:  95,419,847.3
Active PEs %:            0.81%
Compute Utilization %:   23.24%
Replicas:                1

Kernel  Source     Samples/s  Compute Samples/s  Transmission Samples/s  Active PEs %  Compute Util. %
fc1              1,940,895.3        4,886,680.2             2,998,717.1         0.58%           20.65%
fc2              1,942,872.7        3,353,103.4             3,957,736.4         0.23%           30.10%
fc3              3,554,473.5        5,684,257.2             3,917,050.7         0.01%           17.76%
loss            19,838,420.1       29,466,666.7            35,416,666.7         0.00%            3.43%
"""


def test_the_table_of_a_small_model() -> None:
    """The whole table, word for word."""
    assert table(FOUND, rate=120_000.0) == TABLE


def test_the_compile_report_of_a_small_model() -> None:
    """compile_report.txt, word for word: first the whole, then each kernel."""
    assert artefacts.report(FOUND) == REPORT


def test_a_long_table_shows_the_slowest_kernels_in_their_order() -> None:
    """Of some hundred kernels the slowest are shown, and how many are left out is said."""
    found = estimate(BERT_LARGE, load(), strategy=WEIGHT_STREAMING)
    lines = table(found, shown=5).splitlines()
    assert lines[-1] == f"and {len(found.kernels) - 5} quicker kernels"
    names = [line.split()[0] for line in lines[-6:-1]]
    assert names == [kernel.name for kernel in found.kernels if kernel.name in names]
    assert found.bottleneck in names


def test_samples_per_second_are_the_lower_of_two() -> None:
    """CSoft's report: the lower of what is computed and what is transmitted."""
    slow = estimate(chain(2), replace(load("small"), bytes_per_second=1_000.0))
    text = artefacts.report(slow)
    assert "Samples/s:               10.0\n" in text
    assert "Transmission Samples/s:  10.0\n" in text


def test_files_have_csofts_names_and_keys() -> None:
    """plan.json, deltat_estimate.json and compile_report.txt, and what performance.json takes from the estimate."""
    files = artefacts.files(FOUND)
    assert set(files) == {"estimate.json", "plan.json", "deltat_estimate.json", "compile_report.txt"}
    assert json.loads(files["deltat_estimate.json"]) == {"estimated_deltat": FOUND.delta_t}
    plan = json.loads(files["plan.json"])
    assert plan["total_utilization"] == FOUND.fabric_utilization
    assert len(plan["kernels"]) == len(FOUND.kernels)
    assert artefacts.performance(FOUND)["est_samples_per_sec"] == pytest.approx(850e6 / FOUND.delta_t)


def test_a_plan_says_where_each_replica_lies() -> None:
    """Places are of the fabric, not of the replica."""
    found = estimate(chain(2), load("small"), replicas=2)
    places = {(each["x"], each["y"]) for each in artefacts.plan(found)["kernels"]}
    assert len(places) == 4


@pytest.mark.parametrize("work", [FC_MNIST_TF, GPT_J], ids=["fc_mnist", "gpt_j"])
def test_an_estimate_survives_its_file(work, tmp_path) -> None:
    """What is read back is what was written, in both strategies."""
    found = estimate(work, load(), strategy="pipeline" if work is FC_MNIST_TF else WEIGHT_STREAMING)
    for name, content in artefacts.files(found).items():
        (tmp_path / name).write_bytes(content)
    assert artefacts.read(tmp_path) == found


def test_an_input_of_no_bytes_is_no_limit() -> None:
    """Without input the link brings any rate, also through the file."""
    found = estimate(replace(chain(1), input_bytes=0), load("small"))
    assert math.isinf(found.transmission_samples_per_second)
    assert from_json(to_json(found)) == found


@pytest.mark.parametrize(
    "change",
    [
        lambda record: record.pop("kernels"),
        lambda record: record.update(format=2),
        lambda record: record.update(more=1),
        lambda record: record.update(clock_hertz="fast"),
        lambda record: record["kernels"][0].pop("bound"),
        lambda record: record["kernels"][0].update(rectangle=[1]),
        lambda record: record.update(corners=[[1]]),
    ],
)
def test_what_is_no_estimate_is_refused(change) -> None:
    """A file that was changed, or is of another version, is the user's to mend, not a traceback."""
    record = json.loads(to_json(FOUND))
    change(record)
    with pytest.raises(InvalidInput, match="not an estimate"):
        from_json(json.dumps(record), "estimate.json")


def test_a_missing_or_broken_file_is_named(tmp_path) -> None:
    """The path is in the message."""
    with pytest.raises(NotFound, match=r"estimate\.json"):
        artefacts.read(tmp_path)
    (tmp_path / "estimate.json").write_text("{")
    with pytest.raises(InvalidInput, match=r"estimate\.json"):
        artefacts.read(tmp_path)


def test_numbers_and_sizes_read_well() -> None:
    """Four digits where they mean something, units where they help."""
    assert [number(value) for value in (0.5, 27.456, 999.94, 1_831_896.55)] == ["0.5", "27.46", "999.9", "1,831,897"]
    assert [size(value) for value in (100, 2_048, 3 * 2**20, 5_000 * 2**30)] == [
        "100 B",
        "2.00 KiB",
        "3.00 MiB",
        "5,000.00 GiB",
    ]
