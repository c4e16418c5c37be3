"""Judges texts that loaders of models read: configurations, templates, PMML, YAML, code."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from hauberk.errors import ArtifactError
from hauberk.formats.archives import path_trick
from hauberk.formats.bounded_json import MAX_JSON_BYTES, read_json
from hauberk.formats.code_judgement import dangerous_calls, is_dangerous_name
from hauberk.formats.fetched_packages import judge_requirements
from hauberk.formats.hub_configs import judge_hub
from hauberk.formats.keras_configs import judge_keras
from hauberk.formats.ollama_files import judge_modelfile
from hauberk.formats.openvino_files import judge_network
from hauberk.formats.paddle_files import judge_json
from hauberk.formats.pickle_values import printable
from hauberk.formats.remarks import Grade, Remark, Said, evasive, unread
from hauberk.formats.spans import Span
from hauberk.formats.template_judgement import judge_template
from hauberk.formats.text_kinds import TextKind
from hauberk.formats.torch_archives import AOT, BESIDE, PACKED, PROGRAM
from hauberk.formats.torch_programs import judge_export, judge_script
from hauberk.formats.zarr_files import judge_array

MAX_TEXT_BYTES = 16 << 20


def judge_model_text(span: Span, detail: str) -> Iterator[Said]:
    """What is wrong with a text of the kind that ``detail`` names."""
    kind = TextKind(detail)
    if kind is TextKind.LIGHTGBM:
        from hauberk.formats.booster_files import judge_lightgbm

        yield from judge_lightgbm(span)
        return
    if kind in {TextKind.XGBOOST, TextKind.CATBOOST} and span.size > MAX_JSON_BYTES:
        return
    if kind is TextKind.PMML:
        yield from _pmml(_text(span.read(0, MAX_TEXT_BYTES)))
    elif span.size > MAX_JSON_BYTES:
        yield unread(f"the {kind} has {span.size} bytes")
    else:
        yield from _JUDGES[kind](span.read(0, span.size))


def _trees(data: bytes) -> Iterator[Said]:
    from hauberk.formats.tree_links import judge_forest, judge_oblivious

    try:
        value = read_json(data)
    except ArtifactError as error:
        yield evasive(error.message)
    else:
        yield from judge_forest(value)
        yield from judge_oblivious(value)


def _text(data: bytes) -> str:
    """Text with the encoding that its first bytes announce."""
    if data[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        return data.decode("utf-16", "replace")
    if data[:4] in {b"<\0?\0", b"\0<\0?"}:
        return data.decode("utf-16-le" if data[:1] == b"<" else "utf-16-be", "replace")
    return data.decode("utf-8-sig", "replace")


# PMML

_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_DOCTYPE = re.compile(r"<!DOCTYPE\b[^\[>]*(\[.*?\]\s*)?>?", re.DOTALL | re.IGNORECASE)
_ENTITY = re.compile(
    r"<!ENTITY\s+(%\s+)?(\S+)\s+(SYSTEM|PUBLIC)?\s*[\"']([^\"']{0,200})", re.IGNORECASE
)
_ACTIVE = re.compile(
    r"<(?:\w+:)?(script|include|stylesheet|import)\b|<\?xml-stylesheet\b|\bjavascript:"
    r"|\bon(load|error|click)\s*=",
    re.IGNORECASE,
)

_CALLED_CLASS = re.compile(r"<(?:\w+:)?Apply\b[^>]*?\bfunction\s*=\s*[\"']((?:\w+\.)+\w+)[\"']")


_ENCODING = re.compile(r"\s*<\?xml\b[^>]*?\bencoding\s*=\s*[\"']([\w.:-]+)")
_READABLE = re.compile(
    r"utf-?(8|16)(-?[lb]e)?|us-ascii|ascii|iso-?8859-?\d+|latin-?1|windows-125\d|cp125\d"
    r"|shift_jis|euc-\w+|gb\w+|big5\S*|koi8-\w",
    re.IGNORECASE,
)
"""Encodings in which the marks of XML are those of ASCII, or that are told by first bytes."""


def _pmml(text: str) -> Iterator[Said]:
    plain = _COMMENT.sub("", text)
    yield from judge_network(plain)
    encoding = _ENCODING.match(text[:200])
    if encoding and not _READABLE.fullmatch(encoding[1]):
        yield evasive(f"is written in {printable(encoding[1])!r}, which hides its markup")
    doctype = _DOCTYPE.search(plain[: 1 << 20])
    if doctype:
        yield from _entities(doctype[0])
    for name in dict.fromkeys(_CALLED_CLASS.findall(plain)):
        is_own = name.startswith("org.jpmml.")
        text = f"calls the Java class {printable(name)}, which the scoring machine must bring"
        yield Remark(Grade.UNKNOWN if is_own else Grade.CODE, name, text, 0)
    active = _ACTIVE.search(plain)
    if active:
        what = printable(active[0].strip())[:60]
        yield Remark(Grade.CODE, what, f"brings {what!r} to whoever shows or reads the file", 0)


def _entities(doctype: str) -> Iterator[Said]:
    entities = list(_ENTITY.finditer(doctype))
    for entity in entities:
        if entity[3]:
            text = f"reads {printable(entity[4])!r} through an external entity"
            yield Remark(Grade.DANGEROUS, entity[4], text, 0)
            return
    if entities:
        yield evasive(f"declares {len(entities)} entities, which expand while it is read")
    elif re.search(r"\b(SYSTEM|PUBLIC)\b", doctype):
        yield Remark(Grade.CODE, "doctype", "reads a document type from outside", 0)
    else:
        yield Remark(Grade.UNKNOWN, "doctype", "declares a document type, which PMML has not", 0)


# YAML

_TAG = re.compile(
    r"(?:!!|tag:yaml\.org,2002:)python/(object/apply|object/new|object|name|module)(?::([\w.]+))?"
)
_MADE = re.compile(r"(?<![\w!])!(apply|new|name|module):([\w.]+)")
"""Tags of HyperPyYAML, with which SpeechBrain's models say what is called."""

_OF_PAGES = ("pymdownx.", "material.extensions.", "materialx.", "mermaid2.")
"""Settings of MkDocs name functions of these packages, and are read by nothing else."""
_TAG_DIRECTIVE = re.compile(r"^%TAG\s+\S+\s+tag:yaml\.org,2002:(python/?)?", re.MULTILINE)
_TARGET = re.compile(
    r"^\s*(?:-\s*)?[\"']?(_target_|_component_|(?:target|class_path)(?=[\"']?\s*:\s*[\"']?\w+\.))"
    r"[\"']?\s*:\s*[\"']?([\w.]+)",
    re.MULTILINE,
)
"""Keys under which Hydra, torchtune, NeMo and Lightning name what they call."""

_OF_HYDRA = "hydra._internal.core_plugins."
"""What starts and sweeps runs of Hydra; its own settings name it in each run."""


def _yaml(text: str) -> Iterator[Said]:
    lines = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    for tag in _TAG.finditer(lines):
        name = tag[2] or ""
        if not name.startswith(_OF_PAGES):
            text_ = f"makes {printable(name)!r} through the YAML tag python/{tag[1]}"
            module, _, last = name.rpartition(".")
            is_known = bool(name) and not is_dangerous_name(module or "builtins", last)
            yield Remark(Grade.UNKNOWN if is_known else Grade.DANGEROUS, name, text_, 0)
    if _TAG_DIRECTIVE.search(lines):
        yield evasive("gives a short name to the YAML tags that make Python objects")
    yield from _of_mlflow(lines)
    for made in _MADE.finditer(lines):
        yield from _called(made[2], f"through the YAML tag !{made[1]}")
    for target in _TARGET.finditer(lines):
        if not target[2].startswith(_OF_HYDRA):
            yield from _called(target[2], f"which its {target[1]} names")
    yield from _of_training(lines)


def _called(path: str, how: str) -> Iterator[Said]:
    module, _, name = path.rpartition(".")
    if is_dangerous_name(module or "builtins", name):
        yield Remark(Grade.DANGEROUS, path, f"calls {printable(path)}, {how}", 0)


_TRUSTS = re.compile(r"^\s*trust_remote_code\s*:\s*true\b", re.MULTILINE | re.IGNORECASE)
_PLUGINS = re.compile(r"^plugins\s*:\s*\n((?:[ \t]*-[^\n]*\n?)+)", re.MULTILINE)
_PLUGIN = re.compile(r"-\s*[\"']?([A-Za-z_][\w.]*)")
_BASE = re.compile(r"^base_model\s*:", re.MULTILINE)


def _of_training(lines: str) -> Iterator[Said]:
    """Settings of a fine-tuning that ask for code from outside."""
    if not _BASE.search(lines):
        return
    if _TRUSTS.search(lines):
        text = "asks the loader to trust and run code of the repository of its base model"
        yield Remark(Grade.UNKNOWN, "trust_remote_code", text, 0)
    for block in _PLUGINS.finditer(lines):
        for name in _PLUGIN.findall(block[1]):
            if not name.startswith("axolotl."):
                text = f"imports the plug-in {printable(name)}: code that it brings"
                yield Remark(Grade.CODE, name, text, 0)


_OF_MLFLOW = re.compile(r"^(flavors|model_uuid|mlflow_version)\s*:", re.MULTILINE)
_PLACE = re.compile(
    r"^\s*[\"']?(model_path|data|code|env|conda|virtualenv|python_env|pickled_model|model_data"
    r"|model_code_path|saved_model_dir|tokenizer_path|path)[\"']?\s*:\s*[\"']?([^\s\"'{}#\[\]]+)",
    re.MULTILINE,
)


def _of_mlflow(lines: str) -> Iterator[Said]:
    for found in _LOADER.finditer(lines):
        yield from _loader(found[1])
    for found in _PLACE.finditer(lines) if _OF_MLFLOW.search(lines) else ():
        yield from _place(found[1], found[2])


def _place(key: str, value: str) -> Iterator[Said]:
    """Files of an MLflow model lie in its own folder."""
    trick = path_trick(value)
    if trick and "://" not in value and ("out of" in trick or key != "model_code_path"):
        yield evasive(f"its {key} is {printable(value)[:120]!r}, outside of the model's folder")


_LOADER = re.compile(r"^\s*[\"']?loader_module[\"']?\s*:\s*[\"']?([\w.]+)", re.MULTILINE)


def _loader(module: str) -> Iterator[Said]:
    """MLflow imports the module that an ``MLmodel`` file names, and calls it."""
    if is_dangerous_name(module, "_load_pyfunc") or is_dangerous_name(module, "load"):
        text = f"imports {printable(module)}, which its loader_module names"
        yield Remark(Grade.DANGEROUS, module, text, 0)
    elif module.partition(".")[0] not in {"mlflow", "databricks"}:
        text = f"imports {printable(module)}, which its loader_module names: code that it brings"
        yield Remark(Grade.CODE, module, text, 0)


# Triton

_SETTING = re.compile(
    r"^[^#\n]*?\b(backend|platform|default_model_filename)\s*:\s*"
    r"[\"']([^\"'\n]*)[\"']",
    re.MULTILINE,
)
_CHOSEN = re.compile(r"[\w.-]*")


def _triton(text: str) -> Iterator[Said]:
    """The server opens the library that ``backend`` names, and files from places in settings."""
    for found in _SETTING.finditer(text):
        key, value = found[1], found[2]
        shown = printable(value)[:120]
        if key in {"backend", "platform"} and not _CHOSEN.fullmatch(value):
            yield Remark(Grade.CODE, key, f"opens the library at {shown!r} as its {key}", 0)
        elif key == "default_model_filename" and (value[:1] == "/" or ".." in value.split("/")):
            yield evasive(f"its {key} is {shown!r}, outside of the model's folder")


_JUDGES: dict[TextKind, Callable[[bytes], Iterator[Said]]] = {
    TextKind.KERAS: judge_keras,
    TextKind.HUB: judge_hub,
    TextKind.XGBOOST: _trees,
    TextKind.CATBOOST: _trees,
    TextKind.TEMPLATE: lambda data: judge_template(_text(data)),
    TextKind.EXPORT: judge_export,
    TextKind.YAML: lambda data: _yaml(_text(data)),
    TextKind.TRITON: lambda data: _triton(_text(data)),
    TextKind.MODELFILE: lambda data: judge_modelfile(_text(data)),
    TextKind.REQUIREMENTS: lambda data: judge_requirements(_text(data)),
    TextKind.PADDLE: judge_json,
    TextKind.ZARR: judge_array,
}


# Code that an archive brings to its loader


def judge_code(span: Span, detail: str) -> Iterator[Said]:
    """Code inside of a TorchServe archive or of a TorchScript model."""
    if detail == AOT:
        text = "opens native code that the archive brings"
        yield Remark(Grade.CODE, "native code", text, 0)
        return
    if detail == PROGRAM:
        yield evasive("is a program, and no model as its name says")
        return
    if detail == PACKED:
        yield evasive("is a script with something packed behind it, which it unpacks and may run")
        return
    text = _text(span.read(0, MAX_TEXT_BYTES))
    if detail == "TorchScript":
        yield from judge_script(text)
        return
    calls = list(dangerous_calls(text))
    verb = "has" if detail == BESIDE else "runs"
    for call in calls[:5]:
        yield Remark(Grade.DANGEROUS, call, f"{verb} Python that calls {printable(call)}", 0)
    if not calls and detail != BESIDE:
        yield Remark(Grade.UNKNOWN, "code", "runs Python that the archive brings", 0)
