"""Calls that turn foreign bytes into objects, and fetches of models by names that move."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator

from hauberk.formats.model_names import imitated_publisher
from hauberk.methods.code.flow import parts_of
from hauberk.methods.code.python_index import ABSENT, UNKNOWN, Index, last_name
from hauberk.methods.code.rules import Hit, Rule, rule
from hauberk.methods.expressions import expression

_SAFE_FORMAT = "Use a format without code (safetensors, ONNX, Arrow, JSON), or load in isolation."

PICKLE = rule(
    "unsafe-deserialization/pickle",
    "high",
    "unpickles bytes, which runs whatever they ask for",
    _SAFE_FORMAT,
    "CWE-502",
)
PICKLE_FRAME = rule(
    "unsafe-deserialization/pickled-table",
    "high",
    "reads a table or array by unpickling it",
    "Use Parquet, CSV or npy without pickles (allow_pickle=False).",
    "CWE-502",
)
TORCH = rule(
    "unsafe-deserialization/torch-load",
    "high",
    "loads a torch file with its pickle and without weights_only",
    "Say weights_only=True with torch 2.6 or newer, or use safetensors.",
    "CWE-502",
)
TORCH_UNPINNED = rule(
    "unsafe-deserialization/torch-load-unpinned",
    "medium",
    "loads a torch file by a default that is unsafe before torch 2.6, and torch is not pinned",
    "Say weights_only=True and pin torch to 2.6 or newer.",
    "CWE-502",
)
TORCH_INEFFECTIVE = rule(
    "unsafe-deserialization/ineffective-flag",
    "high",
    "relies on weights_only with a torch in which it can be bypassed (before 2.6)",
    "Pin torch to 2.6 or newer.",
    "CWE-502",
)
YAML = rule(
    "unsafe-deserialization/yaml",
    "high",
    "reads YAML with a loader that builds any Python object",
    "Use yaml.safe_load.",
    "CWE-502",
)
KERAS = rule(
    "unsafe-deserialization/keras",
    "high",
    "lets a Keras model bring its own code",
    "Keep safe_mode=True and register the layers that you know.",
    "CWE-502",
)
TRUSTING = rule(
    "unsafe-deserialization/trusting",
    "high",
    "switches off the check of what a file may build",
    "List the types that you trust by name.",
    "CWE-502",
)

REMOTE_CODE = rule(
    "unpinned-models/remote-code",
    "high",
    "runs code that a model or data repository brings",
    "Vendor the code after review, or pin the exact commit and load in isolation.",
    "CWE-94",
)
MOVING = rule(
    "unpinned-models/moving-revision",
    "medium",
    "fetches a model or data set by a name that can be changed behind it",
    "Name the full commit (revision=...) or a digest.",
    "CWE-494",
)
TORCH_HUB = rule(
    "unpinned-models/torch-hub",
    "high",
    "runs code from a repository at a branch or tag that can move",
    "Name a full commit behind the colon, or vendor the code.",
    "CWE-494",
)
MOVING_ALIAS = rule(
    "unpinned-models/moving-alias",
    "medium",
    "takes whatever a registry alias points to when it runs",
    "Name the version and check its digest or signature.",
    "CWE-494",
)

LOOKALIKE = rule(
    "lookalike-models/publisher",
    "high",
    "fetches a model from a publisher that is named like a known one",
    "Compare the name with the publisher's own pages; pin the commit of the genuine model.",
    "CWE-1007",
)

Reading = Callable[[Index, ast.Call, tuple[int, ...] | None], Rule | None]

_PICKLES = frozenset(
    f"{module}.{name}"
    for module in (
        *("pickle", "cPickle", "_pickle", "pickle5", "six.moves.cPickle", "dill", "cloudpickle"),
        *("joblib", "sklearn.externals.joblib", "marshal", "ray.cloudpickle", "compress_pickle"),
        *("torch.multiprocessing.reductions.ForkingPickler", "hickle", "klepto", "pickle.Pickler"),
        *("multiprocessing.reduction.ForkingPickler", "dill._dill", "numpy.compat.py3k.pickle"),
        *("cloudpickle.cloudpickle", "pandas.compat.pickle_compat"),
    )
    for name in ("load", "loads", "Unpickler().load")
) | {
    *(
        "jsonpickle.decode",
        "jsonpickle.loads",
        "jsonpickle.unpickler.decode",
        "shelve.open",
        "shelve.DbfilenameShelf",
        "shelve.Shelf",
    ),
    *("pyarrow.deserialize", "sklearn.utils._joblib.load", "dill.load_session"),
    *("dill.load_module", "pickle.Unpickler", "distributed.protocol.pickle.loads"),
}
_PICKLE_REFERENCES = frozenset(
    {"pickle.load", "pickle.loads", "dill.load", "dill.loads", "joblib.load"}
    | {"cloudpickle.load", "cloudpickle.loads", "pandas.read_pickle", "marshal.loads"}
)
_TABLES = frozenset({"pandas.read_pickle", "pandas.io.pickle.read_pickle", "dask.read_pickle"})
_ARRAYS = frozenset(
    {"numpy.load", "numpy.lib.npyio.load", "numpy.lib.npyio.NpzFile", "scipy.sparse.load_npz"}
    | {"numpy.lib.format.read_array", "numpy.lib.format.open_memmap", "jax.numpy.load"}
    | {"cupy.load"}
)
_UNSAFE_YAML = frozenset(
    {"Loader", "UnsafeLoader", "CLoader", "CUnsafeLoader", "UnsafeConstructor", "CFullLoader"}
)
_KERAS_LOADERS = frozenset({"load_model", "model_from_json", "model_from_config", "clone_model"})
_TRUE_FLAGS = frozenset({"allow_dangerous_deserialization", "allow_unsafe_deserialization"})
_TORCH_LOADS = frozenset(
    {"torch.load", "torch.serialization.load", "torch.hub.load_state_dict_from_url"}
    | {"torch.utils.model_zoo.load_url", "torch.hub.load_url"}
)
_UNSAFE_BEFORE = (2, 6)


def loading_hits(index: Index, torch: tuple[int, ...] | None) -> Iterator[Hit]:
    """Hits of one module.

    Args:
        torch: The torch version that the project pins, where it pins one.
    """
    for call, name, written in index.named_calls:
        if not _may_load(index, call, name, written):
            continue
        broken = _of_call(index, call, name, torch)
        if broken is not None:
            yield Hit(broken, call.lineno, _shown(name, call))
    yield from _references(index)
    yield from _own_unpicklers(index)


def _of_call(index: Index, call: ast.Call, name: str, torch: tuple[int, ...] | None) -> Rule | None:
    if name in _PICKLES:
        return None if _is_round_trip(index, call) or _is_built(index, call) else PICKLE
    if name in _TABLES:
        return PICKLE_FRAME
    if _is_received(index, call) or _is_picked(index, call):
        return PICKLE
    if name in _ARRAYS:
        return PICKLE_FRAME if _allows_pickle(index, call) else None
    for reading in (_torch, _yaml, _keras, _flags, _lookalike, _hub, _aliases):
        broken = reading(index, call, name, torch)
        if broken is not None:
            return broken
    return None


def _may_load(index: Index, call: ast.Call, name: str, written: str) -> bool:
    """Whether any reading below can say something of a call: most calls are none of theirs."""
    return (
        name.rpartition(".")[2] in _LAST_NAMES
        or written in _LAST_NAMES
        or call.func.__class__ is ast.Call
        or name.startswith(_OWNERS)
        or ((bool(call.keywords) or index.has_partials) and index.may_say(call, _ASKED_KEYWORDS))
    )


def _is_received(index: Index, call: ast.Call) -> bool:
    """``recv()`` of a connection between processes unpickles; that of a socket wants a size."""
    if last_name(call.func) != "recv" or call.args or call.keywords:
        return False
    # A pipe leads to one's own child; a listener or client to whoever is at the other end.
    return any(
        index.dotted(other.func).startswith("multiprocessing.connection.") for other in index.calls
    )


def _is_picked(index: Index, call: ast.Call) -> bool:
    """``attrgetter("loads")(pickle)`` and its likes."""
    getter = call.func
    if not isinstance(getter, ast.Call) or not getter.args or not call.args:
        return False
    if index.dotted(getter.func) not in {"operator.attrgetter", "operator.methodcaller"}:
        return False
    return f"{index.dotted(call.args[0])}.{index.constant(getter.args[0])}" in _PICKLES


def _is_built(index: Index, call: ast.Call) -> bool:
    """``pickle.Unpickler(...)`` counts where ``load`` is called on it, not where it is made."""
    if last_name(call.func) != "Unpickler":
        return False
    parent = index.parents.get(call)
    return not isinstance(parent, (ast.Assign, ast.withitem))


def _is_round_trip(index: Index, call: ast.Call) -> bool:
    """Bytes that were pickled in the same expression or just before are one's own."""
    given = call.args[0] if call.args else None
    if isinstance(given, ast.Name):
        values = index.lookup(given)
        given = values[-1] if values else None
    return isinstance(given, ast.Call) and last_name(given.func) in {"dumps", "to_bytes"}


def _allows_pickle(index: Index, call: ast.Call) -> bool:
    if index.keyword(call, "allow_pickle") is True:
        return True
    return len(call.args) > 2 and index.constant(call.args[2]) is True


def _torch(index: Index, call: ast.Call, name: str, torch: tuple[int, ...] | None) -> Rule | None:
    if name not in _TORCH_LOADS:
        return _hooks(index, call, name)
    flag = index.keyword(call, "weights_only")
    if name.endswith("_url"):  # Its own default is to unpickle, in every version.
        return TORCH if flag is False else TORCH_UNPINNED if flag is ABSENT else None
    if flag is True:
        return TORCH_INEFFECTIVE if torch is not None and torch < _UNSAFE_BEFORE else None
    if flag is False or index.keyword_node(call, "pickle_module") not in (ABSENT, UNKNOWN):
        return TORCH
    if flag is UNKNOWN:
        return None
    if torch is None:
        return TORCH_UNPINNED
    return TORCH if torch < _UNSAFE_BEFORE else None


def _hooks(index: Index, call: ast.Call, name: str) -> Rule | None:
    """Dangerous functions on the list of what a safe load may call."""
    if not name.startswith("torch.serialization.") or "safe_globals" not in name:
        return None
    given = ast.unparse(call)
    return (
        TRUSTING if re.search(r"\b(eval|exec|getattr|system|Popen|__import__)\b", given) else None
    )


def _yaml(index: Index, call: ast.Call, name: str, _torch: object) -> Rule | None:
    module, _, function = name.rpartition(".")
    if module.partition(".")[0] not in {"yaml", "ruamel", "ruamel_yaml"}:
        return None
    if function in {"unsafe_load", "unsafe_load_all"}:
        return YAML
    if function == "YAML":
        return YAML if index.keyword(call, "typ") == "unsafe" else None
    if function not in {"load", "load_all"} or module.endswith("YAML()"):
        return None
    loader = index.keyword_node(call, "Loader")
    if not isinstance(loader, ast.AST):
        loader = call.args[1] if len(call.args) > 1 else loader
    if loader is ABSENT:
        return YAML
    chosen = index.dotted(loader).rpartition(".")[2] if isinstance(loader, ast.AST) else ""
    return YAML if chosen in _UNSAFE_YAML else None


def _keras(index: Index, call: ast.Call, name: str, _torch: object) -> Rule | None:
    if name.endswith("enable_unsafe_deserialization"):
        return KERAS
    if last_name(call.func) in _KERAS_LOADERS and index.keyword(call, "safe_mode") is False:
        return KERAS
    return KERAS if index.keyword(call, "safe_mode") is False and "keras" in name else None


def _flags(index: Index, call: ast.Call, name: str, _torch: object) -> Rule | None:
    if any(index.keyword(call, flag) is True for flag in _TRUE_FLAGS):
        return TRUSTING
    function = last_name(call.func)
    if function in {"recv_pyobj", "read_pickle"} and "." in ast.unparse(call.func):
        return PICKLE if function == "recv_pyobj" else PICKLE_FRAME
    if name in {"skops.io.load", "skops.io.loads"}:
        trusted = index.keyword_node(call, "trusted")
        text = ast.unparse(_followed(index, trusted)) if isinstance(trusted, ast.AST) else ""
        return TRUSTING if text == "True" or "get_untrusted_types" in text else None
    if name in _ARRAYS or index.keyword(call, "allow_pickle") is not True:
        return None
    return None if _WRITES.match(function) else PICKLE_FRAME


_WRITES = expression(r"(?i)_?(?:save|write|dump|store|to_|put|export)")


def _followed(index: Index, node: ast.expr) -> ast.expr:
    values = index.lookup(node) if isinstance(node, ast.Name) else []
    return values[-1] if values else node


def _is_reduced(index: Index, node: ast.expr) -> bool:
    """``return loads, (dumps(value),)``: how an object says what it is made from."""
    parent = index.parents.get(node)
    if not isinstance(parent, ast.Tuple) or parent.elts[:1] != [node]:
        return False
    return any(
        isinstance(part, ast.Call) and last_name(part.func) in {"dumps", "dump"}
        for other in parent.elts[1:]
        for part in parts_of(other)
    )


def _own_unpicklers(index: Index) -> Iterator[Hit]:
    """Classes over an unpickler whose ``find_class`` refuses nothing, and loads by open ones.

    A table of names that have moved is no list of what is allowed.
    """
    open_ones: set[str] = set()
    for node in index.each(ast.ClassDef):
        if not any(
            last_name(base) == "Unpickler" or index.dotted(base).endswith(".Unpickler")
            for base in node.bases
        ):
            continue
        finder = next(
            (f for f in node.body if isinstance(f, ast.FunctionDef) and f.name == "find_class"),
            None,
        )
        if finder is None:
            open_ones.add(node.name)
        elif not _refuses(finder):
            yield Hit(PICKLE, finder.lineno, f"{node.name}.find_class refuses nothing")
    for call in index.calls:
        made = call.func.value if isinstance(call.func, ast.Attribute) else None
        is_load = last_name(call.func) == "load" and isinstance(made, ast.Call)
        if is_load and isinstance(made, ast.Call) and last_name(made.func) in open_ones:
            yield Hit(PICKLE, call.lineno, f"{last_name(made.func)}(...).load")


def _refuses(finder: ast.FunctionDef) -> bool:
    """Whether a name can come out as not allowed: something is raised, or a list is asked first."""
    for node in parts_of(finder):
        if isinstance(node, ast.Raise):
            return True
        if isinstance(node, ast.Call) and re.search(
            r"(?i)allow|permit|check|verify|reject|restrict|safe", last_name(node.func)
        ):
            return True
    return False


def _references(index: Index) -> Iterator[Hit]:
    """Unpickling functions that are handed on: in tables of readers, to ``map``, as callbacks."""
    ends = {name.rpartition(".")[2] for name in _PICKLE_REFERENCES}
    named = {name for name, what in index.imports.items() if what in _PICKLE_REFERENCES}
    named |= {
        name
        for (_, name), values in index.bound.items()
        if any(isinstance(v, ast.Call) or last_name(v) in ends for v in values)
    }
    nodes: list[ast.expr] = [node for node in index.each(ast.Attribute) if node.attr in ends]
    nodes += [node for node in index.each(ast.Name) if node.id in named]
    for node in nodes:
        parent = index.parents.get(node)
        handed = isinstance(parent, (ast.Dict, ast.List, ast.Tuple, ast.keyword)) or (
            isinstance(parent, ast.Call) and node in parent.args
        )
        if handed and index.dotted(node) in _PICKLE_REFERENCES and not _is_reduced(index, node):
            yield Hit(PICKLE, node.lineno, f"hands on {index.dotted(node)}")


# Hubs ----------------------------------------------------------------------------------

_COMMIT = expression(r"[0-9a-f]{40}|[0-9a-f]{64}")
_REPOSITORY = expression(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
LOCAL_PARTS = frozenset(
    {"models", "model", "checkpoints", "data", "outputs", "artifacts", "output", "weights"}
    | {"results", "runs", "ckpt", "saved", "cache", "tmp", "datasets", "exports", "build", "dist"}
)
_FETCHERS = frozenset(
    {"from_pretrained", "hf_hub_download", "snapshot_download", "cached_file", "load_dataset"}
    | {"pipeline", "load_dataset_builder", "hf_hub_url", "SentenceTransformer", "CrossEncoder"}
    | {"cached_download", "load_metric", "from_pretrained_keras", "push_from_hub", "InferenceModel"}
    | {"PretrainedTokenizer", "load_adapter", "load_lora_weights", "create_model", "from_hub"}
    | {"from_quantized", "load_ip_adapter", "load_textual_inversion", "LLM", "EngineArgs"}
    | {"AsyncEngineArgs", "get_pretrained", "load_from_hub"}
)


def _lookalike(index: Index, call: ast.Call, _name: str, _torch: object) -> Rule | None:
    if last_name(call.func) not in _FETCHERS:
        return None
    return LOOKALIKE if imitated_publisher(_repository(index, call)) else None


def _hub(index: Index, call: ast.Call, name: str, _torch: object) -> Rule | None:
    if index.keyword(call, "trust_remote_code") is True:
        return REMOTE_CODE
    if name == "torch.hub.load" or name.endswith(("torch.hub.load", "torch.hub.list")):
        return _torch_hub(index, call)
    if last_name(call.func) not in _FETCHERS:
        return None
    repository = _repository(index, call)
    if not repository:
        return None
    for key in ("revision", "code_revision", "commit_hash"):
        revision = index.keyword(call, key)
        if isinstance(revision, str):
            return None if _COMMIT.fullmatch(revision) else MOVING
        if revision is UNKNOWN:
            return None
    return None if _COMMIT.search(repository) else MOVING


def _repository(index: Index, call: ast.Call) -> str:
    """The name of a repository on a hub; empty for folders and what is unknown."""
    given: list[ast.expr | object] = [*call.args[:2]]
    keys = ("repo_id", "pretrained_model_name_or_path", "model", "path", "model_name_or_path")
    given += [index.keyword_node(call, key) for key in keys]
    for node in given:
        value = index.constant(node) if isinstance(node, ast.AST) else None
        text = (
            value.removeprefix("hf_hub:").removeprefix("hf-hub:") if isinstance(value, str) else ""
        )
        if _REPOSITORY.fullmatch(text) and text.partition("/")[0].lower() not in LOCAL_PARTS:
            return "" if re.search(r"\.(json|csv|pt|bin|txt|pkl|parquet)$", text) else text
    if last_name(call.func) in {"from_pretrained", "load_dataset"}:
        return _short_name(index, call)
    return ""


def _short_name(index: Index, call: ast.Call) -> str:
    """Names without an owner, such as ``bert-base-uncased``."""
    value = index.constant(call.args[0]) if call.args else None
    if not isinstance(value, str) or not re.fullmatch(r"[a-z0-9]+(?:[-_.][a-z0-9]+)*", value):
        return ""
    if last_name(call.func) == "load_dataset":
        module = index.dotted(call.func).partition(".")[0]
        formats = {"csv", "json", "parquet", "text", "imagefolder", "arrow", "audiofolder"}
        return value if module == "datasets" and value not in formats else ""
    return value if "-" in value else ""


def _torch_hub(index: Index, call: ast.Call) -> Rule | None:
    if index.keyword(call, "source") == "local":
        return None
    node = call.args[0] if call.args else index.keyword_node(call, "repo_or_dir")
    value = index.constant(node) if isinstance(node, ast.AST) else UNKNOWN
    if not isinstance(value, str) or "/" not in value:
        return None
    return None if _COMMIT.fullmatch(value.partition(":")[2]) else TORCH_HUB


_ALIAS = expression(r"models:/[^/@]+(?:@\w+|/(?:latest|production|staging)$)", re.IGNORECASE)
_HANDLE = expression(r"https://tfhub\.dev/[\w./-]+")


def _aliases(index: Index, call: ast.Call, name: str, _torch: object) -> Rule | None:
    """Aliases of registries: MLflow stages, artifact versions called latest, hub handles."""
    function = last_name(call.func)
    value = index.constant(call.args[0]) if call.args else UNKNOWN
    if not isinstance(value, str):
        return None
    if function == "load_model" and _ALIAS.match(value):
        return MOVING_ALIAS
    if function in {"use_artifact", "artifact"} and value.endswith((":latest", ":best")):
        return MOVING_ALIAS
    if function in {"load", "KerasLayer"} and _HANDLE.match(value):
        return None if re.search(r"/\d+$", value) else MOVING_ALIAS
    is_data = name.startswith("dvc.api.")
    return MOVING_ALIAS if is_data and index.keyword(call, "rev") in {"main", "master"} else None


_LAST_NAMES = (
    frozenset(name.rpartition(".")[2] for name in _PICKLES | _TABLES | _ARRAYS)
    | _KERAS_LOADERS
    | _FETCHERS
    | {"recv", "recv_pyobj", "read_pickle", "enable_unsafe_deserialization", "list", "load"}
    | {"loads", "load_state_dict_from_url", "load_url", "use_artifact", "artifact", "KerasLayer"}
)
_OWNERS = ("torch.serialization.", "yaml.", "ruamel", "dvc.api.")
_ASKED_KEYWORDS = _TRUE_FLAGS | {"safe_mode", "allow_pickle", "trust_remote_code"}
"""What the readings above ask for: the last part of a name, its beginning, a keyword."""


def _shown(name: str, call: ast.Call) -> str:
    return name if name and len(name) < 60 else last_name(call.func)
