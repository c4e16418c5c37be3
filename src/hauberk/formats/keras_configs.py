"""Configurations of Keras models: which classes and functions loading would look up and run.

A configuration is JSON that names classes by module and name; Keras 3 imports the module.
Honest files name Keras's own. A lambda layer brings compiled code. Bytes and names are
judged as text: nothing is decoded to code, imported or built. The rules follow Keras's own
``serialization_lib`` and the advisories about ways around its safe mode (CVE-2024-3660,
CVE-2025-1550, CVE-2025-8747, CVE-2025-9905, CVE-2025-9906, CVE-2025-12058, CVE-2025-49655).
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from typing import Any

from hauberk.errors import ArtifactError
from hauberk.formats.bounded_json import Doubled, objects_of, read_json
from hauberk.formats.code_judgement import is_dangerous_name, telling_names
from hauberk.formats.pickle_values import printable
from hauberk.formats.remarks import Grade, Remark, evasive

_OWN = re.compile(r"(tensorflow\.(python\.)?|tf_)?keras(_hub|_nlp|_cv|_tuner)?(\.|$)")
_BUILDING = re.compile(
    r"(tensorflow\.(python\.)?|tf_)?keras(_hub|_nlp|_cv)?(\.src|\.engine|\._tf_keras|\.api|\.keras)*"
    r"(\.(layers|optimizers|losses|metrics|initializers|regularizers|constraints|activations"
    r"|models|dtype_policies|quantizers|random|ops|backend|mixed_precision|preprocessing"
    r"|tokenizers|samplers|engine|distribution|saving\.object_registration)(\.|$)|$)"
)
_FUNCTION_HOMES = re.compile(
    r"(tensorflow\.(python\.)?|tf_)?keras(\.src)?\.(activations|losses|metrics|ops|initializers"
    r"|regularizers|constraints|random)(\.|$)"
)
_LOADS_MORE = frozenset(
    {"TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer", "get_file", "load_model"}
    | {"load_weights", "model_from_json", "enable_unsafe_deserialization", "load_img"}
)
_PATHS = frozenset({"vocabulary", "filepath", "file_path", "origin", "url", "idf_weights"})
_ADDRESS = re.compile(r"^(\w{2,10}://|/|\\\\|[A-Za-z]:\\|~|\.\.?/|file:)")
_SPECIAL = re.compile(r"__(tensor|numpy|bytes|ellipsis|slice|tuple|set|typespec|keras_tensor)__")


def is_keras(value: Any) -> bool:
    """Whether JSON is the configuration of a Keras model or layer."""
    return (
        isinstance(value, dict)
        and isinstance(value.get("class_name"), str)
        and isinstance(value.get("config"), (dict, list, str))
    )


def judge_keras(data: bytes) -> Iterator[Remark]:
    """Remarks about a configuration; none about JSON that is none."""
    try:
        value = read_json(data)
    except ArtifactError as error:
        yield evasive(error.message)
        return
    yield from judge_keras_value(value)


def judge_keras_value(value: Any) -> Iterator[Remark]:
    """The same for JSON that has been read."""
    for node in objects_of(value):
        if isinstance(node.get("class_name"), str):
            if isinstance(node, Doubled) or isinstance(node.get("config"), Doubled):
                yield evasive("a key stands twice in the configuration of one layer")
            yield from _named(node)
        yield from _addresses(node)


def _named(node: dict[str, Any]) -> Iterator[Remark]:
    name, module = node["class_name"], node.get("module")
    config = node.get("config")
    if name == "__lambda__":
        yield from _code(config)
        return
    if name == "Lambda":
        yield from _lambda_layer(config)
    if name == "TFOpLambda" and isinstance(config, dict):
        yield from _operation(config.get("function"))
    if name in _LOADS_MORE:
        text = f"builds a {name}, which loads or runs what the model file does not show"
        yield Remark(Grade.CODE, name, text, 0)
    if name == "function" and isinstance(config, str):
        yield from _function(module, config, node.get("registered_name"))
    elif isinstance(module, str) and not _SPECIAL.fullmatch(name):
        yield from _class(module, name)
    else:
        yield from _registered(module, node.get("registered_name"))
    if isinstance(config, dict):
        yield from _functions_by_name(config)


def _registered(module: Any, name: Any) -> Iterator[Remark]:
    """A class that no module has: whoever loads the model has registered it before."""
    if module is None and ">" in str(name):
        shown = printable(str(name))[:120]
        text = f"needs the class {shown!r}, which the program that loads it must bring"
        yield Remark(Grade.UNKNOWN, shown, text, 0)


_FILE_OPERATIONS = re.compile(
    r"(io|raw_ops|summary|saved_model|train|py_function|numpy_function|data)(\.|$)|.*\b(read|write|save|load|print)"
    r"(_|$)|.*(ReadFile|WriteFile|PyFunc)"
)
_MATHS_OF_BYTES = re.compile(
    r"(io\.)?(decode_\w+|parse_\w+)|raw_ops\.(?!\w*(File|Func|Save|Restore))\w+"
)


def _operation(function: Any) -> Iterator[Remark]:
    """A function of TensorFlow by its name, such as ``math.add``."""
    name = str(function)
    if _FILE_OPERATIONS.match(name) and not _MATHS_OF_BYTES.fullmatch(name):
        text = f"calls tf.{printable(name)[:80]}, which reaches files or Python"
        yield Remark(Grade.CODE, name, text, 0)


def _class(module: str, name: str) -> Iterator[Remark]:
    path = f"{module}.{name}"
    if module == "builtins" or is_dangerous_name(module, name):
        yield _runs(path, f"imports {printable(path)}, and calls it")
    elif not _OWN.match(module):
        text = f"imports {printable(path)}, which is no part of Keras"
        yield Remark(Grade.CODE, path, text, 0)
    elif not _BUILDING.match(module):
        yield _runs(path, f"builds {printable(path)}, which is no part of a model")


def _runs(about: str, text: str) -> Remark:
    return Remark(Grade.DANGEROUS, about, text, 0)


def _function(module: Any, name: str, registered: Any) -> Iterator[Remark]:
    path = f"{module}.{name}" if isinstance(module, str) else name
    home = module if isinstance(module, str) else ""
    if home in {"", "builtins"} and registered in {None, "function", name} and home != "builtins":
        yield Remark(Grade.UNKNOWN, path, f"needs a function {printable(path)!r} from outside", 0)
    elif is_dangerous_name(home, name) or name in _LOADS_MORE:
        yield _runs(path, f"looks up the function {printable(path)}, and calls it")
    elif home == "builtins":
        text = f"needs a function {printable(name)!r} that the file does not bring"
        yield Remark(Grade.UNKNOWN, path, text, 0)
    elif not _FUNCTION_HOMES.match(home):
        text = f"looks up the function {printable(path)}, which is no part of a model"
        yield Remark(Grade.CODE, path, text, 0)


def _functions_by_name(config: dict[str, Any]) -> Iterator[Remark]:
    """Older files keep the module of a layer's function beside its name."""
    for key in ("module", "function_module", "fn_module"):
        module = config.get(key)
        function = config.get("function") or config.get("fn") or config.get("name") or ""
        if isinstance(module, str) and isinstance(function, str) and not _OWN.match(module):
            path = f"{module}.{function}"
            if key == "module" and module == "__main__":
                continue
            is_known = is_dangerous_name(module, function)
            grade = Grade.DANGEROUS if is_known else Grade.UNKNOWN
            yield Remark(grade, path, f"looks up the function {printable(path)}", 0)


def _lambda_layer(config: Any) -> Iterator[Remark]:
    """A lambda layer; its function is compiled code, or a name from outside."""
    function = config.get("function") if isinstance(config, dict) else None
    kind = config.get("function_type") if isinstance(config, dict) else None
    if isinstance(function, dict) and function.get("class_name") == "__tuple__":
        function = function.get("items")  # a tuple as TensorFlow 2 writes it
    if isinstance(function, list) and function:
        yield from _code({"code": function[0]})
    elif isinstance(function, dict) and isinstance(function.get("class_name"), str):
        return  # judged as an object of its own
    elif isinstance(function, str) and (kind == "lambda" or _code_bytes(function)):
        yield from _code({"code": function})
    else:
        name = printable(str(function))[:80]
        text = f"calls the function {name!r}, which the program that loads it must bring"
        module, _, last = str(function).rpartition(".")
        grade = Grade.DANGEROUS if module and is_dangerous_name(module, last) else Grade.UNKNOWN
        yield Remark(grade, "Lambda", f"runs a lambda layer that {text}", 0)


def _code(config: Any) -> Iterator[Remark]:
    code = config.get("code") if isinstance(config, dict) else config
    raw = _code_bytes(code) if isinstance(code, str) else b""
    names = telling_names(raw)
    if names:
        text = f"runs compiled code of a lambda layer that names {names}"
        yield Remark(Grade.DANGEROUS, "lambda", text, 0)
    else:
        yield Remark(Grade.CODE, "lambda", "runs compiled code that a lambda layer carries", 0)


def _code_bytes(text: str) -> bytes:
    """What base64 says; empty where it is none."""
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (ValueError, binascii.Error):
        return b""


def _addresses(node: dict[str, Any]) -> Iterator[Remark]:
    for key in _PATHS & node.keys():
        value = node[key]
        if isinstance(value, str) and (_ADDRESS.match(value) or key == "vocabulary"):
            text = f"reads {printable(value)[:120]!r}, outside of the model, as its {key}"
            yield Remark(Grade.CODE, f"{key} {value}", text, 0)
