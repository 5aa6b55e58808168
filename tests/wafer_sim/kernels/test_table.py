"""The kernel library as a table."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from wafer_sim.kernels import aten, tensorflow
from wafer_sim.kernels.registry import BY_OPERATION, REGISTRY
from wafer_sim.kernels.table import kernels_table, markdown
from wafer_sim.kernels.tables import TABLES

ROOT = Path(__file__).parents[3]


def script():
    """scripts/generate_kernels.py as a module."""
    spec = importlib.util.spec_from_file_location("generate_kernels", ROOT / "scripts/generate_kernels.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_documents_page_is_what_the_library_gives():
    """docs/kernels.md was generated from it as it is now."""
    assert script().main(["--check"]) == 0


def test_drift_is_found_and_mended(tmp_path, capsys):
    """A missing or changed page is an error until it is written again."""
    page = tmp_path / "kernels.md"
    assert script().main(["--check"], page) == 1
    assert "kernels.md is not what" in capsys.readouterr().err
    assert script().main([], page) == 0
    assert script().main(["--check"], page) == 0
    page.write_text(markdown() + "more")
    assert script().main(["--check"], page) == 1


def test_every_operation_is_of_one_kernel():
    """No name is written twice, and both allow-lists are the library's two sides."""
    written = [op for kernel in REGISTRY.values() for op in (*kernel.aten, *(f"tf.{op}" for op in kernel.tensorflow))]
    assert len(written) == len(set(written)) == len(BY_OPERATION)
    assert len(REGISTRY) == sum(len(table.strip().splitlines()) for table in TABLES.values())
    assert {*aten.KERNELS, *(f"tf.{op}" for op in tensorflow.KERNELS)} == set(BY_OPERATION)


def test_the_table_has_a_row_for_each_kernel():
    """With what it matches, what it costs, and its limits."""
    rows = {row.kernel: row for row in kernels_table()}
    assert rows.keys() == REGISTRY.keys()
    assert rows["relu"].pytorch == ("relu",)
    assert rows["relu"].tensorflow == ("Relu",)
    assert rows["reshape"].cost == "none"
    assert rows["adam"].cost == "13 for each weight"
    assert "mask" in rows["gather"].limits
