"""Which format bytes are in that are no container, no stream and no pickle.

Most have a magic number; messages of protobuf are told by their whole structure, texts by
what stands in them. A name only helps where content cannot tell.
"""

from __future__ import annotations

import re

from hauberk.formats.late_patterns import ending_of, late
from hauberk.formats.parts import Kind, Part, Place
from hauberk.formats.spans import Span
from hauberk.formats.torch_archives import AOT, PACKED, PROGRAM

SKOPS_SCHEMA = "schema.json"


_MAGICS: tuple[tuple[int, bytes, Kind, str], ...] = (
    (0, b"\x89HDF\r\n\x1a\n", Kind.HDF5, "HDF5"),
    (0, b"GGUF", Kind.GGUF, "GGUF"),
    (4, b"TFL3", Kind.TFLITE, "TensorFlow Lite"),
    (0, b"Rar!\x1a\x07", Kind.UNREAD, "RAR archive"),
    (0, b"LZIP", Kind.UNREAD, "lzip stream"),
    (0, b"ptrt", Kind.UNREAD, "TensorRT engine"),
    (0, b"ftrt", Kind.UNREAD, "TensorRT engine"),
    (0, b"RKNN", Kind.UNREAD, "RKNN model"),
    (0, b"IMOD", Kind.UNREAD, "Ascend model"),
    (0, b"LDMK", Kind.UNREAD, "K210 model"),
    (4, b"ET12", Kind.UNREAD, "ExecuTorch program"),
    (0, b"\xac\xed\x00\x05", Kind.UNREAD, "serialized Java object"),
    (0, b"X\n\0\0\0", Kind.R_DATA, "R data"),
    (0, b"B\n\x02\0\0\0", Kind.R_DATA, "R data"),
    (0, b"B\n\x03\0\0\0", Kind.R_DATA, "R data"),
    (0, b"A\n2\n", Kind.R_DATA, "R data"),
    (0, b"A\n3\n", Kind.R_DATA, "R data"),
    (0, b"RDX2\nX\n", Kind.R_DATA, "R data"),
    (0, b"RDX3\nX\n", Kind.R_DATA, "R data"),
    (0, b"RDA2\nA\n", Kind.R_DATA, "R data"),
    (0, b"RDA3\nA\n", Kind.R_DATA, "R data"),
    (0, b"RDB2\nB\n", Kind.R_DATA, "R data"),
    (0, b"RDB3\nB\n", Kind.R_DATA, "R data"),
    (0, b"lmgg", Kind.UNREAD, "GGML file"),
    (0, b"tjgg", Kind.UNREAD, "GGML file"),
    (0, b"fmgg", Kind.UNREAD, "GGML file"),
    (0, b"MZqFpD", Kind.UNREAD, "llamafile"),
    (0, b"MATLAB 5.0 MAT-file", Kind.MATLAB, "MATLAB file"),
    (0, b"CBM1", Kind.BOOSTER, "CatBoost model"),
    (0, b"binf", Kind.BOOSTER, "XGBoost binary"),
    (0, b"PAR1", Kind.FOREIGN, "Parquet"),
    (0, b"ORC", Kind.FOREIGN, "ORC"),
    (0, b"ARROW1", Kind.FOREIGN, "Arrow"),
    (0, b"\xff\xff\xff\xff", Kind.FOREIGN, "Arrow stream"),
    (0, b"\x89PNG\r\n\x1a\n", Kind.FOREIGN, "PNG"),
    (0, b"\xff\xd8\xff", Kind.FOREIGN, "JPEG"),
    (0, b"GIF8", Kind.FOREIGN, "GIF"),
    (8, b"WEBP", Kind.FOREIGN, "WebP"),
    (0, b"II*\0", Kind.FOREIGN, "TIFF"),
    (0, b"MM\0*", Kind.FOREIGN, "TIFF"),
    (0, b"BM", Kind.FOREIGN, "bitmap"),
    (0, b"%PDF-", Kind.FOREIGN, "PDF"),
    (0, b"SQLite format 3\0", Kind.DATA, "SQLite"),
    (0, b"RIFF", Kind.FOREIGN, "RIFF"),
    (0, b"OggS", Kind.FOREIGN, "Ogg"),
    (0, b"fLaC", Kind.FOREIGN, "FLAC"),
    (0, b"ID3", Kind.FOREIGN, "MP3"),
    (4, b"ftyp", Kind.FOREIGN, "MP4"),
    (0, b"wOF", Kind.FOREIGN, "font"),
    (0, b"\0\x01\0\0\0", Kind.FOREIGN, "font"),
    (0, b"\x7fELF", Kind.FOREIGN, "ELF program"),
    (0, b"\xcf\xfa\xed\xfe", Kind.FOREIGN, "Mach-O program"),
    (0, b"MZ\x90\0", Kind.FOREIGN, "Windows program"),
    (0, b"\xca\xfe\xba\xbe", Kind.FOREIGN, "Java class"),
)
"""Offset, bytes, what it means, name."""

_BYTES_ENDINGS = frozenset(
    {"safetensors", "gguf", "onnx", "keras", "h5", "hdf5", "pth", "joblib", "tflite", "npy", "npz"}
    | {"skops"}
)
"""Endings of formats that are bytes; old pickles are text, and ``.pt`` is Portuguese too."""

_MODEL_ENDINGS = _BYTES_ENDINGS | {"pt", "pkl", "pickle", "ckpt"}
_WEIGHTS_NAME = late(
    r"(^|/)(pytorch_model|model|adapter_model|diffusion_pytorch_model|consolidated|weights|checkpoint"
    r"|ggml|flax_model|encoder|decoder|openvino_model)[\w.-]*\.bin$",
    re.IGNORECASE,
)
POINTER = "a pointer of Git LFS, and not the model"
COMPILED = "compiled Python"
_NATIVE = frozenset({"ELF program", "Windows program", "Mach-O program", COMPILED})
_COMPILED = re.compile(rb"[\s\S]{2}\r\n[\0-\x03]\0\0\0[\s\S]{8}[c\xe3]")
"""The mark of a release of Python, flags, a time or a hash, and code as marshal keeps it."""

_UBJ = re.compile(rb"\{[LlIiU#]")


def plain_part(span: Span, head: bytes, place: Place) -> Part:
    """The one part that bytes are, by their content."""
    kind, detail = _plain_kind(span, head)
    if kind is Kind.UNKNOWN and place.name.lower().endswith(".safetensors"):
        kind = Kind.SAFETENSORS  # its reader says what is wrong with the header
    if kind in {Kind.UNKNOWN, Kind.ONNX} and _is_fingerprint(span, place.name):
        kind, detail = Kind.DATA, "fingerprint"
    if kind is Kind.TEXT:
        kind, detail = _text_part(span, head, place)
    elif kind is Kind.UNKNOWN and head.startswith(b"#!"):
        kind, detail = Kind.CODE, PROGRAM if _claims_model(place.name) else PACKED
    elif place.code == AOT and detail in _NATIVE:
        kind, detail = Kind.CODE, AOT
    elif detail in _NATIVE and _claims_model(place.name):
        kind, detail = Kind.CODE, PROGRAM
    return Part(kind, span, place.inner, detail=detail)


def _is_fingerprint(span: Span, name: str) -> bool:
    """A few hashes have no magic; the name that TensorFlow gives them stands in for it."""
    if re.split(r"[/\\\\]", name)[-1] != "fingerprint.pb":
        return False
    from hauberk.formats.tensorflow_kinds import is_fingerprint

    return is_fingerprint(span)


def _claims_model(name: str) -> bool:
    return bool(ending_of(name) in _MODEL_ENDINGS or _WEIGHTS_NAME().search(name))


def _text_part(span: Span, head: bytes, place: Place) -> tuple[Kind, str]:
    if _claims_model(place.name) and head.startswith(b"#!"):
        return Kind.CODE, PROGRAM
    if _claims_model(place.name) and head.startswith(b"version https://git-lfs"):
        return Kind.UNREAD, POINTER
    if place.inner[-1:] == (SKOPS_SCHEMA,):
        return Kind.SKOPS, "skops schema"
    if place.code and place.name.endswith(".py"):
        return Kind.CODE, place.code
    from hauberk.formats.fetched_packages import REQUIREMENTS
    from hauberk.formats.text_kinds import TextKind, is_site_paths, text_kind

    is_list = place.code and REQUIREMENTS.search(place.name)
    if found := TextKind.REQUIREMENTS if is_list else text_kind(span, head, place.name):
        return Kind.MODEL_TEXT, found
    ending = ending_of(place.name)
    is_other = ending in _BYTES_ENDINGS or _WEIGHTS_NAME().search(place.name) is not None
    is_other = is_other and not (ending == "pth" and is_site_paths(head, span.size))
    return (Kind.UNREAD, "text, and no model as its name says") if is_other else (Kind.TEXT, "text")


def _plain_kind(span: Span, head: bytes) -> tuple[Kind, str]:
    if head[8:9] == b"{" and head[5:8] == b"\0\0\0":  # a length below 2**40, then JSON
        return Kind.SAFETENSORS, "safetensors"
    for at, magic, kind, detail in _MAGICS:
        if head[at : at + len(magic)] == magic:
            return kind, detail
    if is_text(head):
        return Kind.TEXT, "text"
    if _UBJ.match(head):
        return Kind.BOOSTER, "UBJSON"
    return _message_kind(span)


def _message_kind(span: Span) -> tuple[Kind, str]:
    """Formats that only their whole structure tells."""
    from hauberk.formats.bson_files import is_bson
    from hauberk.formats.core_ml import is_core_ml
    from hauberk.formats.onnx_files import is_onnx
    from hauberk.formats.paddle_files import PARAMETERS, is_parameters, is_program
    from hauberk.formats.plain_data import data_kind
    from hauberk.formats.tensorflow_kinds import graph_kind

    head = span.read(0, 17)
    if _COMPILED.match(head):
        return Kind.UNKNOWN, COMPILED
    if data := data_kind(span):
        return Kind.DATA, data
    for is_it, kind, detail in (
        (is_onnx, Kind.ONNX, "ONNX"),
        (graph_kind, Kind.GRAPH, "TensorFlow graph"),
        (is_core_ml, Kind.CORE_ML, "Core ML"),
        (is_parameters, Kind.DATA, PARAMETERS),
        (is_program, Kind.PADDLE, "Paddle"),
        (is_bson, Kind.BSON, "BSON"),
    ):
        if is_it(span):
            return kind, detail
    return Kind.UNKNOWN, "unknown"


def is_text(head: bytes) -> bool:
    """Whether the first bytes are UTF-8 text or a legacy encoding of a language of Europe."""
    if b"\0" in head:
        return head.startswith((b"\xff\xfe", b"\xfe\xff"))
    controls = sum(byte < 32 and byte not in b"\t\n\r\f\x1b" for byte in head)  # noqa: PLR2004
    if controls:
        return False
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start > len(head) - 4 or sum(byte > 127 for byte in head) < len(head) // 4  # noqa: PLR2004
    return True
