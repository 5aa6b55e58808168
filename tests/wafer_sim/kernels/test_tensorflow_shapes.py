"""TensorFlow's shape rules give what TensorFlow infers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from wafer_sim.compiler.dataflow import KEY, DataGraph
from wafer_sim.compiler.passes.canonicalise import canonicalise
from wafer_sim.compiler.passes.from_dataflow import from_dataflow
from wafer_sim.compiler.passes.shapes import shapes
from wafer_sim.graph import kernel_graph
from wafer_sim.kernels.operands import Operand
from wafer_sim.kernels.tensorflow_shapes import tensorflow_result
from wafer_sim.runtime.tensorflow_graph import graph_def

v1 = tf.compat.v1


def inferred(graph: DataGraph) -> dict[str, tuple[tuple[int, ...] | None, str]]:
    """Value -> what TensorFlow's own inference says: lengths (None where it does not know them all) and dtype."""
    with tf.Graph().as_default() as built:
        tf.import_graph_def(graph_def(graph), name="")
    found = {}
    for op in built.get_operations():
        for number, tensor in enumerate(op.outputs):
            name = f"%{op.name}#{number}" if number else f"%{op.name}"
            shape = tuple(tensor.shape.as_list()) if tensor.shape.is_fully_defined() else None
            found[name] = (shape, tensor.dtype.base_dtype.name)
    return found


@pytest.mark.parametrize("name", ["dense", "half", "clipped", "conv", "unet", "bert"])
def test_every_value_of_a_model_has_the_shape_that_tensorflow_infers(twins, name):
    """Forward, backward and update, wherever TensorFlow knows it; and where it does not, we do."""
    program = twins.program(name)
    for entry in (twins.TRAIN, twins.EVAL):
        wanted = inferred(program.graphs[entry])
        graph = shapes(canonicalise(from_dataflow(program, entry)))
        made = [value for call in graph.calls for value in call.made]
        told = {value: wanted[value] for value in made if wanted[value][0] is not None}
        assert {v: (graph.values[v].shape, graph.values[v].dtype) for v in told} == told
        assert len(told) > len(made) * 0.9


def arguments(tensors: Any) -> list[Operand]:
    operands = []
    for tensor in tensors:
        value = tf.get_static_value(tensor)
        known = value if value is not None and value.dtype.kind in "iub" else None
        operands.append(Operand(tuple(tensor.shape.as_list()), tensor.dtype.name, known))
    return operands


def attribute(value: Any) -> Any:
    if isinstance(value, tf.DType):
        return kernel_graph.Dtype(value.name)
    if isinstance(value, bytes):
        return value.decode()
    return tuple(value) if isinstance(value, list) else value


def x(*shape: int, dtype: Any = tf.float32) -> Any:
    return v1.placeholder(dtype, shape)


raw = tf.raw_ops
CALLS: dict[str, Any] = {
    "Einsum": lambda: raw.Einsum(inputs=[x(2, 3, 4), x(2, 4, 5)], equation="bij,bjk->bik"),
    "BatchMatMulV2": lambda: raw.BatchMatMulV2(x=x(1, 3, 4, 5), y=x(2, 1, 6, 5), adj_y=True),
    "BatchMatMulV3": lambda: raw.BatchMatMulV3(x=x(3, 4), y=x(4, 5), Tout=tf.float32),
    "Select": lambda: raw.Select(condition=x(3, dtype=tf.bool), x=x(3, 4), y=x(3, 4)),
    "ArgMax": lambda: raw.ArgMax(input=x(3, 4), dimension=1, output_type=tf.int32),
    "All": lambda: raw.All(input=x(3, 4, dtype=tf.bool), axis=[0], keep_dims=True),
    "L2Loss": lambda: raw.L2Loss(t=x(3, 4)),
    "Cumsum": lambda: raw.Cumsum(x=x(3, 4), axis=1),
    "BiasAddGrad": lambda: raw.BiasAddGrad(out_backprop=x(2, 5, 3, 4), data_format="NCHW"),
    "GatherV2": lambda: raw.GatherV2(params=x(3, 4, 5), indices=x(3, 2, dtype=tf.int32), axis=2, batch_dims=1),
    "GatherNd": lambda: raw.GatherNd(params=x(3, 4, 5), indices=x(6, 2, dtype=tf.int32)),
    "ScatterNd": lambda: raw.ScatterNd(indices=x(6, 1, dtype=tf.int32), updates=x(6, 4), shape=[9, 4]),
    "UnsortedSegmentSum": lambda: raw.UnsortedSegmentSum(
        data=x(6, 4), segment_ids=x(6, dtype=tf.int32), num_segments=3
    ),
    "DynamicStitch": lambda: raw.DynamicStitch(indices=[[0, 2], [1]], data=[x(2, 4), x(1, 4)]),
    "TopKV2": lambda: raw.TopKV2(input=x(3, 9), k=4),
    "OneHot": lambda: raw.OneHot(indices=x(3, dtype=tf.int32), depth=7, on_value=1.0, off_value=0.0, axis=0),
    "MatrixDiagV3": lambda: raw.MatrixDiagV3(diagonal=x(3, 4), k=0, num_rows=-1, num_cols=-1, padding_value=0.0),
    "MatrixDiagPartV3": lambda: raw.MatrixDiagPartV3(input=x(3, 4, 5), k=0, padding_value=0.0),
    "MatrixBandPart": lambda: raw.MatrixBandPart(input=x(3, 4), num_lower=-1, num_upper=0),
    "Reshape": lambda: raw.Reshape(tensor=x(3, 4), shape=[2, -1]),
    "ExpandDims": lambda: raw.ExpandDims(input=x(3, 4), axis=-1),
    "Squeeze": lambda: raw.Squeeze(input=x(3, 1, 1), axis=[1]),
    "Transpose": lambda: raw.Transpose(x=x(2, 3, 4), perm=[2, 0, 1]),
    "BroadcastTo": lambda: raw.BroadcastTo(input=x(3, 1), shape=[2, 3, 4]),
    "Slice": lambda: raw.Slice(input=x(3, 4), begin=[1, 0], size=[-1, 2]),
    "StridedSlice": lambda: x(3, 9, 5)[1:, None, ..., 2:5:2].op.outputs[0],
    "StridedSlice of an index": lambda: x(3, 9)[-1],
    "Split": lambda: raw.Split(axis=1, value=x(3, 9), num_split=3),
    "SplitV": lambda: raw.SplitV(value=x(3, 9), size_splits=[2, 7], axis=1, num_split=2),
    "Unpack": lambda: raw.Unpack(value=x(3, 4), num=3, axis=0),
    "Pack": lambda: raw.Pack(values=[x(3), x(3)], axis=1),
    "ConcatV2": lambda: raw.ConcatV2(values=[x(3, 4), x(3, 2)], axis=1),
    "Tile": lambda: raw.Tile(input=x(3, 4), multiples=[2, 1]),
    "PadV2": lambda: raw.PadV2(input=x(3, 4), paddings=[[1, 2], [0, 3]], constant_values=0.0),
    "MirrorPad": lambda: raw.MirrorPad(input=x(3, 4), paddings=[[1, 1], [0, 2]], mode="REFLECT"),
    "SpaceToDepth": lambda: raw.SpaceToDepth(input=x(1, 4, 4, 3), block_size=2),
    "DepthToSpace": lambda: raw.DepthToSpace(input=x(1, 2, 2, 12), block_size=2),
    "SpaceToBatchND": lambda: raw.SpaceToBatchND(input=x(1, 4, 6, 3), block_shape=[2, 3], paddings=[[0, 0], [0, 0]]),
    "BatchToSpaceND": lambda: raw.BatchToSpaceND(input=x(6, 2, 2, 3), block_shape=[2, 3], crops=[[0, 0], [0, 0]]),
    "Conv2D": lambda: raw.Conv2D(input=x(2, 9, 8, 3), filter=x(3, 3, 3, 5), strides=[1, 2, 2, 1], padding="SAME"),
    "Conv2D in the other order": lambda: raw.Conv2D(
        input=x(2, 3, 9, 8),
        filter=x(3, 3, 3, 5),
        strides=[1, 1, 2, 2],
        padding="EXPLICIT",
        data_format="NCHW",
        explicit_paddings=[0, 0, 0, 0, 1, 1, 0, 2],
        dilations=[1, 1, 2, 1],
    ),
    "DepthwiseConv2dNative": lambda: raw.DepthwiseConv2dNative(
        input=x(2, 9, 8, 3), filter=x(3, 3, 3, 2), strides=[1, 1, 1, 1], padding="VALID"
    ),
    "Conv3D": lambda: raw.Conv3D(
        input=x(2, 5, 6, 7, 3), filter=x(3, 3, 3, 3, 4), strides=[1, 1, 2, 1, 1], padding="VALID"
    ),
    "Conv2DBackpropInput": lambda: raw.Conv2DBackpropInput(
        input_sizes=[2, 8, 8, 3],
        filter=x(2, 2, 3, 5),
        out_backprop=x(2, 4, 4, 5),
        strides=[1, 2, 2, 1],
        padding="VALID",
    ),
    "MaxPool": lambda: raw.MaxPool(input=x(2, 9, 9, 3), ksize=[1, 2, 2, 1], strides=[1, 2, 2, 1], padding="VALID"),
    "AvgPool": lambda: raw.AvgPool(value=x(2, 9, 9, 3), ksize=[1, 3, 3, 1], strides=[1, 2, 2, 1], padding="SAME"),
    "AvgPoolGrad": lambda: raw.AvgPoolGrad(
        orig_input_shape=[2, 8, 8, 3], grad=x(2, 4, 4, 3), ksize=[1, 2, 2, 1], strides=[1, 2, 2, 1], padding="VALID"
    ),
    "ResizeBilinear": lambda: raw.ResizeBilinear(images=x(2, 4, 4, 3), size=[8, 6]),
    "ResizeNearestNeighborGrad": lambda: raw.ResizeNearestNeighborGrad(grads=x(2, 8, 8, 3), size=[4, 4]),
    "SoftmaxCrossEntropyWithLogits": lambda: raw.SoftmaxCrossEntropyWithLogits(features=x(3, 4), labels=x(3, 4)),
    "FusedBatchNormV3": lambda: raw.FusedBatchNormV3(
        x=x(2, 4, 4, 3), scale=x(3), offset=x(3), mean=x(0), variance=x(0)
    )[:3],
    "StatelessRandomUniform": lambda: raw.StatelessRandomUniform(shape=[3, 4], seed=[1, 2]),
    "StatelessMultinomial": lambda: raw.StatelessMultinomial(logits=x(3, 4), num_samples=5, seed=[1, 2]),
    "Fill": lambda: raw.Fill(dims=[3, 4], value=1.0),
    "LinSpace": lambda: raw.LinSpace(start=0.0, stop=1.0, num=5),
    "Bucketize": lambda: raw.Bucketize(input=x(3, 4), boundaries=[0.0, 1.0]),
    "Cast": lambda: raw.Cast(x=x(3, 4), DstT=tf.bfloat16),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_rule_says_what_tensorflow_says(name):
    """Operations with lengths, axes, windows or dtypes of their own, one by one."""
    with tf.Graph().as_default():
        made = CALLS[name]()
        tensors = list(made) if isinstance(made, (list, tuple)) else [made]
        op = tensors[0].op
        options = {key: attribute(op.get_attr(key)) for key in op.node_def.attr}
        found = tensorflow_result(f"tf.{op.type}", arguments(op.inputs), options)
        wanted = [(tuple(t.shape.as_list()), t.dtype.name) for t in tensors]
    assert [(o.shape, o.dtype) for o in found[: len(wanted)]] == wanted


VALUES: dict[str, Any] = {
    "Range": lambda: tf.range(2, 11, 3),
    "Prod": lambda: tf.reduce_prod([2, 3, 4], keepdims=True),
    "ConcatOffset": lambda: raw.ConcatOffset(concat_dim=1, shape=[[2, 3], [2, 4]]),
    "BroadcastGradientArgs": lambda: raw.BroadcastGradientArgs(s0=[4, 1, 3], s1=[2, 3]),
    "InvertPermutation": lambda: tf.math.invert_permutation([2, 0, 1]),
    "DynamicStitch": lambda: tf.dynamic_stitch([[0, 2], [1]], [[5, 7], [6]]),
    "GatherV2": lambda: tf.gather([5, 6, 7], [2, 0]),
    "StridedSlice": lambda: tf.constant([5, 6, 7])[-1],
    "FloorMod": lambda: tf.constant([-5, 6]) % 4,
    "Tile": lambda: tf.tile([1, 2], [2]),
    "Pack": lambda: raw.Pack(values=[tf.constant(1), tf.constant(2)]),
    "Shape": lambda: raw.Shape(input=x(3, 4), out_type=tf.int64),
    "Size": lambda: raw.Size(input=x(3, 4)),
    "Rank": lambda: raw.Rank(input=x(3, 4)),
}


@pytest.mark.parametrize("name", VALUES)
def test_lengths_are_computed_as_tensorflow_computes_them(name):
    """Whole numbers that decide shapes, dtype included."""
    with tf.Graph().as_default() as graph:
        made = VALUES[name]()
        tensors = list(made) if isinstance(made, (list, tuple)) else [made]
        op = tensors[0].op
        options = {key: attribute(op.get_attr(key)) for key in op.node_def.attr}
        found = tensorflow_result(f"tf.{op.type}", arguments(op.inputs), options)
        with v1.Session(graph=graph) as session:
            feed = {t: np.zeros(t.shape) for o in graph.get_operations() if o.type == "Placeholder" for t in o.outputs}
            wanted = session.run(tensors, feed)
    for operand, array in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(operand.value, array)
        assert (operand.shape, operand.dtype) == (array.shape, str(array.dtype))


def number(value: Any, dtype: str = "int32") -> Operand:
    array = np.asarray(value, dtype)
    return Operand(array.shape, dtype, array)


@pytest.mark.parametrize(
    ("op", "operands"),
    [
        ("MatMul", (Operand((2, 3), "float32"), Operand((4, 5), "float32"))),
        ("Reshape", (Operand((3, 4), "float32"), Operand((1,), "int32"))),
        ("Fill", (number([1 << 20, 1 << 20]), number(1))),
        ("Range", (number(0), number(1 << 30), number(1))),
        ("Tile", (number([1, 2]), number([1 << 28]))),
        ("Range", (number(0), number(4), number(0))),
        ("Transpose", (Operand((3, 4), "float32"), number([0, 0]))),
    ],
)
def test_a_call_that_cannot_be_is_an_error_and_not_a_large_array(op, operands):
    """A program from the wire may say anything."""
    with pytest.raises(ValueError, match=r"\w"):
        tensorflow_result(f"tf.{op}", operands, {})


@pytest.mark.parametrize(
    ("op", "operands", "options", "said"),
    [
        ("Einsum", (Operand((2, 3), "float32"),) * 2, {"equation": "...i,...i->..."}, "name every axis"),
        ("Einsum", (Operand((2, 3), "float32"),) * 2, {"equation": "ij,jk->ik"}, "axis 'j' has 3 and 2 elements"),
        ("MatrixDiagPartV3", (Operand((3, 3), "float32"), number(1), number(0)), {}, "only the main diagonal"),
    ],
)
def test_what_has_no_kernel_in_this_form_says_what_to_do(op, operands, options, said):
    """Some forms of an operation are not covered."""
    with pytest.raises(ValueError, match=said):
        tensorflow_result(f"tf.{op}", operands, options)


def test_the_key_of_random_numbers_is_an_input(twins):
    """It is named as the program names it, and no sample of it arrives from a worker."""
    graph = from_dataflow(twins.program("dense"), twins.TRAIN)
    assert graph.values[f"@{KEY}"] == kernel_graph.Spec((2,), "int64")
