"""Configurations as model hubs keep them beside weights: what they make a loader do.

They are data, but some keys name code (``auto_map``, ``custom_pipelines``, libraries of a
pipeline's parts), some hold templates and prompts, and some must agree with each other.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from hauberk.errors import ArtifactError
from hauberk.formats.archives import path_trick
from hauberk.formats.bounded_json import Doubled, objects_of, read_json
from hauberk.formats.code_judgement import is_dangerous_name
from hauberk.formats.model_names import imitated_publisher
from hauberk.formats.onnx_files import leads_out
from hauberk.formats.pickle_values import printable
from hauberk.formats.planted_text import judge_text
from hauberk.formats.remarks import Grade, Remark, evasive
from hauberk.formats.template_judgement import judge_template

_LIBRARIES = re.compile(
    r"(diffusers|transformers|onnxruntime|optimum|peft|sentence_transformers|torch|tokenizers|timm"
    r"|stable_diffusion|k_diffusion|accelerate|controlnet_aux|open_clip|kandinsky|watermarking"
    r"|flax|jax|torchvision|sentencepiece|gguf)(\.[\w.]+)?"
)
_SPECIAL = frozenset(
    {"bos_token", "eos_token", "unk_token", "pad_token", "sep_token", "cls_token", "mask_token"}
    | {"additional_special_tokens", "added_tokens_decoder", "added_tokens"}
)
"""Tokens that programs put into each prompt."""

_PROMPTS = frozenset(
    {"system_prompt", "prompt", "prompts", "instruction", "instructions", "description"}
    | {"default_system_prompt", "default_prompt", "prefix", "suffix", "system", "preamble"}
)


def judge_hub(data: bytes) -> Iterator[Remark]:
    """Remarks about one configuration; none where it is ordinary."""
    try:
        value = read_json(data)
    except ArtifactError as error:
        yield evasive(error.message)
        return
    if isinstance(value, Doubled):
        yield evasive("a key of the configuration stands twice")
    for node in objects_of(value):
        yield from _of_object(node)
    if isinstance(value, dict):
        yield from _labels(value)
        yield from _pipeline(value)
    elif isinstance(value, list):
        yield from _modules(value)


def _of_object(node: dict[str, Any]) -> Iterator[Remark]:
    for key, judge in _KEYS.items():
        if node.get(key):
            yield from judge(node[key])
    for key in sorted((_PROMPTS | _SPECIAL) & node.keys()):
        yield from _prompt(key, node[key])
    if node.get("type") == "Replace":
        yield from _replacement(node)
    if isinstance(node.get("vocab"), dict):
        yield from _vocabulary(node["vocab"])


# Tokenizers

_WORD = re.compile(r"[^\W\d_]{3,}|://")


def _replacement(node: dict[str, Any]) -> Iterator[Remark]:
    """Tokenizers put blanks and marks in place of others, and never a word for a word."""
    old = next(_strings(node.get("pattern")), "")
    new = node.get("content")
    if isinstance(new, str) and _WORD.search(old) and _WORD.search(new) and old != new:
        shown = f"{printable(old)[:60]!r} by {printable(new)[:60]!r}"
        yield evasive(f"its tokenizer replaces {shown}")


def _vocabulary(vocab: dict[str, Any]) -> Iterator[Remark]:
    numbers = [number for number in vocab.values() if isinstance(number, int)]
    if len(numbers) == len(vocab) and len(set(numbers)) < len(numbers):
        yield evasive("two tokens of the vocabulary have one number")


# Code


def _auto_map(value: Any) -> Iterator[Remark]:
    for name in _strings(value):
        repository, mark, path = name.rpartition("--")
        whose = f"the repository {printable(repository)!r}" if mark else "this repository"
        text = f"runs {printable(path)} of {whose} where remote code is trusted"
        yield Remark(Grade.CODE, name, text, 0)


def _strings(value: Any) -> Iterator[str]:
    waiting = [value]
    while waiting:
        item = waiting.pop(0)
        if isinstance(item, str):
            yield item
        elif isinstance(item, (list, dict)):
            waiting.extend(item.values() if isinstance(item, dict) else item)


def _custom_pipelines(value: Any) -> Iterator[Remark]:
    for entry in value.values() if isinstance(value, dict) else ():
        name = entry.get("impl") if isinstance(entry, dict) else None
        if isinstance(name, str):
            text = f"runs {printable(name)} of this repository where remote code is trusted"
            yield Remark(Grade.CODE, name, text, 0)


def _trusts(value: Any) -> Iterator[Remark]:
    if value is True:
        text = "asks the loader to trust and run code of the repository"
        yield Remark(Grade.CODE, "trust_remote_code", text, 0)


def _custom_generate(value: Any) -> Iterator[Remark]:
    if isinstance(value, str):
        text = f"runs the generation code of {printable(value)!r}"
        yield Remark(Grade.CODE, "custom_generate", text, 0)


def _kernels(value: Any) -> Iterator[Remark]:
    """Where an implementation has the name of a repository, its code is fetched and run."""
    for name in _strings(value):
        if re.fullmatch(r"[\w.-]+/[\w.-]+([@:][\w.-]+)*", name):
            text = f"runs the kernel of the repository {printable(name)!r}"
            yield Remark(Grade.CODE, name, text, 0)


def _target(value: Any) -> Iterator[Remark]:
    if isinstance(value, str):
        module, _, name = value.rpartition(".")
        if is_dangerous_name(module or "builtins", name):
            text = f"calls {printable(value)}, which its configuration names"
            yield Remark(Grade.DANGEROUS, value, text, 0)


_ACTIVATIONS = re.compile(r"(torch|transformers|sentence_transformers)\.[\w.]+")


def _activation(value: Any) -> Iterator[Remark]:
    """Sentence-transformers imports the function that a dotted name stands for."""
    if not isinstance(value, str) or "." not in value:
        return
    module, _, name = value.rpartition(".")
    if is_dangerous_name(module, name):
        text = f"calls {printable(value)}, which it names as an activation"
        yield Remark(Grade.DANGEROUS, value, text, 0)
    elif not _ACTIVATIONS.fullmatch(value):
        text = f"imports {printable(value)} as an activation: code that it brings"
        yield Remark(Grade.CODE, value, text, 0)


def _handler(value: Any) -> Iterator[Remark]:
    """A served archive names the module in it that answers requests."""
    trick = path_trick(value.partition(":")[0]) if isinstance(value, str) else ""
    if trick and (value.endswith(".py") or ".py:" in value):
        yield evasive(f"is served by {printable(value)[:120]!r}: {trick}")


def _parent_library(value: Any) -> Iterator[Remark]:
    if isinstance(value, str) and not _LIBRARIES.fullmatch(value):
        text = f"imports {printable(value)} to find the base model"
        yield Remark(Grade.CODE, value, text, 0)


def _base(value: Any) -> Iterator[Remark]:
    """Adapters name the model that a loader fetches for them."""
    imitated = imitated_publisher(value) if isinstance(value, str) and "/" in value else ""
    if imitated:
        yield evasive(f"fetches {printable(value)!r}, whose publisher looks like {imitated!r}")


def _servers(value: Any) -> Iterator[Remark]:
    for entry in value.values() if isinstance(value, dict) else ():
        command = entry.get("command") if isinstance(entry, dict) else None
        if isinstance(command, str):
            program = f"{printable(command)[:80]!r} as a server of tools"
            text = f"with an assistant starts the program {program}"
            yield Remark(Grade.UNKNOWN, command, text, 0)


def _weight_map(value: Any) -> Iterator[Remark]:
    for name in dict.fromkeys(_strings(value)):
        trick = path_trick(name) or ("it is an address" if "://" in name else "")
        if trick:
            yield evasive(f"the index names the shard {printable(name)!r}: {trick}")


def _shards(value: Any) -> Iterator[Remark]:
    """TensorFlow.js lists the files of its weights in groups."""
    for group in value if isinstance(value, list) else ():
        yield from _weight_map(group.get("paths") if isinstance(group, dict) else None)


def _template(value: Any) -> Iterator[Remark]:
    if isinstance(value, str):
        yield from judge_template(value)
    for entry in value if isinstance(value, list) else ():
        text = entry.get("template") if isinstance(entry, dict) else None
        if isinstance(text, str):
            yield from judge_template(text)


def _prompt(key: str, value: Any) -> Iterator[Remark]:
    for text in _strings(value):
        for remark in judge_text(text):
            yield Remark(remark.grade, f"{key}: {remark.about}", f"{remark.text}, in {key}", 0)


def _package(value: Any) -> Iterator[Remark]:
    """A package of Core ML lists its files, which lie below its folder of data."""
    entries = value.values() if isinstance(value, dict) else ()
    for entry in entries:
        place = entry.get("path") if isinstance(entry, dict) else None
        if isinstance(place, str) and leads_out(place):
            yield evasive(f"its manifest names {printable(place)[:120]!r}, outside of the package")


_KEYS: Mapping[str, Callable[[Any], Iterator[Remark]]] = {
    "auto_map": _auto_map,
    "custom_pipelines": _custom_pipelines,
    "trust_remote_code": _trusts,
    "custom_generate": _custom_generate,
    "attn_implementation": _kernels,
    "_attn_implementation": _kernels,
    "_attn_implementation_internal": _kernels,
    "experts_implementation": _kernels,
    "_target_": _target,
    "_component_": _target,
    "class_path": _target,
    "implementation": _target,
    "activation_fn": _activation,
    "activation_function": _activation,
    "handler": _handler,
    "parent_library": _parent_library,
    "mcpServers": _servers,
    "base_model_name_or_path": _base,
    "weight_map": _weight_map,
    "weightsManifest": _shards,
    "itemInfoEntries": _package,
    "chat_template": _template,
}


# Parts of pipelines


def _pipeline(value: dict[str, Any]) -> Iterator[Remark]:
    """``model_index.json`` names a library and a class for each part."""
    if "_class_name" not in value:
        return
    named = value["_class_name"]
    if isinstance(named, list) and named and isinstance(named[0], str):
        yield from _library(named[0], ".".join(map(str, named)))
    if "_diffusers_version" not in value and not isinstance(named, list):
        return
    for part in value.values():
        is_pair = isinstance(part, list) and len(part) == 2  # noqa: PLR2004 - library and class
        if is_pair and all(isinstance(name, str) for name in part):
            yield from _library(part[0], f"{part[0]}.{part[1]}")


def _library(library: str, path: str) -> Iterator[Remark]:
    if is_dangerous_name(library, path.rpartition(".")[2]):
        yield Remark(Grade.DANGEROUS, path, f"calls {printable(path)} as a part of it", 0)
    elif not _LIBRARIES.fullmatch(library):
        text = f"imports {printable(library)} for {printable(path)}: code that it brings"
        yield Remark(Grade.CODE, path, text, 0)


def _modules(value: list[Any]) -> Iterator[Remark]:
    """``modules.json`` of sentence-transformers names a class for each step."""
    for entry in value:
        if not isinstance(entry, dict) or not {"type", "path"} <= entry.keys():
            continue
        name, path = str(entry["type"]), str(entry["path"])
        module, _, last = name.rpartition(".")
        if is_dangerous_name(module, last):
            yield Remark(Grade.DANGEROUS, name, f"imports {printable(name)} and calls it", 0)
        elif module and not _LIBRARIES.fullmatch(module):
            text = f"imports {printable(name)}, which is no part of sentence-transformers"
            yield Remark(Grade.CODE, name, text, 0)
        if trick := path_trick(path):
            yield evasive(f"a step lies at {printable(path)!r}: {trick}")


# Labels


def _labels(value: dict[str, Any]) -> Iterator[Remark]:
    """``id2label`` and ``label2id`` are each other's inverse."""
    names, ids = value.get("id2label"), value.get("label2id")
    if isinstance(names, dict) and isinstance(ids, dict):
        wrong = [label for number, label in names.items() if not _agrees(number, label, names, ids)]
        if wrong:
            shown = ", ".join(printable(str(label)) for label in wrong[:3])
            yield evasive(f"id2label and label2id disagree about {len(wrong)} labels: {shown}")


def _agrees(number: str, label: Any, names: dict[str, Any], ids: dict[str, Any]) -> bool:
    """Whether the label leads back to its number, or to one with the same label."""
    back = ids.get(str(label))
    return str(back) == str(number) or (back is not None and names.get(str(back)) == label)
