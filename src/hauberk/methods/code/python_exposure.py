"""Python that opens services, or lets secrets, people's data and weights out."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import PurePath

from hauberk.methods.code.commands import faults
from hauberk.methods.code.flow import first_parts, names_in, once, parts_of, texts
from hauberk.methods.code.handed_out import handed_out, may_hand_out, speaks_to_networks
from hauberk.methods.code.python_index import UNKNOWN, Index, command_text, last_name
from hauberk.methods.code.python_loading import MOVING as HUB
from hauberk.methods.code.rules import Hit, Rule, rule
from hauberk.methods.code.services import (
    BOUND,
    CHECKS_OFF,
    CROSS,
    DEBUG,
    DEFAULT,
    LISTENING,
    PICKLED,
    PUBLIC,
    TUNNEL,
    command_faults,
    setting_fault,
)
from hauberk.methods.expressions import expression

LOGGED = rule(
    "outbound-data/logged-secret",
    "high",
    "writes a secret, or the whole environment, to a log",
    "Log that it is set, never what it is.",
    "CWE-532",
)
PEOPLE = rule(
    "outbound-data/logged-people",
    "medium",
    "writes rows or requests with people's data to a log",
    "Log counts, ids of requests and digests.",
    "CWE-532",
)
TRACE = rule(
    "outbound-data/error-details",
    "medium",
    "answers a caller with the inside of an error",
    "Log the details, and answer with a number to find them by.",
    "CWE-209",
)
SENT = rule(
    "outbound-data/sent",
    "high",
    "sends weights, features or data out of the project",
    "Let only the release step publish, to a named and approved place; ask who needs this.",
    "CWE-200",
    review=True,
)
LEAVES = rule(
    "outbound-data/environment-sent",
    "high",
    "sends the whole environment, with the secrets in it, out of the project",
    "Send the values that are needed, by name; never secrets.",
    "CWE-200",
)
KEYS = rule(
    "outbound-data/keys-sent",
    "high",
    "sends a file of credentials out of the project",
    "Remove it, change the credentials, and ask who put it there.",
    "CWE-200",
)
TRACKED = rule(
    "outbound-data/tracked-secret",
    "high",
    "records secrets or the whole environment as parameters of a run",
    "Record the parameters that you mean, by name.",
    "CWE-532",
)
SHARED = rule(
    "outbound-data/public-link",
    "high",
    "opens a public link to an application on this machine",
    "Leave share away.",
    "CWE-668",
)
REVEALS = rule(
    "outbound-data/reveals-training-data",
    "medium",
    "answers a caller with rows, weights or settings of the model",
    "Answer with predictions only.",
    "CWE-200",
)

_HANDED: dict[str, Rule] = {"keys": KEYS, "data": SENT}

_SECRET = expression(
    r"(?i)(?:^|_|\b)(?:token|secret|passw(?:or)?d|passwd|pwd|api_?key|apikey|access_?key|secret_?key|private_?key|auth_?key|credentials?|bearer|conn(?:ection)?_str(?:ing)?|dsn|signing_?key)$"
)
_NOT_SECRET = expression(
    r"(?i)num|count|len|max|min|n_|id$|ids$|type|name|path|file|url|length|limit|usage|pad|eos|bos|unk|mask|sep|cls|vocab|per_token|"
    r"(?:^|_)(?:next|prev|first|last|new|generated|input|output|special|time|avg|mean|total|sub)_tokens?$"
)
_LOGS = frozenset(
    {"debug", "info", "warning", "warn", "error", "critical", "exception", "log", "print"}
)
_TRACKERS = frozenset(
    {
        "log_param",
        "log_params",
        "set_tag",
        "set_tags",
        "log_dict",
        "log_text",
        "add_text",
        "add_hparams",
    }
)
_PEOPLE = expression(
    r"(?i)^(?:emails?|e_?mail_address|ssn|social_security\w*|phone(?:_number)?|patients?|customers?|users?_?(?:record|row|profile|data|df)|birth_?date|dob|iban|credit_card\w*|card_number|full_?name|home_address|diagnos[ie]s|passport\w*|national_id|medical_record\w*|applicants?|personal_data|pii)$"
)
_BODIES = expression(
    r"^(?:request|req|flask\.request)(?:\.\w+\(\))?\.(?:json|form|data|body|get_json|values|files|get_data|headers|cookies)\b"
)


def exposure_hits(index: Index, path: PurePath) -> Iterator[Hit]:
    """Hits of one module."""
    reaches = speaks_to_networks(index)
    for call, name, written in index.named_calls:
        last = name.rpartition(".")[2]
        if _may_serve(index, call, name, written):
            yield from _services(index, call, name)
        yield from _started(index, call, name)
        yield from _logs(index, call, name)
        is_sender = written in _ENDS_OF_SENDERS or last in _ENDS_OF_SENDERS
        broken = _sends(index, call, name) if is_sender else None
        if broken is None and reaches:
            broken = _reaches(index, call, name, written)
        if broken is not None:
            yield Hit(broken, call.lineno, name or last_name(call.func))
    yield from _assigned(index, path)
    yield from _answers(index)


def _reaches(index: Index, call: ast.Call, name: str, written: str) -> Rule | None:
    """What a call of a module that speaks to networks hands over."""
    if written == "get":
        return _asks_with_secrets(index, call, name) if "environ" in index.words else None
    return _HANDED.get(handed_out(index, call)) if may_hand_out(call, written) else None


def _asks_with_secrets(index: Index, call: ast.Call, name: str) -> Rule | None:
    """``requests.get(url, params=dict(os.environ))``: a question carries as much as an answer."""
    if not name.startswith(("requests.", "httpx.")) and not _is_session(name):
        return None
    return LEAVES if _WHOLE_ENVIRONMENT.search(_payload(index, call)) else None


def _is_session(name: str) -> bool:
    return name.rpartition(".")[0].endswith(("Session()", "Client()", "session", "PoolManager()"))


_WHOLE_ENVIRONMENT = expression(r"\bos\.environ\b(?!\.get|\[|\.setdefault|\.pop)|\bprintenv\b")


# Services ------------------------------------------------------------------------------


_LAST_NAMES = frozenset(
    """
    run run_simple launch init LocalCluster BaseManager SimpleXMLRPCServer HTTPServer TCPServer
    ThreadingHTTPServer configure make_public make_blob_public
    """.split()  # noqa: SIM905 - a table of names reads better as words
)
_TUNNELS = ("ngrok.", "pyngrok.", "localtunnel.", "pycloudflared.")
_ASKED_KEYWORDS = frozenset({"ACL", "secret_key", "aws_secret_access_key", "allow_origins"})


def _may_serve(index: Index, call: ast.Call, name: str, written: str) -> bool:
    """Whether the reading below can say something of a call: most calls are none of its own."""
    return (
        written in _LAST_NAMES
        or name.rpartition(".")[2] in _LAST_NAMES
        or name.startswith(_TUNNELS)
        or name.endswith("SyncManager")
        or ("BaseManager" in index.words and _is_manager(index, written))
        or ((bool(call.keywords) or index.has_partials) and index.may_say(call, _ASKED_KEYWORDS))
    )


def _services(index: Index, call: ast.Call, name: str) -> Iterator[Hit]:
    function = last_name(call.func)
    host = index.keyword(call, "host")
    if function == "run" and index.keyword(call, "debug") is True and name != "asyncio.run":
        yield Hit(DEBUG, call.lineno, f"{name or function}(debug=True)")
    if function == "run_simple" and index.keyword(call, "use_debugger") is True:
        yield Hit(DEBUG, call.lineno, "use_debugger")
    if function == "launch" and index.keyword(call, "share") is True:
        yield Hit(SHARED, call.lineno, "share=True")
    everywhere = {"0.0.0.0", "::", "*"}
    if name == "ray.init" and index.keyword(call, "dashboard_host") in everywhere:
        yield Hit(BOUND, call.lineno, "dashboard_host")
    if (
        name in {"dask.distributed.LocalCluster", "distributed.LocalCluster", "LocalCluster"}
        and host in everywhere
    ):
        yield Hit(BOUND, call.lineno, name)
    if function == "BaseManager" or name.endswith("SyncManager") or _is_manager(index, function):
        address = index.keyword_node(call, "address")
        address = call.args[0] if call.args else address
        if isinstance(address, ast.Tuple) and index.constant(address.elts[0]) in {"0.0.0.0", ""}:
            is_known = isinstance(index.keyword(call, "authkey"), (bytes, str))
            yield Hit(PICKLED if is_known else LISTENING, call.lineno, name or function)
    if (
        function in {"SimpleXMLRPCServer", "HTTPServer", "TCPServer", "ThreadingHTTPServer"}
        and call.args
    ):
        address = call.args[0]
        if (
            function == "SimpleXMLRPCServer"
            and isinstance(address, ast.Tuple)
            and index.constant(address.elts[0]) in everywhere
        ):
            yield Hit(LISTENING, call.lineno, name)
    if function == "configure":
        words = " ".join(str(index.constant(part)) for part in _listed(call))
        if re.search(r"--bind_all\b|--host[= ](?:0\.0\.0\.0|::)", words):
            yield Hit(BOUND, call.lineno, f"{name or function}({words})"[:60])
    if re.fullmatch(
        r"(?:pyngrok\.)?ngrok\.(?:connect|forward)|localtunnel\.\w+|pycloudflared\.\w+", name
    ):
        if not any(k.arg in {"auth", "basic_auth", "oauth_provider"} for k in call.keywords):
            yield Hit(TUNNEL, call.lineno, name)
    if index.keyword(call, "ACL") in {"public-read", "public-read-write"}:
        yield Hit(PUBLIC, call.lineno, "ACL")
    if function in {"make_public", "make_blob_public"}:
        yield Hit(PUBLIC, call.lineno, function)
    if (
        index.keyword(call, "secret_key") in _KNOWN
        or index.keyword(call, "aws_secret_access_key") in _KNOWN
    ):
        yield Hit(DEFAULT, call.lineno, f"{name or function}(secret_key=...)")
    paths = index.keyword_node(call, "allowed_paths")
    if function == "launch" and isinstance(paths, (ast.List, ast.Tuple)):
        if any(index.constant(part) in {"/", "~", ".."} for part in paths.elts):
            yield Hit(PUBLIC, call.lineno, "allowed_paths")
    origins = index.keyword_node(call, "allow_origins")
    is_any = (
        isinstance(origins, ast.AST)
        and "*" in ast.unparse(origins)
        and "'*'" in ast.unparse(origins)
    )
    if is_any and index.keyword(call, "allow_credentials") is True:
        yield Hit(CROSS, call.lineno, "allow_origins=['*'] with credentials")


def _is_manager(index: Index, name: str) -> bool:
    """Whether a class of the module is a manager, which unpickles what its callers send."""
    return name in once(index, "managers", lambda: frozenset(_managers(index)))


def _managers(index: Index) -> Iterator[str]:
    for node in index.each(ast.ClassDef):
        if any(last_name(base) in {"BaseManager", "SyncManager"} for base in node.bases):
            yield node.name


_KNOWN = frozenset({"minioadmin", "minio123", "password", "admin"})


def _listed(call: ast.Call) -> list[ast.expr]:
    """Words of lists that a call is given."""
    given = [*call.args, *(keyword.value for keyword in call.keywords)]
    lists = [node for node in given if isinstance(node, (ast.List, ast.Tuple))]
    return [part for node in lists for part in node.elts]


def _started(index: Index, call: ast.Call, name: str) -> Iterator[Hit]:
    """Services that the module starts as programs of their own."""
    text = command_text(index, call, name)
    for broken, _, found in command_faults(text) if text else ():
        yield Hit(broken, call.lineno, found)
    for kind, _, found in faults(text) if text else ():
        if kind in {"sent", "hub"}:
            yield Hit(SENT if kind == "sent" else HUB, call.lineno, found)


def _assigned(index: Index, path: PurePath) -> Iterator[Hit]:
    """Settings in Python: Jupyter, Airflow, Superset, Django, Flask."""
    for node in index.each(ast.Assign):
        value = index.constant(node.value)
        text = ast.unparse(node.value) if isinstance(node.value, (ast.List, ast.Tuple)) else ""
        if value is UNKNOWN and not text:
            continue
        for target in node.targets:
            name = _setting(target)
            is_known = name.startswith("c.") or name.isupper() or "conf" in path.name
            broken = (
                setting_fault(name.removeprefix("c."), text or str(value))
                if name and is_known
                else None
            )
            if broken is not None and broken is not CHECKS_OFF:  # Told by rules of downloads.
                yield Hit(broken, node.lineno, name)
            if name == "DEBUG" and value is True and "settings" in path.name:
                yield Hit(DEBUG, node.lineno, name)
            if re.search(r"\.config\[DEBUG\]$|^app\.debug$", name) and value is True:
                yield Hit(DEBUG, node.lineno, name)


def _setting(target: ast.expr) -> str:
    if isinstance(target, ast.Subscript):
        key = target.slice
        if isinstance(key, ast.Constant) and isinstance(key.value, str):
            base = texts(target.value)
            return key.value if base.endswith("environ") else f"{base}[{key.value}]"
        return ""
    if isinstance(target, ast.Name):
        return target.id
    return texts(target) if isinstance(target, ast.Attribute) else ""


# Logs ----------------------------------------------------------------------------------


def _logs(index: Index, call: ast.Call, name: str) -> Iterator[Hit]:
    function = last_name(call.func)
    if function in _TRACKERS or name in {"wandb.init", "wandb.config.update", "mlflow.log_params"}:
        yield from _tracked(index, call, function)
        return
    if function not in _LOGS or not _is_log(call, name):
        return
    for argument in [*call.args, *(keyword.value for keyword in call.keywords)]:
        for part in _shown(argument):
            broken = _told(index, part)
            if broken is not None:
                yield Hit(broken, call.lineno, ast.unparse(part)[:40])
                return


def _is_log(call: ast.Call, name: str) -> bool:
    if name == "print":
        return True
    owner = name.rpartition(".")[0].lower()
    return isinstance(call.func, ast.Attribute) and (
        "log" in owner or owner in {"st", "console", "app.logger"}
    )


def _shown(node: ast.expr) -> Iterator[ast.expr]:
    """What of an expression is written out: not what is only counted or compared."""
    if isinstance(node, ast.JoinedStr):
        for value in node.values:
            if isinstance(value, ast.FormattedValue):
                yield from _shown(value.value)
    elif isinstance(node, (ast.BinOp, ast.Tuple, ast.List, ast.Dict)):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                yield from _shown(child)
    elif isinstance(node, ast.Call) and last_name(node.func) in {
        "str",
        "repr",
        "format",
        "dumps",
        "dict",
        "pformat",
        "to_dict",
        "to_json",
        "to_string",
        "vars",
        "head",
        "sample",
    }:
        inner = [*node.args, *(k.value for k in node.keywords)]
        if isinstance(node.func, ast.Attribute) and last_name(node.func) in {
            "format",
            "to_dict",
            "to_json",
            "to_string",
            "head",
            "sample",
        }:
            inner.append(node.func.value)
        for child in inner:
            yield from _shown(child)
    else:
        yield node


def _told(index: Index, part: ast.expr) -> Rule | None:
    text = (
        ast.unparse(part)
        if isinstance(part, (ast.Name, ast.Attribute, ast.Subscript, ast.Call))
        else ""
    )
    if re.fullmatch(r"os\.environ(?:\.copy\(\))?|environ", text):
        return LOGGED
    if isinstance(part, ast.Call):
        secret = re.search(r"(?:getenv|environ\.get)\(['\"](\w+)['\"]", text)
        return (
            LOGGED
            if secret and _SECRET.search(secret[1])
            else PEOPLE
            if _BODIES.match(text)
            else None
        )
    last = _last(part)
    if last.lower() == "token" and _speaks_of_words(index):
        return None
    if last and _SECRET.search(last) and not _NOT_SECRET.search(last):
        return LOGGED
    if _BODIES.match(text) or (last and _PEOPLE.match(last)):
        return PEOPLE
    return None


def _speaks_of_words(index: Index) -> bool:
    """Whether a token is a piece of a text here."""
    return any(
        re.search(r"(?i)tokeni[sz]|vocab|\btokens\b|lexer|parser|bpe\b|detokenize", name)
        for node in index.each(ast.Name, ast.Attribute)
        for name in (last_name(node),)
    ) or any(re.search(r"tokeni[sz]|gguf|transformers", name) for name in index.imports.values())


def _last(part: ast.expr) -> str:
    if isinstance(part, ast.Subscript):
        key = part.slice
        return key.value if isinstance(key, ast.Constant) and isinstance(key.value, str) else ""
    return last_name(part)


def _tracked(index: Index, call: ast.Call, function: str) -> Iterator[Hit]:
    for argument in [*call.args, *(keyword.value for keyword in call.keywords)]:
        text = ast.unparse(argument)
        if re.search(r"\bos\.environ\b(?!\.get|\[)|\benviron\b(?!\.get|\[)", text):
            yield Hit(TRACKED, call.lineno, f"{function}(os.environ)")
            return
    key = index.constant(call.args[0]) if call.args else UNKNOWN
    if (
        isinstance(key, str)
        and _SECRET.search(key)
        and not _NOT_SECRET.search(key)
        and len(call.args) > 1
    ):
        yield Hit(TRACKED, call.lineno, f"{function}({key})")


# Sending -------------------------------------------------------------------------------

_SENDERS = expression(
    r"(?:^|\.)(?:(?:requests|httpx|session|Session\(\)|client|Client\(\)|http|s|aiohttp\.ClientSession\(\)|AsyncClient\(\))\.(?:post|put|patch|request)|"
    r"urlopen|Request|sendall|send|send_binary|sendto|sendmail|send_message|storbinary|storlines|send_file_to|publish|basic_publish|put_text|send_bytes|create_connection|gethostbyname|getaddrinfo|resolve|upload_file_to_gist)$"
)
_WEIGHT_FILES = expression(
    r"\.(?:pt|pth|pkl|pickle|joblib|onnx|h5|hdf5|keras|safetensors|ckpt|bin|npz|npy|parquet|csv|feather|tar\.gz|zip|gguf|arrow)\b"
)
_WEIGHTS = expression(
    r"\b(?:state_dict|get_weights|named_parameters|parameters|coef_|intercept_|coefs_|embeddings?|feature_matrix|weights?|X_train|x_train|train_df|training_data|train_data|hidden_states?|model_bytes|activations|gradients?|checkpoint)\b"
)
_NUMBERS = expression(
    r"\b(?:accuracy|loss|metrics?|score|f1|auc|status|message|health|run_id|digest|sha256|hexdigest|num_\w+|len|count)\b"
)
_OWN = expression(
    r"predict|infer|score|embed|completions|localhost|127\.0\.0\.1|/v[12]/|generate|serving|invocations|test_client|endpoint"
)


_OPENED = expression(
    r"open\(.{0,160}?['\"](?P<file>[^'\"]*\.\w+)['\"]|"
    r"(?:Path|glob|rglob|iglob)\([^()]{0,80}['\"](?P<path>[^'\"]*\.\w+)['\"]"
)
"""Files that an expression opens, or whose path it reads from."""


_UPLOADS = frozenset(
    {
        "upload_file",
        "upload_folder",
        "upload_large_folder",
        "files_upload",
        "files_upload_v2",
        "send_document",
        "send_file",
        "upload_fileobj",
        "put_object",
        "fput_object",
    }
    | {"upload_from_filename", "upload_from_file", "upload_blob", "put_file", "log_artifact_to"}
)
_HOLDS_WEIGHTS = expression(
    r"(?i)(?:^|[/_.-])(?:check_?points?|ckpts?|weights?|models?|adapters?|customers?|patients?|"
    r"(?:raw|train(?:ing)?|private)(?:_?data|_?rows)?)(?:$|[/_.-])|^(?:\./)?data/"
)


def _uploads(index: Index, call: ast.Call, name: str) -> bool:
    """Weights or data put into storage by name, or a folder of a hub."""
    if last_name(call.func) not in _UPLOADS or not isinstance(call.func, ast.Attribute):
        return False
    given = [*call.args, *(keyword.value for keyword in call.keywords)]
    paths = [text for node in given if (text := index.text_of(node))]
    is_hub = "huggingface_hub" in name or last_name(call.func) == "upload_large_folder"
    return any(
        _WEIGHT_FILES.search(path) or (is_hub and _HOLDS_WEIGHTS.search(path)) for path in paths
    )


_ENDS_OF_SENDERS = _UPLOADS | frozenset(
    """
    insert_many to_sql bulk produce xadd rpush lpush
    log_artifact log_artifacts log_model log_table log_input create_remote add_remote
    post put patch request urlopen Request sendall send send_binary sendto sendmail send_message storbinary
    storlines send_file_to publish basic_publish put_text send_bytes create_connection
    gethostbyname getaddrinfo resolve upload_file_to_gist
    """.split()  # noqa: SIM905 - a table of names reads better as words
)


_ELSEWHERE = expression(
    r"https?://(?:\d{1,3}\.){3}\d{1,3}(?::\d+)?(?:/|$)|http://(?:[\w-]+\.)+[a-z]{2,}(?::\d+)?(?:/|$)"
)
_WITHIN = expression(
    r"https?://(?:localhost|127\.|10\.|192\.168\.|169\.254\.|172\.(?:1[6-9]|2\d|3[01])\.|0\.0\.0\.0|"
    r"(?:[\w-]+\.)*(?:local|internal|svc|test|lan|cluster\.local)(?::\d+)?(?:/|$))"
)


def _tracks_elsewhere(index: Index, call: ast.Call, name: str) -> bool:
    """Files or models recorded at a server outside that the module names by an open address."""
    if last_name(call.func) not in _RECORDERS or not name.startswith("mlflow."):
        return False
    return bool(once(index, "trackers", lambda: frozenset(_trackers(index))))


def _trackers(index: Index) -> Iterator[str]:
    for other in index.calls:
        if last_name(other.func) == "set_tracking_uri" and other.args:
            address = index.text_of(other.args[0])
            if _ELSEWHERE.match(address) and not _WITHIN.match(address):
                yield address


def _pushes_elsewhere(index: Index, call: ast.Call) -> bool:
    """A repository that gets a new remote, by an address in the program, and is pushed."""
    if last_name(call.func) not in {"create_remote", "add_remote"} or len(call.args) < 2:
        return False
    address = index.constant(call.args[1])
    return isinstance(address, str) and "push" in index.called and ":" in address


_RECORDERS = frozenset({"log_artifact", "log_artifacts", "log_model", "log_table", "log_input"})


_STORED = frozenset({"insert_many", "to_sql", "bulk", "produce", "xadd", "rpush", "lpush"})
_OPEN_ADDRESS = expression(
    r"(?:mongodb|postgres(?:ql)?|mysql|redis|amqp|kafka|https?)(?:\+\w+)?://(?:[^@/\s]*@)?"
    r"(?!127\.|10\.|192\.168\.|172\.(?:1[6-9]|2\d|3[01])\.|169\.254\.|0\.0\.0\.0)(?:\d{1,3}\.){3}\d{1,3}(?::\d+)?(?:/|$)"
)


def _stores_elsewhere(index: Index, call: ast.Call) -> bool:
    """Rows put into a store outside, which the module names by a bare public address."""
    if last_name(call.func) not in _STORED:
        return False
    return bool(once(index, "stores", lambda: frozenset(_open_addresses(index))))


def _open_addresses(index: Index) -> Iterator[str]:
    for node in index.each(ast.Constant):
        if isinstance(node.value, str) and _OPEN_ADDRESS.match(node.value):
            yield node.value[:60]


def _sends(index: Index, call: ast.Call, name: str) -> Rule | None:
    if _stores_elsewhere(index, call):
        return SENT
    if _uploads(index, call, name) or _pushes_elsewhere(index, call):
        return SENT
    if _tracks_elsewhere(index, call, name):
        return SENT
    shown = name or ast.unparse(call.func)[:120]
    if not _SENDERS.search(shown) or shown.startswith(("self.", "unittest", "mock")):
        return None
    text = _payload(index, call)
    if _WHOLE_ENVIRONMENT.search(text):
        return LEAVES
    address = index.text_of(call.args[0]) if call.args else ""
    if re.search(r"localhost|127\.0\.0\.1", address) or _OWN.search(address):
        return None
    if last_name(call.func) in {"gethostbyname", "getaddrinfo", "resolve"}:
        is_told = isinstance(call.args[0], (ast.BinOp, ast.JoinedStr)) if call.args else False
        return SENT if is_told and re.search(r"hex\(|b(?:64|32)encode|encode\(", text) else None
    if any(_WEIGHT_FILES.search(f["file"] or f["path"]) for f in _OPENED.finditer(text)):
        return SENT
    is_model = re.search(
        r"(?:pickle|dill|joblib|cloudpickle|torch|json|base64|io|zlib|gzip)\S*\.?(?:dumps|save|b64encode|compress|getvalue|urlsafe_b64encode)\b",
        text,
    )
    if _WEIGHTS.search(text) and (
        is_model
        or re.search(
            r"tolist|tobytes|to_json|to_csv|to_dict|to_parquet|getvalue|state_dict|get_weights|coef_|read\(\)|encode|hex\(\)",
            text,
        )
    ):
        return SENT
    if (
        is_model
        and re.search(r"\bmodel\b|\bclf\b|\bnet\b|\bestimator\b|\bpipeline\b", text)
        and not re.search(r"json\.dumps\(", text)
    ):
        return SENT
    if re.search(
        r"\b(?:df|frame|train|dataset|features?|rows|X)\.(?:to_csv|to_json|to_parquet|to_dict|tolist|tobytes)\(",
        text,
    ):
        return SENT
    return None


_MAX_PARTS = 1000
"""Parts of one argument that are looked through."""


def _payload(index: Index, call: ast.Call, rounds: int = 3) -> str:
    """The arguments of a call, with what their names were bound to in the module."""
    nodes: list[ast.expr] = [*call.args, *(keyword.value for keyword in call.keywords)]
    said, seen = [], set[ast.AST]()
    for _ in range(rounds):
        following: list[ast.expr] = []
        for node in nodes[:40]:
            if node in seen:
                continue
            seen.add(node)
            said.append(texts(node)[:400])
            for part in first_parts(node, _MAX_PARTS):
                if isinstance(part, ast.Name):
                    following += index.lookup(part)[:4]
        nodes = following
    return " ".join(said) + _saved(index, call) + _defaults(index, call)


def _defaults(index: Index, call: ast.Call) -> str:
    """What a parameter of the function is when nobody says, written as the file that is opened."""
    around = index.function_of(call)
    if not isinstance(
        around, (ast.FunctionDef, ast.AsyncFunctionDef)
    ) or "open(" not in ast.unparse(call):
        return ""
    given = around.args
    names = [*given.posonlyargs, *given.args][-len(given.defaults) :] if given.defaults else []
    pairs = [*zip(names, given.defaults, strict=True)]
    pairs += [
        (n, d) for n, d in zip(given.kwonlyargs, given.kw_defaults, strict=True) if d is not None
    ]
    used = {node.id for node in parts_of(call) if isinstance(node, ast.Name)}
    return "".join(
        f" open({default.value!r})"
        for argument, default in pairs
        if argument.arg in used and isinstance(default, ast.Constant)
    )


def _saved(index: Index, call: ast.Call) -> str:
    """``torch.save(model, buffer)`` in the same function fills a buffer that is sent."""
    names = names_in(call)
    around = index.function_of(call)
    found = once(index, "filled", lambda: _filled(index)).get(around, ())
    return " ".join(text for used, text in found if names & used)[:2000]


_FILLS = frozenset({"save", "dump", "to_csv", "to_parquet", "write", "attach", "add_attachment"})


def _filled(index: Index) -> dict[ast.AST, list[tuple[set[str], str]]]:
    """Calls that fill something, by the function in which they stand: names in them, and text."""
    found: dict[ast.AST, list[tuple[set[str], str]]] = {}
    for other in index.calls:
        if last_name(other.func) in _FILLS:
            held = found.setdefault(index.function_of(other), [])
            if len(held) < _MAX_FILLED:
                text = " ".join([texts(other)[:300], *_behind(index, other)])
                held.append((names_in(other) - {"torch", "self"}, text))
    return found


_MAX_FILLED = 200
"""Calls of one function that fill something, and are looked through for what is sent."""


def _behind(index: Index, call: ast.Call) -> list[str]:
    """What the names are bound to that a call attaches or writes."""
    if last_name(call.func) not in {"attach", "add_attachment", "write"}:
        return []
    names = [
        node for part in call.args[:1] for node in parts_of(part) if isinstance(node, ast.Name)
    ]
    return [ast.unparse(value)[:200] for name in names[:4] for value in index.lookup(name)[-2:]]


# Answers -------------------------------------------------------------------------------

_ROUTES = expression(r"\b(?:route|get|post|put|api_view|exception_handler|errorhandler|delete)\b")


def _answers(index: Index) -> Iterator[Hit]:
    for function in index.functions:
        if not any(
            isinstance(d, ast.Call) and _ROUTES.search(ast.unparse(d.func))
            for d in function.decorator_list
        ):
            continue
        for node in parts_of(function):
            if not isinstance(node, (ast.Return, ast.Call)):
                continue
            if isinstance(node, ast.Call) and last_name(node.func) not in {
                "HTTPException",
                "jsonify",
                "JSONResponse",
                "abort",
                "make_response",
                "PlainTextResponse",
            }:
                continue
            text = ast.unparse(node)
            if re.search(
                r"traceback\.format_exc\(|format_exception\(|\brepr\((?:e|exc|err|error|ex)\)|sys\.exc_info\(\)",
                text,
            ):
                yield Hit(TRACE, node.lineno, "traceback")
            elif re.search(
                r"os\.environ\b(?!\.get|\[)|\b(?:state_dict|get_weights)\(\)|\bmodel\.(?:coef_|get_params\(\))|\b(?:X_train|train_df|training_data)\b",
                text,
            ):
                yield Hit(REVEALS, node.lineno, text[:60])
