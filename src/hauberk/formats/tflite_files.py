"""TensorFlow Lite models: the flatbuffer's tables, its operators and its buffers.

A flatbuffer is a web of offsets that readers in C++ follow; each is checked against the file
before it is followed. Numbers of fields and types are those of ``schema.fbs``, version 3.
"""

from __future__ import annotations

from collections.abc import Iterator

from hauberk.errors import ArtifactError
from hauberk.formats.flatbuffers import FlatFile, FlatTable
from hauberk.formats.pickle_values import printable
from hauberk.formats.remarks import Grade, Remark, Said, evasive
from hauberk.formats.savedmodel_files import judge_operator
from hauberk.formats.spans import Span
from hauberk.formats.tensorflow_operators import WRITES_CHECKPOINT

MAGIC = b"TFL3"
_WHAT = "TensorFlow Lite model"

_CUSTOM = 32
_WIDTHS = {0: 4, 1: 2, 2: 4, 3: 1, 4: 8, 6: 1, 7: 2, 8: 8, 9: 1, 10: 8, 11: 16, 12: 8, 15: 4, 16: 2}
"""Bytes of one element, by type; strings, resources and packed types have none."""

_KNOWN = frozenset(
    """
    TFLite_Detection_PostProcess Mfcc AudioSpectrogram NumericVerify Convolution2DTransposeBias
    MaxPoolingWithArgmax2D MaxUnpooling2D TransformTensorBilinear TransformLandmarks
    Landmarks2TransformMatrix RandomStandardNormal RandomUniform Multinomial Atan2 Sign
    IRFFT2D RFFT2D HashtableLookup Hashtable_Lookup aeq.hertz_scale edgetpu-custom-op
    NGrams SequenceStringProjection SequenceStringProjectionV2 Predict Normalize ExtractFeatures
    CustomWhitespaceTokenizer WhitespaceTokenizer RaggedTensorToTensor Roll Cumsum PReLU
    """.split()  # noqa: SIM905 - a table of names reads better as words
)
"""Custom operators that TensorFlow Lite, its support library and MediaPipe ship."""


def judge_tflite(span: Span) -> Iterator[Said]:
    """What is wrong with the model; nothing where it is ordinary."""
    try:
        file = FlatFile(span, _WHAT)
        model = file.table(file.follow(0))
        yield from _operators(model)
        sizes: list[int] = []
        yield from _buffers(model, sizes)
        for graph in model.tables(2):
            yield from _tensors(graph, sizes)
    except ArtifactError as error:
        yield evasive(error.message)


def _operators(model: FlatTable) -> Iterator[Said]:
    seen: set[str] = set()
    for code in model.tables(1):
        number = max(code.number(3, 4), code.number(0, 1))
        name = code.text(1)
        if number == _CUSTOM and name not in seen:
            seen.add(name)
            yield from _custom(name)


def _custom(name: str) -> Iterator[Remark]:
    shown = printable(name)
    if name.startswith("Flex"):
        yield from judge_operator(name[4:], "Flex")
        if name[4:] in WRITES_CHECKPOINT:
            text = f"has the operator {shown}, which writes files where the model is run"
            yield Remark(Grade.CODE, name, text, 0)
    elif name not in _KNOWN:
        text = f"has the custom operator {shown!r}: native code that a library outside must bring"
        yield Remark(Grade.CODE, name, text, 0)


def _buffers(model: FlatTable, sizes: list[int]) -> Iterator[Said]:
    """Bytes of each buffer; those behind the flatbuffer are named by offset and size."""
    for buffer in model.tables(4):
        size = buffer.vector(0, 1)[1]
        offset, length = buffer.number(1, 8) & _FULL, buffer.number(2, 8) & _FULL
        if offset > 1 and offset + length > buffer.file.size:
            yield evasive(f"a buffer reaches to byte {offset + length} of {buffer.file.size}")
        sizes.append(length if offset > 1 else size)


_FULL = (1 << 64) - 1


def _tensors(graph: FlatTable, sizes: list[int]) -> Iterator[Said]:
    for tensor in graph.tables(0):
        buffer = tensor.number(2, 4) & 0xFFFFFFFF
        if buffer >= len(sizes):
            yield evasive("a tensor names a buffer that does not exist")
            return
        width = _WIDTHS.get(tensor.number(1, 1), 0)
        if not width or not sizes[buffer] or tensor.place(6):
            continue  # no constant, strings, or sparse
        start, count = tensor.vector(0, 4)
        claimed = width
        for axis in range(count):
            claimed *= tensor.file.number(start + 4 * axis, 4, signed=True)
        if claimed != sizes[buffer]:
            yield evasive(f"a tensor of {claimed} bytes has a buffer of {sizes[buffer]}")
            return
