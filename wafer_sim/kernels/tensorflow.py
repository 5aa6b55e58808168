"""The kernel library for TensorFlow's graphs: the operations the wafer has a kernel for, and their attributes.

It is a list of what is allowed; whatever is not in it is refused by name. So it is the security boundary and the
kernel match at once. Nothing in it reaches files, network or Python, prints, calls a function, waits in a queue, or
gives a shape that depends on data. Random numbers are drawn from a fed key only: an operation that keeps a state of
its own is replaced at capture. The only state is in variables of the program. Switch and Merge choose between branches;
there is nothing to loop with.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from wire.errors import nearest

_BY_ATTRIBUTES = {
    "": "LogicalAnd LogicalOr LogicalNot NoOp StatelessRandomGetAlg VarIsInitializedOp",
    "T": """
        Abs Neg Sign Square Sqrt SqrtGrad Rsqrt RsqrtGrad Reciprocal ReciprocalGrad Inv InvGrad Exp Expm1 Log Log1p
        Sin Cos Tan Asin Acos Atan Atan2 Sinh Cosh Asinh Acosh Atanh Erf Erfc Erfinv Ndtri Lgamma Digamma
        Floor Ceil Round Rint Tanh TanhGrad Sigmoid SigmoidGrad Softplus SoftplusGrad Softsign SoftsignGrad
        Relu ReluGrad Relu6 Relu6Grad Elu EluGrad Selu SeluGrad Softmax LogSoftmax SoftmaxCrossEntropyWithLogits
        Add AddV2 Sub Mul MulNoNan Div DivNoNan RealDiv FloorDiv TruncateDiv FloorMod TruncateMod Mod Pow Maximum
        Minimum SquaredDifference Xdivy Xlogy Xlog1py ClipByValue Less LessEqual Greater GreaterEqual IsNan IsInf
        IsFinite Select SelectV2 L2Loss NextAfter BitwiseAnd BitwiseOr BitwiseXor Invert Cross MatrixDiag
        MatrixDiagPart BiasAddV1 InTopKV2 InvertPermutation Identity IdentityN StopGradient Snapshot Rank TileGrad
        ZerosLike OnesLike Switch BroadcastArgs BroadcastGradientArgs Reverse DiagPart Diag""",
    "T Tindex": "MatrixBandPart",
    "T align": "MatrixDiagV3 MatrixDiagPartV3 MatrixSetDiagV3",
    "T grad_a grad_b transpose_a transpose_b": "MatMul",
    "T adj_x adj_y grad_x grad_y": "BatchMatMul BatchMatMulV2",
    "Ta Tb Tout adj_x adj_y grad_x grad_y": "BatchMatMulV3",
    "N T equation": "Einsum",
    "T alpha": "LeakyRelu LeakyReluGrad",
    "N T": "AddN Concat DynamicStitch Merge",
    "T incompatible_shape_error": "Equal NotEqual",
    "T tolerance": "ApproximateEqual",
    "T Tidx keep_dims": "Sum Mean Prod Max Min EuclideanNorm",
    "Tidx keep_dims": "All Any",
    "T summarize": "Assert",
    "T Tidx exclusive reverse": "Cumsum Cumprod CumulativeLogsumexp",
    "T Tidx output_type": "ArgMax ArgMin",
    "T Tindices": "SegmentSum SegmentMean",
    "T Tindices Tnumsegments": "UnsortedSegmentSum UnsortedSegmentMax UnsortedSegmentMin UnsortedSegmentProd",
    "T Tlabels": "SparseSoftmaxCrossEntropyWithLogits",
    "T data_format dilations explicit_paddings padding strides use_cudnn_on_gpu": (
        "Conv2D Conv2DBackpropInput Conv2DBackpropFilter"
    ),
    "T data_format dilations explicit_paddings padding strides": (
        "DepthwiseConv2dNative DepthwiseConv2dNativeBackpropInput DepthwiseConv2dNativeBackpropFilter"
    ),
    "T data_format dilations padding strides": "Conv3D Conv3DBackpropFilterV2",
    "T Tshape data_format dilations padding strides": "Conv3DBackpropInputV2",
    "T data_format": "BiasAdd BiasAddGrad",
    "T data_format explicit_paddings ksize padding strides": "MaxPool MaxPoolGrad",
    "T data_format padding": "MaxPoolV2 MaxPoolGradV2",
    "T data_format ksize padding strides": "MaxPoolGradGrad AvgPool AvgPoolGrad MaxPool3D AvgPool3D AvgPool3DGrad",
    "T TInput data_format ksize padding strides": "MaxPool3DGrad",
    "T alpha beta bias depth_radius": "LRN LRNGrad",
    "T data_format epsilon exponential_avg_factor is_training": "FusedBatchNorm",
    "T U data_format epsilon exponential_avg_factor is_training": "FusedBatchNormV2 FusedBatchNormV3",
    "T data_format epsilon is_training": "FusedBatchNormGrad",
    "T U data_format epsilon is_training": "FusedBatchNormGradV2 FusedBatchNormGradV3",
    "T align_corners half_pixel_centers": (
        "ResizeBilinear ResizeBilinearGrad ResizeNearestNeighbor ResizeNearestNeighborGrad"
    ),
    "Tindices Tparams validate_indices": "Gather",
    "Taxis Tindices Tparams batch_dims": "GatherV2",
    "Tindices Tparams bad_indices_policy": "GatherNd",
    "T Tindices bad_indices_policy": "ScatterNd TensorScatterUpdate TensorScatterAdd TensorScatterSub",
    "Tindices batch_dims dtype validate_indices": "ResourceGather",
    "T TI axis": "OneHot",
    "T k sorted": "TopK",
    "T Tk index_type sorted": "TopKV2",
    "T k": "InTopK",
    "dtype value": "Const",
    "T message": "PreventGradient CheckNumerics",
    "dtype shape": "Placeholder",
    "DstT SrcT Truncate": "Cast",
    "T type": "Bitcast",
    "T out_type": "Shape Size",
    "N T out_type": "ShapeN",
    "T Tshape": "Reshape",
    "T Tdim": "ExpandDims",
    "T squeeze_dims": "Squeeze",
    "T Tperm": "Transpose ConjugateTranspose",
    "T Tmultiples": "Tile",
    "Index T": "Slice",
    "Index T begin_mask ellipsis_mask end_mask new_axis_mask shrink_axis_mask": "StridedSlice StridedSliceGrad",
    "T num_split": "Split",
    "T Tlen num_split": "SplitV",
    "N T Tidx": "ConcatV2",
    "N shape_type": "ConcatOffset",
    "N T axis": "Pack",
    "T axis num": "Unpack",
    "T Tpaddings": "Pad PadV2",
    "T Tpaddings mode": "MirrorPad MirrorPadGrad",
    "T index_type": "Fill",
    "Tidx": "Range",
    "T Tidx": "LinSpace BroadcastTo ReverseV2",
    "T Tlen batch_dim seq_dim": "ReverseSequence",
    "T Taxis Tshift": "Roll",
    "T block_size data_format": "SpaceToDepth DepthToSpace",
    "T Tblock_shape Tpaddings": "SpaceToBatchND",
    "T Tblock_shape Tcrops": "BatchToSpaceND",
    "T boundaries": "Bucketize",
    "T Tseed dtype": (
        "StatelessRandomUniform StatelessRandomNormal StatelessTruncatedNormal StatelessRandomUniformInt"
    ),
    "T Tseed output_dtype": "StatelessMultinomial",
    "Tshape dtype": (
        "StatelessRandomUniformV2 StatelessRandomNormalV2 StatelessTruncatedNormalV2 StatelessRandomUniformIntV2"
    ),
    "Tseed": "StatelessRandomGetKeyCounter StatelessRandomGetKeyCounterAlg",
    "dtype shape shared_name": "VarHandleOp",
    "dtype": "ReadVariableOp",
    "out_type": "VariableShape",
}

_UPDATES_BY_ATTRIBUTES = {
    "dtype": "AssignAddVariableOp AssignSubVariableOp",
    "dtype validate_shape": "AssignVariableOp",
    "Tindices dtype": "ResourceScatterAdd ResourceScatterSub ResourceScatterUpdate",
    "T use_locking": """
        ResourceApplyGradientDescent ResourceApplyAdaMax ResourceApplyAdamWithAmsgrad ResourceApplyAdagradDA
        ResourceApplyAdadelta ResourceApplyRMSProp ResourceApplyCenteredRMSProp ResourceApplyProximalGradientDescent
        ResourceApplyProximalAdagrad ResourceApplyPowerSign ResourceApplyAddSign""",
    "T use_locking use_nesterov": "ResourceApplyMomentum ResourceApplyKerasMomentum ResourceApplyAdam",
    "T update_slots use_locking": "ResourceApplyAdagrad ResourceApplyAdagradV2",
    "T multiply_linear_by_lr use_locking": "ResourceApplyFtrl ResourceApplyFtrlV2",
}

_FUNCTIONS = "tf.where(condition, a, b) chooses, a Python loop of fixed length repeats"
_PYTHON = "Python cannot run on the wafer; use TensorFlow's own operations, or do it in input_fn"
_FILES = "it reaches out of the graph; do it in input_fn, or outside of model_fn"
_SHAPE = "its result's shape depends on the data; tf.where(mask, a, b) keeps the shape"
_CHECK = "a check cannot stop training; leave it out, or do it in input_fn"

_WAYS = {
    **dict.fromkeys(("PyFunc", "EagerPyFunc", "PyFuncStateless", "NumpyFunc"), _PYTHON),
    **dict.fromkeys(("If", "StatelessIf", "While", "StatelessWhile", "Case", "StatelessCase"), _FUNCTIONS),
    **dict.fromkeys(("Enter", "Exit", "NextIteration", "RefSwitch", "LoopCond"), _FUNCTIONS),
    **dict.fromkeys(("PartitionedCall", "StatefulPartitionedCall"), "call the function without tf.function"),
    **dict.fromkeys(("ReadFile", "WriteFile", "SaveV2", "RestoreV2", "MatchingFiles"), _FILES),
    **dict.fromkeys(("Where", "BooleanMask", "Unique", "UniqueV2", "DynamicPartition", "ListDiff"), _SHAPE),
    **dict.fromkeys(("Assert", "AssertV2"), _CHECK),
    **dict.fromkeys(("Print", "PrintV2", "StringFormat"), "printing cannot leave the wafer; leave it out"),
    **dict.fromkeys(
        ("ScalarSummary", "WriteScalarSummary", "HistogramSummary", "MergeSummary", "ImageSummary"),
        "summaries are written outside of the wafer; leave it out of the loss and of train_op",
    ),
    **dict.fromkeys(
        ("VariableV2", "Variable", "Assign", "AssignAdd", "AssignSub", "TemporaryVariable"),
        "make it a resource variable: tf.compat.v1.get_variable(..., use_resource=True)",
    ),
    "RandomShuffle": "shuffle in input_fn; tf.argsort of tf.random.uniform gives a permutation",
    "StatefulUniform": "use tf.compat.v1.random.uniform, which is drawn from (seed, step, replica)",
    "Placeholder": "only features and labels come from outside; make it a constant or a feature",
}


def _library(groups: Mapping[str, str]) -> dict[str, frozenset[str]]:
    return {op: frozenset(attrs.split()) for attrs, ops in groups.items() for op in ops.split()}


UPDATES = frozenset(_library(_UPDATES_BY_ATTRIBUTES))
"""The operations that change a variable."""

KERNELS: Mapping[str, frozenset[str]] = MappingProxyType(
    {**_library(_BY_ATTRIBUTES), **_library(_UPDATES_BY_ATTRIBUTES)}
)
"""Every operation the wafer has a kernel for -> the attributes it may have."""


CHECKS = frozenset(("Assert",))
"""The operations for evaluation only, where metrics are counted by the host."""


def nearest_way(op: str) -> str:
    """What a user can do about an operation without a kernel: one clause, never empty."""
    if op in _WAYS:
        return _WAYS[op]
    if "TensorList" in op:
        return "a layer that loops over time needs unroll=True"
    near = nearest(op, tuple(KERNELS))
    return near if near.startswith("did") else "write it with arithmetic, matrix products, convolutions and reductions"
