"""The same deeds under the names that other libraries gave them.

`python_loading` and `python_execution` know the calls that everybody uses. Here stands, as a table,
what does the same next door: who else unpickles, fetches by a name that moves, talks without
TLS, or runs what a language model wrote. An entry names the library, the function, and what has
to be said for it to count.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from hauberk.methods.code.execution_rules import HOST_KEYS, NO_DIGEST, NO_TLS, UNVERIFIED
from hauberk.methods.code.flow import parts_of, texts
from hauberk.methods.code.images import SOCKET
from hauberk.methods.code.python_index import UNKNOWN, Index, last_name
from hauberk.methods.code.python_loading import (
    LOCAL_PARTS,
    MOVING,
    PICKLE,
    PICKLE_FRAME,
    REMOTE_CODE,
    YAML,
)
from hauberk.methods.code.rules import Hit, Rule, rule
from hauberk.methods.code.services import PICKLED
from hauberk.methods.expressions import expression

WRITTEN = rule(
    "code-execution/written-by-a-model",
    "high",
    "runs code or commands that a language model writes, on this host",
    "Run them in a container without secrets and network, or let a person confirm each.",
    "CWE-94",
)
WEIGHTS = rule(
    "unsafe-deserialization/pickled-weights",
    "medium",
    "asks for weights as a pickle where safetensors could be had",
    "Leave use_safetensors=False away, and pin the commit.",
    "CWE-502",
)

When = Callable[[Index, ast.Call], bool]


@dataclass(frozen=True, slots=True)
class _Deed:
    """A call that counts: where its name must lead, and what must be said."""

    rule: Rule
    owner: str
    functions: str
    when: When | None = None


def _says(key: str, *values: object) -> When:
    """A keyword with one of these constants."""
    return lambda index, call: any(
        (known := index.keyword(call, key)) is value or (isinstance(value, str) and known == value)
        for value in values
    )


def _not_says(key: str, value: str) -> When:
    return lambda index, call: index.keyword(call, key) != value


def _names_no_version(index: Index, call: ast.Call) -> bool:
    """``owner/model/framework/variation`` without ``/3`` or ``/versions/3`` at its end."""
    handle = index.constant(call.args[0]) if call.args else UNKNOWN
    return isinstance(handle, str) and "/" in handle and not re.search(r"/\d+$", handle)


def _is_hub_name(index: Index, call: ast.Call) -> bool:
    """``owner/name`` of a hub whose commit is not given."""
    given = [*call.args[:1], *(k.value for k in call.keywords if k.arg in _SOURCES)]
    name = next((v for node in given if isinstance(v := index.constant(node), str)), UNKNOWN)
    if not isinstance(name, str) or _HUB_NAME.fullmatch(name) is None:
        return False
    is_local = name.partition("/")[0].lower() in LOCAL_PARTS
    return (
        not is_local
        and index.keyword(call, "local_files_only") is not True
        and not _is_fixed(index, call)
    )


_SOURCES = frozenset({"source", "repo_id", "model", "path", "name", "model_id"})


def _is_address(index: Index, call: ast.Call) -> bool:
    """A file behind an address instead of one on the disk."""
    given = [*call.args[:2], *(k.value for k in call.keywords if k.arg == "checkpoint")]
    return any(index.text_of(node).startswith(("http://", "https://")) for node in given)


def _is_hub_model(index: Index, call: ast.Call) -> bool:
    """``hf-hub:owner/name``, which has no place for a commit."""
    name = index.constant(call.args[0]) if call.args else UNKNOWN
    return isinstance(name, str) and name.startswith(("hf-hub:", "hf_hub:"))


def _is_space(index: Index, call: ast.Call) -> bool:
    """``spaces/owner/name``: an application of somebody else, in the state that it has today."""
    name = index.constant(call.args[0]) if call.args else index.keyword(call, "name")
    return isinstance(name, str) and name.startswith(("spaces/", "huggingface/", "models/"))


_HUB_NAME = expression(r"(?!\.{1,2}/)[\w.-]+/[\w.-]+(?<!\.pt)(?<!\.bin)(?<!\.py)")


def _is_stored_pickle(index: Index, call: ast.Call) -> bool:
    return bool(call.args) and index.text_of(call.args[0]).endswith((".pickle", ".pkl"))


def _is_far(index: Index, call: ast.Call) -> bool:
    """Whether a host that is not this one, nor one inside, is written there."""
    given = [*call.args[:1], *(k.value for k in call.keywords if k.arg in _HOSTS)]
    hosts = [index.text_of(node) for node in given]
    return any(host and _FAR.match(host) and not _NEAR.match(host) for host in hosts)


def _is_plain_far(index: Index, call: ast.Call) -> bool:
    """``http://`` and a host that is not this one, nor one inside."""
    given = index.text_of(call.args[0]) if call.args else ""
    return given.startswith("http://") and _is_far(index, call)


_HOSTS = frozenset({"host", "endpoint", "target", "url", "bootstrap_servers", "hostname"})
_FAR = expression(r"(?:\w+://)?(?:(?:[\w-]+\.)+[a-z]{2,}|(?:\d{1,3}\.){3}\d{1,3})(?::\d+)?(?:/|$)")
_NEAR = expression(
    r"(?:\w+://)?(?:localhost|127\.|10\.|192\.168\.|169\.254\.|172\.(?:1[6-9]|2\d|3[01])\.|0\.0\.0\.0|(?:[\w-]+\.)*(?:local|internal|svc|test|cluster\.local)(?::\d+)?(?:/|$))"
)


def _all(*conditions: When) -> When:
    return lambda index, call: all(condition(index, call) for condition in conditions)


def _is_imported(index: Index, call: ast.Call) -> bool:
    """Whether the name comes from a library and is no name of the module itself."""
    name = last_name(call.func)
    return "." in index.dotted(call.func) and name not in index.classes


def _has_pickle_allowed(index: Index, call: ast.Call) -> bool:
    node = index.keyword_node(call, "protocol_config")
    entries = index.entries(node) if isinstance(node, ast.expr) else None
    return bool(entries) and index.constant((entries or {}).get("allow_pickle")) is True


_DEEDS = (
    _Deed(PICKLE, r"statsmodels\.", "load load_pickle"),
    _Deed(PICKLE, r"networkx\.", "read_gpickle"),
    _Deed(PICKLE, r"gensim\.(?!downloader)", "load"),
    _Deed(PICKLE, r"(?:stable_baselines3|sb3_contrib|autogluon|surprise)\.", "load"),
    _Deed(PICKLE, r"fastai\.", "load_learner"),
    _Deed(PICKLE, r"flair\.", "load", _is_hub_name),
    _Deed(PICKLE, r"pycaret\.|bentoml\.(?:picklable_model|sklearn)\.", "load_model"),
    _Deed(PICKLE, r"srsly\.", "pickle_loads"),
    _Deed(PICKLE, r"nltk\.data\.", "load", _is_stored_pickle),
    _Deed(PICKLE, r"", "pickleFile"),
    _Deed(PICKLE, r"torch\.package\.", "PackageImporter"),
    _Deed(PICKLE, r"polars\.(?:LazyFrame|Expr)\.", "deserialize", _not_says("format", "json")),
    _Deed(PICKLE, r"(?:ray|rllib)\..*Algorithm\.", "from_checkpoint"),
    _Deed(PICKLE_FRAME, r"numcodecs\.", "Pickle"),
    _Deed(PICKLED, r"(?:aiocache|prefect|django_redis|rq|cashews|cachelib|flask_caching|dramatiq|kombu|arq)\b",
          "PickleSerializer CloudPickleSerializer DillSerializer PickleEncoder"),
    _Deed(PICKLED, r"kombu\.", "enable_insecure_serializers"),
    _Deed(PICKLED, r"rpyc\.", "ThreadedServer ThreadPoolServer ForkingServer OneShotServer connect", _has_pickle_allowed),
    _Deed(YAML, r"hyperpyyaml\.", "load_hyperpyyaml"),
    _Deed(YAML, r"yaml\.", "UnsafeLoader Loader CLoader CUnsafeLoader"),
    _Deed(REMOTE_CODE, r"gensim\.downloader\.", "load"),
    _Deed(REMOTE_CODE, r"evaluate\.", "load", _is_hub_name),
    _Deed(REMOTE_CODE, r"kernels\.", "get_kernel load_kernel get_local_kernel", _is_hub_name),
    _Deed(MOVING, r"open_clip\.", "create_model create_model_and_transforms create_model_from_pretrained get_tokenizer", _is_hub_model),
    _Deed(MOVING, r"gradio\.", "load", _is_space),
    _Deed(REMOTE_CODE, r"speechbrain\.", "from_hparams foreign_class", _is_hub_name),
    _Deed(PICKLE, r"mm\w+\.", "init_detector init_model init_segmentor init_recognizer init_pose_model", _is_address),
    _Deed(MOVING, r"faster_whisper\.|whisperx\.", "WhisperModel load_model", _is_hub_name),
    _Deed(MOVING, r"(?:mlx_lm|mlx_vlm|mlx_whisper|outlines|guidance|fastembed|txtai|ctransformers|dspy)\b.*", "load transformers llamacpp exllamav2 Transformers TextEmbedding Embeddings HFModel", _is_hub_name),
    _Deed(PICKLE, r"ultralytics\.", "YOLO YOLOWorld RTDETR SAM FastSAM NAS", _is_address),
    _Deed(MOVING, r"gradio_client\.", "Client", _is_hub_name),
    _Deed(UNVERIFIED, r"ollama\.", "pull push create", _says("insecure", True)),
    _Deed(MOVING, r"kagglehub\.", "model_download dataset_download", _names_no_version),
    _Deed(WEIGHTS, r"", "from_pretrained from_single_file", _says("use_safetensors", False)),
    _Deed(WRITTEN, r"", "PythonREPLTool PythonAstREPLTool PythonREPL ShellTool PALChain LocalCommandLineCodeExecutor "
          "PandasQueryEngine BashProcess UnsafeLocalCodeExecutor", _is_imported),
    _Deed(NO_TLS, r"grpc\.(?:aio\.)?", "insecure_channel", _is_far),
    _Deed(NO_TLS, r"minio\.", "Minio", _all(_says("secure", False), _is_far)),
    _Deed(NO_TLS, r"(?:psycopg2?|asyncpg|sqlalchemy)\.", "connect create_engine", _all(_says("sslmode", "disable"), _is_far)),
    _Deed(NO_TLS, r"boto3\.", "client resource", _says("use_ssl", False)),
    _Deed(NO_TLS, r"mlflow\.", "set_tracking_uri set_registry_uri MlflowClient", _is_plain_far),
    _Deed(HOST_KEYS, r"asyncssh\.", "connect create_connection run", _says("known_hosts", None)),
    _Deed(NO_DIGEST, r"pooch\.", "retrieve", _says("known_hash", None)),
)  # fmt: skip
_BY_FUNCTION: dict[str, list[tuple[_Deed, re.Pattern[str]]]] = {}
for _deed in _DEEDS:
    for _name in _deed.functions.split():
        _BY_FUNCTION.setdefault(_name, []).append((_deed, expression(_deed.owner)))


def library_hits(index: Index) -> Iterator[Hit]:
    """Hits of one module."""
    for call in index.telling_calls:
        function = last_name(call.func)
        if function in _BY_FUNCTION or function in index.imports:
            yield from _of_table(index, call)
        if call.keywords:
            yield from _of_keywords(index, call)
        yield from _of_addresses(index, call)
        yield from _of_path(index, call)
    yield from _of_settings(index)


def _of_table(index: Index, call: ast.Call) -> Iterator[Hit]:
    name = index.dotted(call.func) or last_name(call.func)
    for deed, owner in _BY_FUNCTION.get(name.rpartition(".")[2], ()):
        if owner.match(name) and (deed.when is None or deed.when(index, call)):
            yield Hit(deed.rule, call.lineno, name[:60])
            return


# Keywords ------------------------------------------------------------------------------

_UNCHECKED: dict[str, tuple[object, ...]] = {
    "tlsAllowInvalidCertificates": (True,), "tlsAllowInvalidHostnames": (True,),
    "tlsInsecure": (True,), "ssl_cert_reqs": (None, "none", "CERT_NONE"),
    "ssl_check_hostname": (False,), "assert_hostname": (False,), "verify_certs": (False,),
    "cert_check": (False,), "insecure_mode": (True,), "validate_certs": (False,),
    "trust_server_certificate": (True,), "ssl_no_verify": (True,),
}  # fmt: skip
"""Keywords that switch the check of certificates off, whoever takes them."""

_CLIENTS = frozenset(
    {"client_kwargs", "session_kwargs", "request_kwargs", "requests_kwargs", "http_client_kwargs"}
    | {"transport_options", "config_kwargs", "connection_kwargs", "requests_args", "kwargs"}
)
_SERIALIZED = frozenset(
    {"accept_content", "result_accept_content", "task_serializer", "result_serializer"}
)
_HOST_PATHS = expression(
    r"(?:/|/etc|/root|/home|/var|/proc|/sys|/var/run|/dev|\S*docker\.sock|\S*containerd\.sock)/?(?=$|:)"
)


def _of_keywords(index: Index, call: ast.Call) -> Iterator[Hit]:
    """What keywords say whatever is called."""
    for given in call.keywords:
        broken = _of_keyword(index, call, given) if given.arg is not None else None
        if broken is not None:
            yield Hit(broken, given.value.lineno, f"{last_name(call.func)}({given.arg}=...)")


def _of_keyword(index: Index, call: ast.Call, given: ast.keyword) -> Rule | None:
    key, value = given.arg or "", given.value
    if key in _UNCHECKED:
        known = index.constant(value)
        return UNVERIFIED if any(known is bad or known == bad for bad in _UNCHECKED[key]) else None
    reading = _KEYWORDS.get(key)
    if reading is not None:
        return reading(index, call, value)
    if key in _CLIENTS and isinstance(value, ast.Dict):
        entries = index.entries(value) or {}
        off = any(
            index.constant(entries[name]) is False for name in ("verify", "ssl") if name in entries
        )
        return UNVERIFIED if off else None
    return PICKLED if key in _SERIALIZED and _is_pickle(index, value) else None


def _is_pickle(index: Index, value: ast.expr) -> bool:
    parts = value.elts if isinstance(value, (ast.List, ast.Tuple, ast.Set)) else [value]
    return any(
        index.constant(part) in {"pickle", "application/x-python-serialize"} for part in parts
    )


def _custom_pipeline(index: Index, _call: ast.Call, value: ast.expr) -> Rule | None:
    """Code of a community pipeline, which a hub brings by its newest state."""
    name = index.constant(value)
    return REMOTE_CODE if isinstance(name, str) and "/" in name and name[0] not in "./" else None


def _dangerous(index: Index, _call: ast.Call, value: ast.expr) -> Rule | None:
    return WRITTEN if index.constant(value) is True else None


def _imports(index: Index, _call: ast.Call, value: ast.expr) -> Rule | None:
    parts = value.elts if isinstance(value, (ast.List, ast.Tuple)) else [value]
    risky = {"*", "os", "subprocess", "sys", "shutil", "socket"}
    return WRITTEN if any(index.constant(part) in risky for part in parts) else None


def _code_execution(index: Index, _call: ast.Call, value: ast.expr) -> Rule | None:
    entries = index.entries(value) if isinstance(value, ast.Dict) else None
    return WRITTEN if entries and index.constant(entries.get("use_docker")) is False else None


def _privileged(index: Index, _call: ast.Call, value: ast.expr) -> Rule | None:
    return SOCKET if index.constant(value) is True else None


def _mounted(index: Index, call: ast.Call, value: ast.expr) -> Rule | None:
    """Folders of the host that a container gets: ``volumes={"/": ...}``, ``["/:/host"]``."""
    if last_name(call.func) not in {"run", "create", "create_host_config", "DockerOperator"}:
        return None
    keys = value.keys if isinstance(value, ast.Dict) else getattr(value, "elts", [])
    paths = [index.constant(key) for key in keys if key is not None]
    return SOCKET if any(isinstance(p, str) and _HOST_PATHS.match(p) for p in paths) else None


_KEYWORDS: dict[str, Callable[[Index, ast.Call, ast.expr], Rule | None]] = {
    "custom_pipeline": _custom_pipeline,
    "allow_dangerous_code": _dangerous,
    "allow_dangerous_requests": _dangerous,
    "additional_authorized_imports": _imports,
    "code_execution_config": _code_execution,
    "privileged": _privileged,
    "volumes": _mounted,
}

# Addresses -----------------------------------------------------------------------------

_COMMIT = expression(r"@[0-9a-f]{40}(?:/|$)")
_HUBS = ("hf://", "ms://", "kaggle://")
_FILES = frozenset({"load_dataset", "load_dataset_builder"})


def _of_addresses(index: Index, call: ast.Call) -> Iterator[Hit]:
    """Addresses of hubs without a commit, and of data without TLS, among the arguments."""
    for node in call.args[:2]:
        if isinstance(node, (ast.Constant, ast.JoinedStr)):
            text = index.text_of(node)
            is_fixed = _COMMIT.search(text) or (text[:1] == "k" and re.search(r"/\d+$", text))
            if text.startswith(_HUBS) and not is_fixed and len(text) > len("kaggle://"):
                yield Hit(MOVING, call.lineno, text[:60])
                return
    if last_name(call.func) in _FILES:
        for given in call.keywords:
            for part in parts_of(given.value) if given.arg == "data_files" else ():
                if isinstance(part, ast.Constant) and str(part.value).startswith("http://"):
                    if not _NEAR.match(str(part.value)):
                        yield Hit(NO_TLS, part.lineno, str(part.value)[:60])
                        return


_FETCHED = frozenset(
    {
        "snapshot_download",
        "hf_hub_download",
        "clone_from",
        "clone",
        "model_download",
        "dataset_download",
        "cached_file",
    }
)


def _of_path(index: Index, call: ast.Call) -> Iterator[Hit]:
    """``sys.path.insert(0, snapshot_download(...))``: what was fetched is imported next."""
    if last_name(call.func) not in {"insert", "append", "addsitedir"} or not call.args:
        return
    if index.dotted(call.func) not in {"sys.path.insert", "sys.path.append", "site.addsitedir"}:
        return
    nodes = [*parts_of(call.args[-1])]
    for name in [node for node in nodes if isinstance(node, ast.Name)]:
        nodes += [part for value in index.lookup(name)[-2:] for part in parts_of(value)]
    fetched = [
        node for node in nodes if isinstance(node, ast.Call) and last_name(node.func) in _FETCHED
    ]
    if fetched and not any(_is_fixed(index, node) for node in fetched):
        yield Hit(REMOTE_CODE, call.lineno, f"imports from {last_name(fetched[0].func)}(...)")


def _is_fixed(index: Index, call: ast.Call) -> bool:
    revision = index.keyword(call, "revision")
    return isinstance(revision, str) and re.fullmatch(r"[0-9a-f]{40}", revision) is not None


# Settings ------------------------------------------------------------------------------


_SERIALIZERS = expression(r"(?:\w+\.)+(?:Cloud|Dill)?[Pp]ickleSerializer")
"""Serializers that settings name by a dotted text."""


def _of_settings(index: Index) -> Iterator[Hit]:
    """Attributes that hand a decision to a model or a pickle: ``interpreter.auto_run = True``."""
    for text in index.each(ast.Constant):
        if isinstance(text.value, str) and _SERIALIZERS.fullmatch(text.value):
            yield Hit(PICKLED, text.lineno, text.value[:60])
    for node in index.each(ast.Assign):
        for target in node.targets:
            if not isinstance(target, ast.Attribute):
                continue
            value = index.constant(node.value)
            if target.attr == "auto_run" and value is True and "interpreter" in texts(target):
                yield Hit(WRITTEN, node.lineno, texts(target)[:60])
            elif (target.attr == "SERIALIZER" and value in {"pickle", "dill", "cloudpickle"}) or (
                target.attr in _SERIALIZED and _is_pickle(index, node.value)
            ):
                yield Hit(PICKLED, node.lineno, texts(target)[:60])
