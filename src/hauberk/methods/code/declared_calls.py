"""Functions that a settings file names and a framework calls.

Hydra's ``_target_``, Lightning's ``class_path``, tags of YAML and the data sets of a catalogue
decide what runs; where they name an interpreter, a shell or a pickle, the file is code.
"""

from __future__ import annotations

from collections.abc import Iterator

from hauberk.formats.yaml_text import Node
from hauberk.methods.code.images import INDEX, MOVING
from hauberk.methods.code.rules import Hit, rule
from hauberk.methods.expressions import expression

CALLED = rule(
    "code-execution/configured-call",
    "high",
    "names a function in a settings file that runs commands, code or a pickle",
    "Name a function of the project, and take what it needs as parameters.",
    "CWE-470",
)
STORED = rule(
    "unsafe-deserialization/pickled-data-set",
    "medium",
    "declares a data set or model that is kept as a pickle",
    "Keep it in a format without code (Parquet, safetensors, ONNX, skops).",
    "CWE-502",
)

_KEYS = frozenset(
    {"_target_", "class_path", "_partial_target_", "callable", "factory", "entrypoint_function"}
)
_RUNS = expression(
    r"(?:os\.(?:system|popen|exec\w+|spawn\w+|remove|unlink)|subprocess\.\w+|(?:builtins\.)?(?:eval|exec|compile|__import__)|runpy\.\w+|"
    r"(?:pickle|dill|joblib|cloudpickle|marshal|shelve)\.(?:loads?|open)|pandas\.read_pickle|shutil\.rmtree|importlib\.import_module|"
    r"ctypes\.\w+|pty\.spawn|code\.interact|urllib\.request\.url\w+|webbrowser\.open|socket\.\w+)$"
)
_TAGS = expression(r"!{1,2}(?:<tag:yaml\.org,2002:)?python/(?:object|name|module)\S*")
_PICKLES = expression(r"(?:[\w.]*\.)?(?:pickle\.)?PickleData(?:S|s)et|[\w.]*JoblibData(?:S|s)et")
_MOVES = expression(r"(?:[\w.\-\[\]]+\s*@\s*)?(?P<what>(?:git|hg)\+\w+://\S+)")
_COMMIT = expression(r"@[0-9a-f]{40}\b")
_INDEXES = frozenset(
    {"extra_index_url", "extra-index-url", "trusted_host", "trusted-host", "extra_index_urls"}
)
_RESOURCE = expression(r"(?:https?://|git@|github\.com/|gitlab\.com/)\S+")
_REVISION = expression(r"[?&]ref=(?:[0-9a-f]{40}|v?\d+\.\d+\S*)")


def declared_hits(root: Node, *, name: str) -> Iterator[Hit]:
    """Hits of one document of YAML.

    Args:
        name: Of the file; a kustomization takes parts of other repositories.
    """
    for path, node in root.walk():
        if node.tag and _TAGS.match(node.tag):
            yield Hit(CALLED, node.line, node.tag[:60])
        if node.kind == "mapping":
            yield from _of_mapping(node)
        elif node.kind == "sequence":
            for item in node.items:
                yield from _moving(item)
                is_part = path[-1:] in {("resources",), ("bases",), ("components",)}
                if is_part and name.startswith("kustomization"):
                    yield from _part(item)


def _of_mapping(node: Node) -> Iterator[Hit]:
    for key, value in node.entries.items():
        text = value.text or ""
        if key in _KEYS and _RUNS.match(text):
            yield Hit(CALLED, value.line, f"{key}: {text}")
        elif key == "type" and _PICKLES.fullmatch(text):
            yield Hit(STORED, value.line, f"{key}: {text}")
        elif key.lower() in _INDEXES and (text or value.items):
            yield Hit(INDEX, value.line, key)


def _moving(item: Node) -> Iterator[Hit]:
    """A requirement in any list: of services, jobs, images of bundles."""
    found = _MOVES.fullmatch((item.text or "").strip())
    if found is not None and not _COMMIT.search(found["what"]):
        yield Hit(MOVING, item.line, found["what"].partition("://")[0] + "://...")


def _part(item: Node) -> Iterator[Hit]:
    text = item.text or ""
    if _RESOURCE.match(text) and not _REVISION.search(text):
        yield Hit(MOVING, item.line, text[:80])
