"""The kernels as tables, one for each family: name | PyTorch's operations | TensorFlow's operations.

Behind a kernel's name: how many operations one element takes, where it is not one, and what its backward pass keeps:
`i` its inputs, `o` its result. PyTorch's operations are of ATen, with `.default` left out. TensorFlow's have the
attributes that they may have in brackets; `[T]` is left out.
"""

from __future__ import annotations

MATMUL = """
matmul i | addmm mm bmm baddbmm dot mv addmv linear | MatMul[T grad_a grad_b transpose_a transpose_b] \
    BatchMatMul[T adj_x adj_y grad_x grad_y] BatchMatMulV2[T adj_x adj_y grad_x grad_y] \
    BatchMatMulV3[Ta Tb Tout adj_x adj_y grad_x grad_y] Einsum[N T equation]
"""

ELEMENTWISE = """
add | add.Tensor add.Scalar | Add AddV2
add_n | | AddN[N T]
bias_add | | BiasAdd[T data_format] BiasAddV1
sub | sub.Tensor sub.Scalar rsub.Tensor rsub.Scalar | Sub
mul i | mul.Tensor mul.Scalar | Mul MulNoNan
div i | div.Tensor div.Scalar | Div DivNoNan RealDiv
floor_div 2 | div.Tensor_mode div.Scalar_mode | FloorDiv TruncateDiv
remainder 3 | remainder.Tensor remainder.Scalar fmod.Tensor fmod.Scalar | FloorMod TruncateMod Mod
neg | neg | Neg
abs i | abs | Abs
sign | sign | Sign
addcmul 2 i | addcmul |
addcdiv 2 i | addcdiv |
lerp 3 i | lerp.Scalar lerp.Tensor |
square i | square | Square
squared_difference 2 i | | SquaredDifference
sqrt 4 o | sqrt | Sqrt
sqrt_backward 2 | | SqrtGrad
rsqrt 4 o | rsqrt | Rsqrt
rsqrt_backward 3 | | RsqrtGrad
reciprocal 4 o | reciprocal | Reciprocal Inv
reciprocal_backward 3 | | ReciprocalGrad InvGrad
exp 8 o | exp exp2 expm1 | Exp Expm1
log 8 i | log log2 log10 | Log
log1p 8 i | log1p | Log1p
xlogy 9 i | | Xdivy Xlogy Xlog1py
pow 8 i | pow.Tensor_Scalar pow.Tensor_Tensor pow.Scalar | Pow
sin 8 i | sin | Sin
cos 8 i | cos | Cos
tan 8 o | tan | Tan
asin 8 i | asin acos atan atan2 | Asin Acos Atan Atan2
sinh 8 i | sinh cosh asinh acosh atanh | Sinh Cosh Asinh Acosh Atanh
erf 8 i | erf erfc | Erf Erfc
special 16 i | | Erfinv Ndtri Lgamma Digamma
round | floor ceil round trunc frac | Floor Ceil Round Rint
maximum i | maximum | Maximum
minimum i | minimum | Minimum
clamp i | clamp clamp.Tensor clamp_min clamp_max | ClipByValue
nan_to_num i | nan_to_num |
select i | where.self where.ScalarSelf where.ScalarOther where.Scalar | Select SelectV2
masked_fill i | masked_fill.Scalar masked_fill.Tensor |
next_after | | NextAfter
cross 3 i | | Cross
"""

COMPARISON = """
equal | eq.Tensor eq.Scalar | Equal[T incompatible_shape_error] ApproximateEqual[T tolerance]
not_equal | ne.Tensor ne.Scalar | NotEqual[T incompatible_shape_error]
less | lt.Tensor lt.Scalar | Less
less_equal | le.Tensor le.Scalar | LessEqual
greater | gt.Tensor gt.Scalar | Greater
greater_equal | ge.Tensor ge.Scalar | GreaterEqual
is_nan | isnan | IsNan
is_inf | isinf | IsInf
is_finite | isfinite | IsFinite
logical | logical_and logical_or logical_xor logical_not | LogicalAnd[] LogicalOr[] LogicalNot[]
bitwise | bitwise_and.Tensor bitwise_and.Scalar bitwise_or.Tensor bitwise_or.Scalar bitwise_xor.Tensor \
    bitwise_xor.Scalar bitwise_not | BitwiseAnd BitwiseOr BitwiseXor Invert
in_top_k 2 | | InTopK[T k] InTopKV2
"""

ACTIVATION = """
relu o | relu | Relu
relu_backward | threshold_backward | ReluGrad
relu6 2 o | | Relu6
relu6_backward 2 | | Relu6Grad
tanh 8 o | tanh | Tanh
tanh_backward 3 | tanh_backward | TanhGrad
sigmoid 8 o | sigmoid | Sigmoid
sigmoid_backward 3 | sigmoid_backward | SigmoidGrad
elu 9 io | elu | Elu
elu_backward 3 | elu_backward | EluGrad
selu 9 o | | Selu
selu_backward 3 | | SeluGrad
gelu 12 i | gelu |
gelu_backward 20 | gelu_backward |
silu 9 i | silu |
silu_backward 12 | silu_backward |
leaky_relu 2 i | leaky_relu | LeakyRelu[T alpha]
leaky_relu_backward 2 | leaky_relu_backward | LeakyReluGrad[T alpha]
hardtanh 2 i | hardtanh |
hardtanh_backward 2 | hardtanh_backward |
hardsigmoid 4 i | hardsigmoid |
hardsigmoid_backward 3 | hardsigmoid_backward |
hardswish 5 i | hardswish |
hardswish_backward 5 | hardswish_backward |
softplus 16 i | softplus | Softplus
softplus_backward 9 | softplus_backward | SoftplusGrad
softsign 3 i | | Softsign
softsign_backward 4 | | SoftsignGrad
mish 24 i | mish |
mish_backward 32 | mish_backward |
log_sigmoid 16 i | log_sigmoid_forward |
log_sigmoid_backward 10 | log_sigmoid_backward |
"""

REDUCTION = """
sum | sum sum.dim_IntList | Sum[T Tidx keep_dims]
mean | mean mean.dim | Mean[T Tidx keep_dims]
prod i | prod prod.dim_int | Prod[T Tidx keep_dims]
max i | amax max max.dim | Max[T Tidx keep_dims]
min i | amin min min.dim | Min[T Tidx keep_dims]
argmax | argmax | ArgMax[T Tidx output_type]
argmin | argmin | ArgMin[T Tidx output_type]
any | any any.dim any.dims | Any[Tidx keep_dims]
all | all all.dim | All[Tidx keep_dims]
cumulative i | cumsum | Cumsum[T Tidx exclusive reverse] Cumprod[T Tidx exclusive reverse] \
    CumulativeLogsumexp[T Tidx exclusive reverse]
variance 3 i | var.correction var.dim var_mean.correction std.correction |
logsumexp 10 io | logsumexp |
vector_norm 2 i | linalg_vector_norm norm.ScalarOpt_dim | EuclideanNorm[T Tidx keep_dims]
l2_loss 2 i | | L2Loss
bias_add_backward | | BiasAddGrad[T data_format]
"""

NORM = """
layer_norm 8 i | native_layer_norm |
rms_norm 5 i | |
group_norm 8 i | native_group_norm |
batch_norm 8 i | _native_batch_norm_legit.no_stats _native_batch_norm_legit_functional \
    _native_batch_norm_legit_no_training | FusedBatchNorm[T data_format epsilon exponential_avg_factor is_training] \
    FusedBatchNormV2[T U data_format epsilon exponential_avg_factor is_training] \
    FusedBatchNormV3[T U data_format epsilon exponential_avg_factor is_training]
batch_norm_backward 11 | | FusedBatchNormGrad[T data_format epsilon is_training] \
    FusedBatchNormGradV2[T U data_format epsilon is_training] FusedBatchNormGradV3[T U data_format epsilon is_training]
local_response_norm 12 i | | LRN[T alpha beta bias depth_radius]
local_response_norm_backward 24 | | LRNGrad[T alpha beta bias depth_radius]
"""

SOFTMAX = """
softmax 12 o | _softmax | Softmax
softmax_backward 4 | _softmax_backward_data |
log_softmax 12 o | _log_softmax | LogSoftmax
log_softmax_backward 11 | _log_softmax_backward_data |
"""

EMBEDDING = """
embedding 0 i | embedding | ResourceGather[Tindices batch_dims dtype validate_indices]
embedding_backward | embedding_dense_backward |
"""

CONVOLUTION = """
conv i | convolution | Conv2D[T data_format dilations explicit_paddings padding strides use_cudnn_on_gpu] \
    DepthwiseConv2dNative[T data_format dilations explicit_paddings padding strides] \
    Conv3D[T data_format dilations padding strides]
conv_transpose i | |
conv_backward i | convolution_backward |
conv_input_backward i | | \
    Conv2DBackpropInput[T data_format dilations explicit_paddings padding strides use_cudnn_on_gpu] \
    DepthwiseConv2dNativeBackpropInput[T data_format dilations explicit_paddings padding strides] \
    Conv3DBackpropInputV2[T Tshape data_format dilations padding strides]
conv_weight_backward i | | Conv2DBackpropFilter[T data_format dilations explicit_paddings padding strides \
    use_cudnn_on_gpu] DepthwiseConv2dNativeBackpropFilter[T data_format dilations explicit_paddings padding strides] \
    Conv3DBackpropFilterV2[T data_format dilations padding strides]
"""

POOLING = """
max_pool io | max_pool2d_with_indices | MaxPool[T data_format explicit_paddings ksize padding strides] \
    MaxPoolV2[T data_format padding] MaxPool3D[T data_format ksize padding strides]
max_pool_backward | max_pool2d_with_indices_backward | \
    MaxPoolGrad[T data_format explicit_paddings ksize padding strides] MaxPoolGradV2[T data_format padding] \
    MaxPoolGradGrad[T data_format ksize padding strides] MaxPool3DGrad[T TInput data_format ksize padding strides]
avg_pool | avg_pool1d avg_pool2d _adaptive_avg_pool2d | AvgPool[T data_format ksize padding strides] \
    AvgPool3D[T data_format ksize padding strides]
avg_pool_backward | avg_pool2d_backward _adaptive_avg_pool2d_backward | \
    AvgPoolGrad[T data_format ksize padding strides] AvgPool3DGrad[T data_format ksize padding strides]
resize 4 | upsample_nearest2d.vec upsample_bilinear2d.vec | ResizeBilinear[T align_corners half_pixel_centers] \
    ResizeNearestNeighbor[T align_corners half_pixel_centers]
resize_backward 4 i | | ResizeBilinearGrad[T align_corners half_pixel_centers] \
    ResizeNearestNeighborGrad[T align_corners half_pixel_centers]
"""

INDEXING = """
gather 0 i | gather index.Tensor index_select | Gather[Tindices Tparams validate_indices] \
    GatherV2[Taxis Tindices Tparams batch_dims] GatherNd[Tindices Tparams bad_indices_policy]
scatter i | scatter.value scatter.src scatter_add index_put select_scatter slice_scatter | \
    ScatterNd[T Tindices bad_indices_policy] TensorScatterUpdate[T Tindices bad_indices_policy] \
    TensorScatterAdd[T Tindices bad_indices_policy] TensorScatterSub[T Tindices bad_indices_policy] \
    DynamicStitch[N T]
segment i | | SegmentSum[T Tindices] SegmentMean[T Tindices] UnsortedSegmentSum[T Tindices Tnumsegments] \
    UnsortedSegmentMax[T Tindices Tnumsegments] UnsortedSegmentMin[T Tindices Tnumsegments] \
    UnsortedSegmentProd[T Tindices Tnumsegments]
slice_backward 0 | select_backward slice_backward | \
    StridedSliceGrad[Index T begin_mask ellipsis_mask end_mask new_axis_mask shrink_axis_mask]
top_k 8 i | topk sort | TopK[T k sorted] TopKV2[T Tk index_type sorted]
flip 0 | flip roll | Reverse ReverseV2[T Tidx] ReverseSequence[T Tlen batch_dim seq_dim] Roll[T Taxis Tshift]
triangle | tril triu | MatrixBandPart[T Tindex]
diagonal 0 | | MatrixDiag MatrixDiagPart MatrixDiagV3[T align] MatrixDiagPartV3[T align] MatrixSetDiagV3[T align] \
    DiagPart Diag
one_hot | | OneHot[T TI axis]
bucketize 8 | | Bucketize[T boundaries]
invert_permutation 0 | | InvertPermutation
"""

CAST = """
cast | _to_copy | Cast[DstT SrcT Truncate]
copy 0 | clone copy |
bitcast 0 | | Bitcast[T type]
"""

VIEW = """
reshape 0 | view _unsafe_view reshape squeeze squeeze.dim squeeze.dims unsqueeze | Reshape[T Tshape] \
    ExpandDims[T Tdim] Squeeze[T squeeze_dims]
transpose 0 | permute t transpose.int | Transpose[T Tperm] ConjugateTranspose[T Tperm]
expand 0 | expand | BroadcastTo[T Tidx]
slice 0 | select.int slice.Tensor diagonal unfold | Slice[Index T] \
    StridedSlice[Index T begin_mask ellipsis_mask end_mask new_axis_mask shrink_axis_mask]
split 0 | split.Tensor split_with_sizes unbind.int | Split[T num_split] SplitV[T Tlen num_split] Unpack[T axis num]
concat 0 | cat stack | Concat[N T] ConcatV2[N T Tidx] Pack[N T axis]
repeat 0 | repeat | Tile[T Tmultiples] TileGrad
pad 0 | constant_pad_nd | Pad[T Tpaddings] PadV2[T Tpaddings] MirrorPad[T Tpaddings mode] \
    MirrorPadGrad[T Tpaddings mode]
space 0 | | SpaceToDepth[T block_size data_format] DepthToSpace[T block_size data_format] \
    SpaceToBatchND[T Tblock_shape Tpaddings] BatchToSpaceND[T Tblock_shape Tcrops]
branch 0 | | Switch Merge[N T]
identity 0 | alias detach | Identity IdentityN StopGradient Snapshot PreventGradient[T message] \
    CheckNumerics[T message]
"""

CONSTANT = """
constant 0 | full full_like zeros zeros_like ones ones_like scalar_tensor arange arange.start arange.start_step eye \
    new_zeros new_ones new_full fill.Scalar | Const[dtype value] Fill[T index_type] ZerosLike OnesLike Range[Tidx] \
    LinSpace[T Tidx]
shape 0 | | Shape[T out_type] ShapeN[N T out_type] Size[T out_type] Rank VariableShape[out_type] BroadcastArgs \
    BroadcastGradientArgs ConcatOffset[N shape_type]
"""

LOSS = """
nll_loss 1 i | nll_loss_forward |
nll_loss_backward | nll_loss_backward |
cross_entropy 16 io | | SoftmaxCrossEntropyWithLogits SparseSoftmaxCrossEntropyWithLogits[T Tlabels]
mse_loss 3 i | mse_loss |
mse_loss_backward 3 | mse_loss_backward |
smooth_l1_loss 5 i | smooth_l1_loss huber_loss |
smooth_l1_loss_backward 5 | smooth_l1_loss_backward huber_loss_backward |
binary_cross_entropy 20 i | binary_cross_entropy binary_cross_entropy_with_logits |
binary_cross_entropy_backward 10 | binary_cross_entropy_backward |
"""

RANDOM = """
dropout 4 o | native_dropout |
dropout_backward 2 | native_dropout_backward |
bernoulli 4 | bernoulli bernoulli.p |
random 3 | rand randn rand_like randn_like | \
    StatelessRandomUniform[T Tseed dtype] StatelessRandomNormal[T Tseed dtype] \
    StatelessTruncatedNormal[T Tseed dtype] StatelessRandomUniformInt[T Tseed dtype] \
    StatelessMultinomial[T Tseed output_dtype] StatelessRandomUniformV2[Tshape dtype] \
    StatelessRandomNormalV2[Tshape dtype] StatelessTruncatedNormalV2[Tshape dtype] \
    StatelessRandomUniformIntV2[Tshape dtype]
random_key 0 | | StatelessRandomGetKeyCounter[Tseed] StatelessRandomGetKeyCounterAlg[Tseed] StatelessRandomGetAlg[]
"""

ASSERTION = """
assertion 0 | _assert_tensor_metadata | NoOp[] Assert[T summarize]
"""

STATE = """
variable 0 | | VarHandleOp[dtype shape shared_name] ReadVariableOp[dtype] VarIsInitializedOp[]
input 0 | | Placeholder[dtype shape]
"""

UPDATE = """
assign | | AssignVariableOp[dtype validate_shape] AssignAddVariableOp[dtype] AssignSubVariableOp[dtype] \
    ResourceScatterAdd[Tindices dtype] ResourceScatterSub[Tindices dtype] ResourceScatterUpdate[Tindices dtype]
sgd 2 | | ResourceApplyGradientDescent[T use_locking] ResourceApplyProximalGradientDescent[T use_locking]
momentum 4 | | ResourceApplyMomentum[T use_locking use_nesterov] ResourceApplyKerasMomentum[T use_locking use_nesterov]
adam 13 | | ResourceApplyAdam[T use_locking use_nesterov] ResourceApplyAdamWithAmsgrad[T use_locking]
adamw 15 | |
adamax 11 | | ResourceApplyAdaMax[T use_locking]
adadelta 14 | | ResourceApplyAdadelta[T use_locking]
adafactor 16 | |
adagrad 6 | | ResourceApplyAdagrad[T update_slots use_locking] ResourceApplyAdagradV2[T update_slots use_locking] \
    ResourceApplyAdagradDA[T use_locking] ResourceApplyProximalAdagrad[T use_locking]
asgd 6 | |
ftrl 14 | | \
    ResourceApplyFtrl[T multiply_linear_by_lr use_locking] ResourceApplyFtrlV2[T multiply_linear_by_lr use_locking]
lamb 21 | |
nadam 16 | |
power_sign 12 | | ResourceApplyPowerSign[T use_locking] ResourceApplyAddSign[T use_locking]
radam 18 | |
rmsprop 10 | | ResourceApplyRMSProp[T use_locking] ResourceApplyCenteredRMSProp[T use_locking]
rprop 8 | |
"""

TABLES = {
    "matmul": MATMUL,
    "elementwise": ELEMENTWISE,
    "comparison": COMPARISON,
    "activation": ACTIVATION,
    "reduction": REDUCTION,
    "norm": NORM,
    "softmax": SOFTMAX,
    "embedding": EMBEDDING,
    "convolution": CONVOLUTION,
    "pooling": POOLING,
    "indexing": INDEXING,
    "cast": CAST,
    "view": VIEW,
    "constant": CONSTANT,
    "loss": LOSS,
    "random": RANDOM,
    "assertion": ASSERTION,
    "state": STATE,
    "update": UPDATE,
}
