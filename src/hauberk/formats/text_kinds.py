"""Which text files are parts of a model, by what stands in them.

A name only helps where content cannot tell: a template without a tag that names messages, or
YAML. Everything else is text, which other controls read as code and configuration.
"""

from __future__ import annotations

import re
from enum import StrEnum

from hauberk.formats.ollama_files import is_modelfile
from hauberk.formats.spans import Span

LOOK_BYTES = 1 << 20
"""How far into a file is looked for telling keys; added tokens may stand in front of them."""


class TextKind(StrEnum):
    """What a text is, where a loader of models reads it."""

    KERAS = "Keras configuration"
    XGBOOST = "XGBoost JSON"
    CATBOOST = "CatBoost JSON"
    HUB = "hub configuration"
    TEMPLATE = "chat template"
    PMML = "PMML"
    LIGHTGBM = "LightGBM text"
    YAML = "YAML with tags"
    EXPORT = "torch.export graph"
    TRITON = "Triton configuration"
    MODELFILE = "Modelfile of Ollama"
    PADDLE = "Paddle program as JSON"
    ZARR = "description of a Zarr array"
    REQUIREMENTS = "list of packages"


_KERAS = re.compile(rb'(?<!\\)"class_name"\s*:\s*"')
_KERAS_CONFIG = re.compile(rb'(?<!\\)"config"\s*:')
_EXPORT = re.compile(rb'(?<!\\)"graph_module"\s*:\s*\{')
_XGBOOST = re.compile(rb'(?<!\\)"learner"\s*:\s*\{')
_CATBOOST = re.compile(rb'(?<!\\)"(oblivious_trees|features_info)"\s*:')
_HUB = re.compile(
    rb'(?<!\\)"(auto_map|model_type|architectures|chat_template|tokenizer_class|weight_map'
    rb"|_class_name|_diffusers_version|id2label|label2id|custom_pipelines|peft_type"
    rb"|trust_remote_code|transformers_version|image_processor_type|feature_extractor_type"
    rb"|processor_class|custom_generate|added_tokens_decoder|system_prompt|_target_|_component_"
    rb"|activation_fn|activation_function|class_path|serializedFile|weightsManifest"
    rb'|mcpServers|itemInfoEntries)"\s*:|"type"\s*:\s*"sentence_transformers\.'
    rb'|"idx"\s*:\s*\d+[^{}]*"type"\s*:|"added_tokens"\s*:'
)
_SERVED = re.compile(rb'(?<!\\)"implementation"\s*:\s*"\w+\.[\w.]+"')
_PIR = re.compile(rb'(?<!\\)"magic"\s*:\s*"pir"')
_ZARR = re.compile(rb'\\?"zarr_format\\?"\s*:|"refs"\s*:\s*\{')
_TOOLS = re.compile(rb'(?<!\\)"type"\s*:\s*"function"|(?<!\\)"(input_schema|inputSchema)"\s*:')
_BY_KEYS = (
    (_XGBOOST, TextKind.XGBOOST),
    (_CATBOOST, TextKind.CATBOOST),
    (_PIR, TextKind.PADDLE),
    (_ZARR, TextKind.ZARR),
    (_HUB, TextKind.HUB),
    (_TOOLS, TextKind.HUB),
    (_SERVED, TextKind.HUB),
)
"""Keys that tell a kind of JSON, the first that stands in the text."""

_TEMPLATE_TAG = re.compile(
    rb"\{%-?\s*(for|if|set|macro|generation)\b[^%]*%\}|\{\{.*?\}\}", re.DOTALL
)
_TEMPLATE_WORD = re.compile(rb"\b(messages|add_generation_prompt|bos_token|raise_exception)\b")
_CHAT_NAME = re.compile(
    r"chat_template[^./\\]*(\.(jinja2?|j2|txt|tmpl|tpl|template|json))?$", re.IGNORECASE
)
_JINJA_NAME = re.compile(r"\.(jinja2?|j2)$", re.IGNORECASE)
_OF_PAGES = re.compile(r"\.(html?|xml|css|md|rst|py|sh|ya?ml|toml|ini|conf|sql|tex|svg)\.\w+$")
_OF_GO = re.compile(rb"\{\{-?\s*(?:\$\w*\s*:=|range\b|end\b|with\b|define\b|template\b)")
"""Templates of Go's own kind, which have no ``{%``."""
_GADGET = re.compile(rb"__\w+__|\battr\(|\[\s*['\"]__|\\x5f|\\137|\bcycler\b|\blipsum\b")
_YAML_NAME = re.compile(r"\.ya?ml$|(^|[-_./])MLmodel$", re.IGNORECASE)
_YAML_TAG = re.compile(
    rb"(?m)^(?!\s*#)[^#\n]*(!!python/|tag:yaml\.org,2002:python/|^%TAG\b|_target_\s*:|\bloader_module\s*:"
    rb"|_component_\s*:|\b(?:class_path|target)\s*:\s*[\"']?\w+\.|\btrust_remote_code\s*:"
    rb"|(?<![\w!])!(?:apply|new|name|module):)"
)
_MLMODEL = re.compile(r"(^|[/\\])MLmodel$")
_PMML = re.compile(
    rb"<(\w+:)?PMML\b|<!DOCTYPE\s+(\w+:)?(PMML|net|opencv_storage)\b|<opencv_storage\b"
    rb"|<net\b[^>]{0,500}\bversion\s*="
)
"""Models as XML: PMML, the networks of OpenVINO, and what OpenCV stores."""


def text_kind(span: Span, head: bytes, name: str) -> TextKind | None:
    """What a text is; ``None`` where it is no part of a model."""
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if start[:1] in {b"{", b"["}:
        kind = _json_kind(span.read(0, LOOK_BYTES), name)
        if kind is not None:
            return kind
    is_marked = start[:1] == b"<" or head[:2] in {b"\xff\xfe", b"\xfe\xff"}
    if is_marked and _is_pmml(head, name):
        return TextKind.PMML
    if start.startswith((b"tree\nversion=", b"tree\r\nversion=")):
        return TextKind.LIGHTGBM
    return _plain_kind(span.read(0, LOOK_BYTES), name)


def _plain_kind(look: bytes, name: str) -> TextKind | None:
    if is_modelfile(look, name):
        return TextKind.MODELFILE
    if _CHAT_NAME.search(name) or (_JINJA_NAME.search(name) and _is_prompt(look, name)):
        return TextKind.TEMPLATE
    is_sniffed = _TEMPLATE_TAG.search(look) and _TEMPLATE_WORD.search(look) and _is_bare(name)
    if is_sniffed and (b"{%" in look or not _OF_GO.search(look)):
        return TextKind.TEMPLATE
    if re.search(r"(^|[/\\])config\.pbtxt$", name):
        return TextKind.TRITON
    if _MLMODEL.search(name):
        return TextKind.YAML
    return TextKind.YAML if _YAML_NAME.search(name) and _YAML_TAG.search(look) else None


def _is_prompt(look: bytes, name: str) -> bool:
    """Whether a template is one of prompts: those that name a page or a file of settings are not.

    Templates of pages are left to the application that has them, unless they reach for what
    no page needs.
    """
    if not _OF_PAGES.search(name.lower()):
        return True
    return _GADGET.search(look) is not None or _TEMPLATE_WORD.search(look) is not None


def _is_bare(name: str) -> bool:
    """Whether a name claims nothing, or text: code and documents that quote a template do."""
    return re.search(r"\.(?!txt$|tmpl$|tpl$|template$|bin$|dat$)\w{1,8}$", name) is None


def _is_pmml(head: bytes, name: str) -> bool:
    plain = head.replace(b"\0", b"")
    return bool(_PMML.search(plain)) or name.lower().endswith(".pmml")


def _json_kind(look: bytes, name: str) -> TextKind | None:
    if _is_lines(look, name):
        return None
    if _KERAS.search(look) and _KERAS_CONFIG.search(look):
        return TextKind.KERAS
    if _EXPORT.search(look):
        return TextKind.EXPORT
    for pattern, kind in _BY_KEYS:
        if pattern.search(look):
            return kind
    return None


def _is_lines(look: bytes, name: str) -> bool:
    """Whether there is an object on each line: a table, or a notebook beside it."""
    if re.search(r"\.(jsonl|ndjson|ipynb|geojson)$", name, re.IGNORECASE):
        return True
    first, _, rest = look.strip().partition(b"\n")
    return first.rstrip().endswith(b"}") and rest.lstrip()[:1] == b"{"


_PATH_LINE = re.compile(
    rb"[^\x00-\x1f]*[/\\\\][^\x00-\x1f]*|\.{1,2}|[\w.-]+|import[ \t][^\x00-\x08]*|#[^\x00-\x08]*|"
)


def is_site_paths(head: bytes, size: int) -> bool:
    """Whether text is what Python's site reads from a ``.pth``: paths, comments, import lines.

    Every editable install writes one. Its import lines are judged with the code of the tree.
    """
    lines = [line.strip(b" \t\r\xef\xbb\xbf") for line in head.split(b"\n")]
    is_whole = size <= len(head)
    is_paths = all(_PATH_LINE.fullmatch(line) and len(line) < 4096 for line in lines)  # noqa: PLR2004 - PATH_MAX
    return is_whole and is_paths and any(lines)
