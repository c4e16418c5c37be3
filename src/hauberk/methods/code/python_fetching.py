"""What code fetches and unpacks, and how; see `hauberk.methods.code.python_execution`."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from hauberk.methods.code.execution_rules import (
    DATA_NO_TLS,
    EXTRACT,
    HOST_KEYS,
    NO_DIGEST,
    NO_TLS,
    TEMPORARY,
    UNVERIFIED,
    WEAK_DIGEST,
)
from hauberk.methods.code.flow import parts_of, texts, whole_text
from hauberk.methods.code.python_index import ABSENT, UNKNOWN, Index, last_name
from hauberk.methods.code.python_switches import is_callers_choice
from hauberk.methods.code.rules import Hit, Rule
from hauberk.methods.expressions import expression

_GETTERS = expression(
    r"(?:^|\.)(?:urlretrieve|urlopen|urlread|read_csv|read_json|read_parquet|read_table|read_excel|"
    r"get_file|load_state_dict_from_url|download_url|download_url_to_file|download_file|"
    r"download_and_extract_archive|read_pickle|Request|imread_url|retrieve|pooch\.retrieve|"
    r"scan_csv|scan_parquet|read_ndjson|scan_ndjson|loadtxt|genfromtxt|read_feather|fsspec\.open|smart_open\.open|"
    r"(?:requests|httpx|session|client|Session\(\)|Client\(\)|urllib3|s|http)\.(?:get|request|stream)|"
    r"wget\.download|gdown\.download|urllib3\.PoolManager\(\)\.request)$"
)
_LOCAL = expression(
    r"http://(?:localhost|127\.|\[::1\]|0\.0\.0\.0|host\.docker|10\.|192\.168\.|169\.254\.169\.254|"
    r"[\w.-]*\.(?:internal|local|svc|cluster\.local|test|example)(?=[:/]|$)|[\w-]+[:/])"
)
_CHECKED = expression(
    r"hashlib|sha256|sha512|sha1|checksum|digest|md5|known_hash|hash_prefix|check_hash|file_hash|blake"
)
_ARTIFACTS = expression(
    r"\.(?:pkl|pickle|joblib|pt|pth|ckpt|bin|h5|hdf5|keras|onnx|safetensors|npz|npy|zip|tar|tgz|gz|"
    r"tar\.gz|whl|parquet|model|pb|tflite|csv|arrow|feather|sh|py|json|jsonl|txt)(?:$|[?#])"
)
KEEPERS = expression(
    r"(?:^|\.)(?:urlretrieve|wget\.download|gdown\.download|get_file|download_url|"
    r"load_state_dict_from_url|download_url_to_file|retrieve)$"
)


def fetches(index: Index, call: ast.Call, name: str) -> Rule | None:
    """What is fetched without encryption, without a look at who sends it, or without a digest."""
    shown = name or last_name(call.func)
    if index.keyword(call, "verify") is False and _is_client(shown):
        said = index.keyword_node(call, "verify")
        chosen = isinstance(said, ast.expr) and is_callers_choice(index, said)
        return None if chosen else UNVERIFIED
    if index.keyword(call, "ssl") is False or index.keyword(call, "verify_ssl") is False:
        return UNVERIFIED if re.search(r"aiohttp|session|TCPConnector|client", shown) else None
    if not _GETTERS.search(shown):
        return None
    url = _url(index, call)
    if (
        url.startswith(("http://", "ftp://"))
        and not _LOCAL.match(url)
        and len(url) > len("http://")
    ):
        return DATA_NO_TLS if _DATA_READERS.search(shown) else NO_TLS
    return _undigested(index, call, shown, url)


_DATA_READERS = expression(
    r"(?:^|\.)(?:read_(?:csv|json|parquet|table|excel|feather|pickle|ndjson)|scan_(?:csv|parquet|ndjson)|get_file|"
    r"load_state_dict_from_url|urlretrieve|download_url(?:_to_file)?|download_and_extract_archive|loadtxt|genfromtxt|wget\.download)$"
)


def _is_client(name: str) -> bool:
    return (
        re.search(
            r"requests|httpx|session|client|boto|urllib|http|Elasticsearch|Minio|\.(?:get|post|put|request)$",
            name,
            re.IGNORECASE,
        )
        is not None
    )


def _url(index: Index, call: ast.Call) -> str:
    nodes: list[object] = [*call.args[:2]]
    nodes += [index.keyword_node(call, key) for key in ("url", "origin", "filepath_or_buffer")]
    texts = [index.text_of(node) for node in nodes if isinstance(node, ast.AST)]
    return next((text for text in texts if "://" in text), "")


def _undigested(index: Index, call: ast.Call, name: str, url: str) -> Rule | None:
    """A download that is kept as a file; checked anywhere in its function counts as checked."""
    if not url.startswith("https://") or not (KEEPERS.search(name) or _is_kept(index, call, url)):
        return None
    around = index.function_of(call)
    text = whole_text(around) if isinstance(around, ast.FunctionDef) else module_text(index)
    if _CHECKED.search(text) or not _ARTIFACTS.search(url.lower()):
        return None
    return NO_DIGEST


_READERS_OF_REPLIES = expression(r"(?:requests|httpx)\.get$|urllib\.request\.urlopen$")
_WEIGHTS = expression(
    r"\.(?:pkl|pickle|joblib|pt|pth|ckpt|bin|h5|hdf5|keras|onnx|safetensors|npz|npy|whl|gguf|tflite|so)(?:$|[?#])"
)


def _is_kept(index: Index, call: ast.Call, url: str) -> bool:
    """Whether a reply that holds a model is written to a file in the same function."""
    if not _WEIGHTS.search(url.lower()) or not _READERS_OF_REPLIES.search(index.dotted(call.func)):
        return False
    around = index.function_of(call)
    return any(
        last_name(other.func) in {"write", "write_bytes", "copyfileobj"}
        and index.function_of(other) is around
        and re.search(r"\.content\b|\.read\(\)|\.raw\b|iter_content|chunk", texts(other))
        for other in index.calls
    )


def module_text(index: Index) -> str:
    """Everything in a module, as text."""
    return " ".join(
        [last_name(call.func) for call in index.calls]
        + list(index.imports.values())
        + [key.arg or "" for call in index.calls for key in call.keywords]
    )


def unpacks(index: Index, call: ast.Call, name: str) -> Rule | None:
    """Archives that are unpacked wherever their names say."""
    function = last_name(call.func)
    if name == "shutil.unpack_archive":
        return EXTRACT if index.keyword(call, "filter") is ABSENT and _is_tar(index, call) else None
    if function not in {"extractall", "extract"} or not isinstance(call.func, ast.Attribute):
        return None
    owner = _owner(index, call.func.value)
    if "tarfile" not in owner and not owner.startswith("tarfile"):
        return None
    chosen = index.keyword(call, "filter")
    if chosen in {"data", "tar"} or (chosen is UNKNOWN):
        return None
    members = index.keyword_node(call, "members")
    if isinstance(members, ast.AST) and "getmembers" not in texts(members):
        return None
    return EXTRACT if function == "extractall" or chosen == "fully_trusted" else None


def _owner(index: Index, node: ast.expr) -> str:
    """What an archive object was made by."""
    if isinstance(node, ast.Name):
        made = [index.dotted(v.func) for v in index.lookup(node) if isinstance(v, ast.Call)]
        return " ".join(made)
    return index.dotted(node)


def _is_tar(index: Index, call: ast.Call) -> bool:
    text = index.text_of(call.args[0]) if call.args else ""
    return ".tar" in text or text.endswith(".tgz") or index.keyword(call, "format") in {
        "tar", "gztar", "bztar", "xztar"
    }  # fmt: skip


def weak_habits(index: Index, call: ast.Call, name: str) -> Rule | None:
    """Names of files that others can guess, weak digests, and keys of hosts that nobody looks at."""
    if name in {"ssl._create_unverified_context", "ssl._create_stdlib_context"}:
        return UNVERIFIED
    requirement = index.keyword_node(call, "cert_reqs")
    if isinstance(requirement, ast.AST) and "NONE" in texts(requirement).upper():
        return UNVERIFIED
    if name in {"ftplib.FTP", "telnetlib.Telnet"}:
        return NO_TLS
    if last_name(call.func) == "set_missing_host_key_policy" and call.args:
        policy = index.dotted(call.args[0]) + texts(call.args[0])
        return HOST_KEYS if "AutoAdd" in policy or "WarningPolicy" in policy else None
    if name == "tempfile.mktemp":
        return TEMPORARY
    if name in {"hashlib.md5", "hashlib.sha1"} and _compares(index, call):
        return WEAK_DIGEST
    return None


def _compares(index: Index, call: ast.Call) -> bool:
    """Whether a digest decides: it is compared in its function, over a file of bytes."""
    if index.keyword(call, "usedforsecurity") is False:
        return False
    around = index.function_of(call)
    if not isinstance(around, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return False
    return any(
        isinstance(node, ast.Compare) and "digest" in texts(node) for node in parts_of(around)
    )


_BOUNDS = expression(
    r"realpath|is_relative_to|commonpath|commonprefix|startswith|resolve\(|abspath|basename|secure_filename|\.name\b\s*$"
)


def unpacking_loops(index: Index) -> Iterator[Hit]:
    """Loops that write the members of an archive wherever their names point."""
    for loop in index.each(ast.For):
        source = last_name(loop.iter.func) if isinstance(loop.iter, ast.Call) else ""
        if source not in {"namelist", "infolist", "getmembers", "getnames"}:
            continue
        text = " ".join(texts(part) for part in loop.body)
        writes = re.search(r"open\([^\n]*['\"](?:wb|w|xb)['\"]|write_bytes\(", text)
        if writes is not None and not _BOUNDS.search(text):
            yield Hit(EXTRACT, loop.lineno, f"a loop over {source}()")
