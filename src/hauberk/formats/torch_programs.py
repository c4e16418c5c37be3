"""Programs of torch: the code of TorchScript and the graphs of torch.export, by their operators.

Both name operators that the loading process must answer. Those of torch and its own libraries
compute; a few reach files or other machines, and any other is code that somebody must bring.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from hauberk.errors import ArtifactError
from hauberk.formats.bounded_json import objects_of, read_json
from hauberk.formats.pickle_values import printable
from hauberk.formats.remarks import Grade, Remark, Said, evasive

_OPERATOR = re.compile(
    r"\bops\.(\w+)\.(\w+)\s*\(|\btorch\.(from_file|save|load|ops\.\w+\.\w+)\s*\("
)
_OWN_OPERATORS = frozenset(
    {"aten", "prim", "prims", "torchvision", "quantized", "_quantized", "sparse", "onednn"}
    | {"mkldnn", "xnnpack", "metal", "vulkan", "torchaudio", "fbgemm", "quantized_decomposed"}
    | {"inductor", "torch_sparse", "torch_scatter", "torch_cluster", "profiler", "cuda"}
)
_FILES = frozenset({"from_file", "save", "load"})
_IMPORT = re.compile(r"^[ \t]*(?:import|from)[ \t]+(?!__torch__\b)([A-Za-z_][\w.]*)", re.MULTILINE)
_PYTHON = re.compile(r"\^\w+\(")
_FOREIGN_CLASS = re.compile(r"__torch__\.torch\.classes\.(\w+)\.(\w+)")
_OWN_CLASSES = frozenset(
    {"quantized", "xnnpack", "sparse", "rnn", "onednn", "mkldnn", "torchaudio"}
)


def judge_script(text: str) -> Iterator[Said]:
    """Operators that the code of a TorchScript model calls."""
    if _PYTHON.search(text):
        yield Remark(Grade.DANGEROUS, "PythonOp", "calls a Python function of the process", 0)
    if found := _IMPORT.search(text):
        shown = printable(found[1])
        yield evasive(f"its code imports {shown}, which no writer of TorchScript writes")
    for call in _OPERATOR.finditer(text):
        space, name = call[1] or "torch", call[2] or call[3]
        if name in _FILES or space in {"rpc", "aten_rpc"}:
            grade, what = Grade.DANGEROUS, "reads or writes files, or calls other machines"
        elif space in _OWN_OPERATORS or (space == "torch" and name in _FILES):
            continue
        else:
            grade, what = Grade.CODE, "a library outside must bring"
        shown = printable(f"{space}.{name}")
        yield Remark(grade, shown, f"has the operator {shown}, which {what}", 0)
    for found in _FOREIGN_CLASS.finditer(text):
        if found[1] not in _OWN_CLASSES:
            shown = printable(found[0].removeprefix("__torch__."))
            text_ = f"has the class {shown}, which a library outside must bring"
            yield Remark(Grade.CODE, shown, text_, 0)


# torch.export

_TARGET = re.compile(r"torch\.ops\.(\w+)\.(\w+)(\.\w+)?")
_PLAIN_TARGET = re.compile(
    r"_operator\.\w+|math\.\w+|torch\.(sym_\w+|_sym_\w+|_check\w*)|torch\._higher_order_ops(\.\w+)+"
    r"|torch\._C\._set_grad_enabled|torch\.amp\.autocast_mode\._(enter|exit)_autocast|[a-z_]\w*"
)
_OWN_SPACES = _OWN_OPERATORS | {"higher_order", "profiler", "symm_mem", "inductor_prims", "_"}


def judge_export(data: bytes) -> Iterator[Said]:
    """Operators that a graph of torch.export calls, and functions that it names instead."""
    try:
        value = read_json(data)
    except ArtifactError as error:
        yield evasive(error.message)
        return
    targets = (node.get("target") for node in objects_of(value) if "inputs" in node)
    for target in dict.fromkeys(item for item in targets if isinstance(item, str)):
        yield from _target(target)


def _target(target: str) -> Iterator[Said]:
    shown = printable(target)
    found = _TARGET.fullmatch(target)
    if found is None:
        if not _PLAIN_TARGET.fullmatch(target):
            text = f"calls {shown}, which is no operator of a graph"
            yield Remark(Grade.DANGEROUS, target, text, 0)
    elif found[2] in _FILES or found[1] in {"rpc", "aten_rpc"}:
        text = f"has the operator {shown}, which reads or writes files, or calls other machines"
        yield Remark(Grade.DANGEROUS, target, text, 0)
    elif found[1] not in _OWN_SPACES:
        text = f"has the operator {shown}, which a library outside must bring"
        yield Remark(Grade.CODE, target, text, 0)
