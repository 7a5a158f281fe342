"""Ops by how they treat the rows of a batch."""

from __future__ import annotations

SIZES_OF = frozenset({"Shape", "ShapeN", "Size", "Rank"})

READS = frozenset({"LookupTableFind", "LookupTableFindV2", "LookupTableSizeV2", "ReadVariableOp"})
"""They must stay in order with what writes; what they read is the same for all rows."""

ANY_AXIS = frozenset(
    """
    Abs Acos Acosh Add AddN AddV2 AsString Asin Asinh Atan Atan2 Atanh BesselI0e BesselI1e
    Bitcast BitwiseAnd BitwiseOr BitwiseXor Bucketize Cast Ceil CheckNumerics ClipByValue
    Complex ComplexAbs Conj Cos Cosh DecodeBase64 Digamma Div DivNoNan Elu EncodeBase64
    EnsureShape Equal Erf Erfc Exp Expm1 FakeQuantWithMinMaxArgs FakeQuantWithMinMaxVars
    FakeQuantWithMinMaxVarsPerChannel Floor FloorDiv FloorMod Greater GreaterEqual Identity Imag
    Invert IsFinite IsInf IsNan LeakyRelu LeftShift Less LessEqual Lgamma Log Log1p LogicalAnd
    LogicalNot LogicalOr LookupTableFind LookupTableFindV2 Maximum Minimum Mod Mul MulNoNan
    Ndtri Neg NotEqual OnesLike Pow PreventGradient Real RealDiv Reciprocal RegexFullMatch
    RegexReplace Relu Relu6 RightShift Rint Round Rsqrt Select SelectV2 Selu Sigmoid Sign Sin
    Sinh Snapshot Softplus Softsign Sqrt Square SquaredDifference StaticRegexFullMatch
    StaticRegexReplace StopGradient StringJoin StringLength StringLower StringStrip
    StringToHashBucket StringToHashBucketFast StringToHashBucketStrong StringToNumber
    StringUpper Sub Substr Tan Tanh TruncateDiv TruncateMod UnicodeTranscode Xdivy Xlog1py Xlogy
    ZerosLike
    """.split()  # noqa: SIM905 # a list of words is read sooner than a column
)
"""Element by element."""

FIRST_AXIS = frozenset(
    """
    AdjustContrastv2 AdjustHue AdjustSaturation AvgPool AvgPool3D BatchToSpaceND BiasAdd
    BiasAddV1 Conv2D Conv3D DepthToSpace DepthwiseConv2dNative HSVToRGB LRN LogSoftmax MaxPool
    MaxPool3D MaxPoolV2 RGBToHSV ResizeArea ResizeBicubic ResizeBilinear ResizeNearestNeighbor
    Softmax SpaceToBatchND SpaceToDepth TopKV2
    """.split()  # noqa: SIM905 # likewise
)
"""Row by row along the first axis of the first input; no other input depends on rows."""

REDUCTIONS = frozenset({"All", "Any", "EuclideanNorm", "Max", "Mean", "Min", "Prod", "Sum"})

TWO_FACTORS = frozenset({"BatchMatMul", "BatchMatMulV2", "BatchMatMulV3"})
"""Products that have the rows as an axis over which nothing is summed."""

TAKE_SIZES = frozenset(
    """
    BatchToSpaceND BroadcastTo MirrorPad Pad PadV2 Reshape ResizeArea ResizeBicubic ResizeBilinear
    ResizeNearestNeighbor Slice SpaceToBatchND StridedSlice Tile
    """.split()  # noqa: SIM905 # likewise
)
"""Those of them that may be told the number of rows, as a size and not to compute with it."""

REPEAT = {"Fill": 1, "Tile": 0, "BroadcastTo": 0}
"""They write the same as often as they are told; with the place of what they repeat."""

KEEP_ALIKE = ANY_AXIS | frozenset(
    """
    ConcatV2 ExpandDims Gather GatherV2 MatrixBandPart OneHot Pack Range Reshape Slice Squeeze
    StridedSlice Transpose
    """.split()  # noqa: SIM905 # likewise
)
"""Elements that do not depend on the number of rows still do not after these."""
