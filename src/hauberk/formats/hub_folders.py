"""Folders as model hubs keep them: which they are, and what is wrong with their files together.

A configuration names code, shards and files beside it; each may be missing, additional, linked
away or other than its checksum says. Weights are not read here but for their checksums.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hauberk.errors import ArtifactError, HauberkError
from hauberk.formats.archives import path_trick
from hauberk.formats.bounded_json import read_json
from hauberk.formats.code_judgement import dangerous_calls
from hauberk.formats.fetched_packages import REQUIREMENTS, judge_requirements
from hauberk.formats.onnx_files import leads_out, read_onnx
from hauberk.formats.pickle_values import printable
from hauberk.formats.remarks import Grade, Remark, evasive
from hauberk.formats.safetensors import tensor_names
from hauberk.formats.spans import CHUNK_BYTES, open_span

MAX_FILES = 20_000
MAX_TEXT_BYTES = 16 << 20

CONFIGURATIONS = frozenset(
    {"config.json", "model_index.json", "modules.json", "tokenizer_config.json"}
    | {"adapter_config.json", "generation_config.json", "preprocessor_config.json"}
    | {"configuration.json", "params.json", "config_sentence_transformers.json"}
)
_WEIGHTS = re.compile(
    r"\.(safetensors|bin|pt|pth|ckpt|gguf|ggml|onnx|h5|keras|msgpack|tflite|pb|joblib|pkl|model)$"
)
_LEFT_OUT = frozenset({".git", ".hauberk", "__pycache__", ".venv", "node_modules", ".cache"})


@dataclass(frozen=True, slots=True)
class Placed:
    """A remark and the file, relative to the folder, that it is about."""

    file: str
    remark: Remark


def model_folders(root: Path) -> list[Path]:
    """The outermost folders below ``root`` that hold a configuration beside weights."""
    found: list[Path] = []
    for here, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if name not in _LEFT_OUT)
        if is_model_folder(files):
            found.append(Path(here))
            folders.clear()
        if len(found) >= MAX_FILES:
            break
    return found


def is_model_folder(names: Iterable[str]) -> bool:
    """Whether files are those of a model: a configuration beside weights, or an index.

    Triton's ``config.pbtxt`` stands above folders of versions, whose Python it runs. A pipeline of
    spaCy has its settings beside what it is called.
    """
    listed = set(names)
    is_indexed = any(name.endswith(".index.json") for name in listed)
    has_weights = any(_WEIGHTS.search(name.lower()) for name in listed)
    is_configured = bool(CONFIGURATIONS & listed)
    # Parts of a pipeline lie in folders of their own, below the one that names them.
    is_pipeline = bool({"model_index.json", "modules.json", "config.pbtxt"} & listed)
    is_spacy = {"config.cfg", "meta.json"} <= listed
    return (is_configured and has_weights) or is_indexed or is_pipeline or is_spacy


def judge_folder(root: Path) -> Iterator[Placed]:
    """What is wrong with the files of a folder together, by path.

    Raises:
        ArtifactError: There are too many files.
    """
    files = dict(_files(root))
    for name, path in files.items():
        if path.is_symlink():
            yield from _link(root, name, path)
        else:
            yield from (Placed(name, remark) for remark in _of_file(name, path, files))
        if _SUMS.search(name.lower()):
            yield from _checksums(name, path, files)


def _of_file(name: str, path: Path, files: Mapping[str, Path]) -> Iterator[Remark]:
    if name.endswith(".py"):
        yield from _python(path)
    elif name.endswith(".index.json"):
        yield from _index(name, path, files)
    elif REQUIREMENTS.search(name):
        yield from judge_requirements(_text(path))
    elif name.endswith(".onnx"):
        yield from _onnx(name, path, files)
    elif _NATIVE_NAME.search(name) and _is_native(path):
        yield Remark(Grade.UNKNOWN, name, "is native code beside the model", 0)


def _files(root: Path) -> Iterator[tuple[str, Path]]:
    count = 0
    for here, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if name not in _LEFT_OUT)
        for name in sorted(names):
            count += 1
            if count > MAX_FILES:
                raise ArtifactError(
                    "the folder of the model holds too many files",
                    subject=str(root),
                    expected=f"at most {MAX_FILES}",
                    found="more",
                )
            path = Path(here, name)
            yield path.relative_to(root).as_posix(), path


def _link(root: Path, name: str, path: Path) -> Iterator[Placed]:
    """Links inside of the folder are how caches of hubs keep blobs; out of it is another matter."""
    if is_led_out(root, path):
        target = printable(str(path.resolve()))
        yield Placed(name, evasive(f"is a link that leads out of the folder, to {target!r}"))


def is_led_out(root: Path, path: Path) -> bool:
    """Whether what stands at a path below ``root`` lies neither there nor among a cache's blobs."""
    target, inside = path.resolve(), root.resolve()
    is_cache = "blobs" in target.parts and target.is_relative_to(inside.parent.parent)
    return not target.is_relative_to(inside) and not is_cache


# Code


def _text(path: Path) -> str:
    with open_span(path) as span:
        return span.read(0, MAX_TEXT_BYTES).decode("utf-8", "replace")


def _python(path: Path) -> Iterator[Remark]:
    for call in dict.fromkeys(list(dangerous_calls(_text(path)))[:5]):
        text = f"is Python beside the model that calls {printable(call)}"
        yield Remark(Grade.DANGEROUS, call, text, 0)


_NATIVE_NAME = re.compile(r"\.(so(\.\d+)*|dll|dylib|pyd|exe)$|(^|/)[^./]+$", re.IGNORECASE)


def _is_native(path: Path) -> bool:
    """Whether a file is a program or a library, which some loaders open beside the weights."""
    with open_span(path) as span:
        return span.read(0, 4).startswith(
            (b"\x7fELF", b"MZ", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe")
        )


# Shards

_SHARD = re.compile(r"-(\d{5})-of-(\d{5})\.\w+$")


def _json(path: Path) -> Any:
    try:
        with open_span(path) as span:
            return read_json(span.read(0, span.size))
    except HauberkError:
        return None  # judged as a file of its own


def _index(name: str, path: Path, files: Mapping[str, Path]) -> Iterator[Remark]:
    value = _json(path)
    weights = value.get("weight_map") if isinstance(value, dict) else None
    if not isinstance(weights, dict):
        return
    folder = name.rpartition("/")[0]
    shards: dict[str, set[str]] = {}
    for tensor, shard in weights.items():
        if isinstance(shard, str) and not path_trick(shard):
            shards.setdefault(shard, set()).add(tensor)
    for shard, tensors in shards.items():
        yield from _shard(shard, tensors, files.get(f"{folder}/{shard}".lstrip("/")))
    ending = next(iter(shards), "").rpartition(".")[2]
    for other in files:
        is_beside = other.rpartition("/")[0] == folder and other.endswith(f".{ending}")
        if is_beside and _SHARD.search(other) and other.rpartition("/")[2] not in shards:
            yield evasive(f"does not know the shard {printable(other)!r}, which lies beside it")


def _shard(shard: str, tensors: set[str], path: Path | None) -> Iterator[Remark]:
    if path is None:
        yield evasive(f"names the shard {printable(shard)!r}, which is missing")
        return
    if not shard.endswith(".safetensors"):
        return
    try:
        with open_span(path) as span:
            held = tensor_names(span)
    except HauberkError:
        return  # judged as a file of its own
    if held is not None and held != tensors:
        wrong = sorted(held ^ tensors)
        yield evasive(
            f"and the shard {printable(shard)!r} disagree about {len(wrong)} tensors: "
            f"{printable(wrong[0])!r}"
        )


def _onnx(name: str, path: Path, files: Mapping[str, Path]) -> Iterator[Remark]:
    """Files that hold tensors lie in the folder, and are no links."""
    try:
        with open_span(path) as span:
            places = read_onnx(span).external
    except HauberkError:
        return  # judged as a file of its own
    folder = name.rpartition("/")[0]
    for place in sorted(places):
        held = files.get(os.path.normpath(f"{folder}/{place}").lstrip("/"))
        if leads_out(place):
            continue  # told of the file itself
        if held is None:
            yield evasive(f"reads tensors from {printable(place)!r}, which is missing")
        elif held.is_symlink() and is_led_out(path.parent, held):
            yield evasive(f"reads tensors from {printable(place)!r}, which is a link")


# Checksums

_SUMS = re.compile(
    r"(^|/)((sha\d*|md5)sums?(\.txt)?|checksums?(\.(txt|sha\d+|md5))?|manifest\.sha256)$"
    r"|\.(sha256|sha512|sha1|md5)(sum)?$"
)
_LINE = re.compile(r"^([0-9a-fA-F]{32,128})(?:[ \t]+[*]?(.+?))?\s*$", re.MULTILINE)
_TAGGED = re.compile(r"^(\w+) ?\((.+?)\) ?= ?([0-9a-fA-F]{32,128})\s*$", re.MULTILINE)
_ALGORITHMS = {32: "md5", 40: "sha1", 64: "sha256", 128: "sha512"}


def _checksums(name: str, path: Path, files: Mapping[str, Path]) -> Iterator[Placed]:
    text, folder = _text(path), name.rpartition("/")[0]
    alone = re.sub(r"\.(sha256|sha512|sha1|md5)(sum)?$", "", name.rpartition("/")[2])
    claims = [(found[2] or alone, found[1]) for found in _LINE.finditer(text)]
    claims += [(found[2], found[3]) for found in _TAGGED.finditer(text)]
    for member, digest in claims[:MAX_FILES]:
        place = os.path.normpath(f"{folder}/{member}").lstrip("/")
        algorithm = _ALGORITHMS.get(len(digest))
        held = files.get(place)
        if algorithm is None or path_trick(member):
            continue
        if held is None:
            yield Placed(
                name,
                Remark(Grade.UNKNOWN, member, f"names {printable(member)!r}, which is missing", 0),
            )
        elif not held.is_symlink() and _digest(held, algorithm) != digest.lower():
            yield Placed(place, evasive(f"has another {algorithm} than {printable(name)!r} says"))


def _digest(path: Path, algorithm: str) -> str:
    state = hashlib.new(algorithm, usedforsecurity=False)
    with open_span(path) as span:
        at = 0
        while data := span.read(at, CHUNK_BYTES):
            state.update(data)
            at += len(data)
    return state.hexdigest()
