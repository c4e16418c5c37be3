"""Files of weights, rows and credentials handed to whatever speaks to a network.

Not which library it is decides, but that one of them is imported, that the call sends, and that
what it is given was opened, or is named, as a file that holds a model, data or credentials.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from hauberk.methods.code.flow import first_parts, texts
from hauberk.methods.code.python_index import Index, last_name
from hauberk.methods.expressions import expression

_NETWORKS = frozenset(
    """
    aiobotocore aioftp aiohttp aiosmtplib asyncio asyncssh azure b2sdk boto boto3 botocore
    confluent_kafka discord dropbox elasticsearch fabric ftplib gcsfs google grpc http httpx
    imaplib influxdb kafka mastodon minio nats opensearchpy oss2 paho paramiko pika pulsar pycurl
    pymongo pysftp qcloud_cos qiniu redis requests requests_toolbelt scp slack_sdk smbclient
    smtplib socket socketio socks telebot telegram telethon telnetlib tweepy twisted urllib
    urllib3 webdav3 websocket websockets xmlrpc zmq
    """.split()  # noqa: SIM905 - a table of names reads better as words
)
_VERBS = expression(
    r"(?:upload\w*|put\w*|post|patch|request|send\w*|publish\w*|single|multiple|emit|produce|store\w*|stor(?:binary|lines)|"
    r"files_\w+|add_attachment|create_blob\w*|import_data|write|writelines|append|transfer|copy_to|push)$"
)
_WRITES = frozenset({"write", "writelines", "append", "push"})
_WRITERS = expression(
    r"(?i)writer|sock|conn|stream|transport|channel|line|client|proto|imap|server"
)
_DATA = expression(
    r"(?i)^(?!https?:|s3:|gs:)[\w./~@{}* -]{0,200}\.(?:pt|pth|pkl|pickle|joblib|onnx|h5|hdf5|keras|safetensors|ckpt|npz|npy|parquet|csv|feather|"
    r"gguf|arrow|sqlite3?|db)$"
)
_KEYS = expression(
    r"(?:^|/)(?:\.aws/credentials|\.ssh/(?:id_\w+|config|authorized_keys)|\.netrc|\.kube/config|\.docker/config\.json|\.pypirc|\.npmrc|"
    r"\.git-credentials|\.huggingface/token|\.cache/huggingface/token|\.config/gcloud/\S+|\.env(?:\.\w+)?)$|^/etc/(?:shadow|passwd)$"
)


def speaks_to_networks(index: Index) -> bool:
    """Whether any library that reaches other hosts is imported."""
    return any(name.partition(".")[0] in _NETWORKS for name in index.imports.values())


def may_hand_out(call: ast.Call, written: str) -> bool:
    """Whether a call sends by its name."""
    if not isinstance(call.func, ast.Attribute) or _VERBS.match(written) is None:
        return False
    owner = texts(call.func.value)[-80:]
    if _INSIDE.search(owner):
        return False
    return written not in _WRITES or _WRITERS.search(owner) is not None


def handed_out(index: Index, call: ast.Call) -> str:
    """``keys`` or ``data`` where a file of such is handed over, and nothing else.

    A path alone says that its file is sent only where that is what the call does with paths;
    elsewhere it may as well be what is asked for.
    """
    if _is_file(index, call.func):
        return ""
    takes_paths = _TAKES_PATHS.match(last_name(call.func)) is not None
    found = ""
    for text, is_opened in _named_files(index, call):
        if not is_opened and not takes_paths:
            continue
        if _KEYS.search(text):
            return "keys"
        if _DATA.match(text):
            found = "data"
    return found


_TAKES_PATHS = expression(
    r"upload\w*|f?put(?!_)\w*|put_file|files_\w+|send_?(?:file|document)|transfer|copy_to"
)
_INSIDE = expression(
    r"(?i)queue|jobs?$|tasks?$|cache|(?:^|_)pool$|results?$|paths?$|files?$|rows?$|buffer|^flask|^self\.q$|^q$"
)
"""Owners that hand on inside of the program, or answer whoever asked."""
_OPENERS = frozenset(
    {"open", "Path", "File", "FSInputFile", "InputFile", "read_csv", "read_parquet"}
)
_MAX_NODES = 300


def _is_file(index: Index, func: ast.expr) -> bool:
    """Whether the owner of a method is a file of this machine."""
    owner = func.value if isinstance(func, ast.Attribute) else func
    values = index.lookup(owner)[-1:] if isinstance(owner, ast.Name) else [owner]
    return any(
        isinstance(value, ast.Call)
        and last_name(value.func)
        in {"open", "BytesIO", "StringIO", "writer", "ZipFile", "TemporaryFile"}
        and last_name(getattr(value.func, "value", value.func)) not in {"fs", "sftp"}
        for value in values
    )


def _named_files(index: Index, call: ast.Call) -> Iterator[tuple[str, bool]]:
    """Texts among the arguments, and behind their names, and whether each is a file's path."""
    waiting: list[tuple[ast.AST, bool]] = [
        (node, False) for node in (*call.args, *(keyword.value for keyword in call.keywords))
    ]
    seen: set[int] = set()
    left = _MAX_NODES
    for node, is_opened in waiting:  # It grows while it is gone through.
        opened = is_opened or any(
            isinstance(part, ast.Call) and last_name(part.func) in _OPENERS
            for part in first_parts(node, _MAX_NODES)
        )
        for part in first_parts(node, _MAX_NODES):
            left -= 1
            if left < 0:
                return
            if isinstance(part, ast.Constant) and isinstance(part.value, str):
                yield part.value, opened
            elif isinstance(part, ast.Name) and id(part) not in seen:
                seen.add(id(part))
                waiting += [(v, opened) for v in index.lookup(part)[-2:] if _reads(v)]


def _reads(value: ast.expr) -> bool:
    """Whether a value is a file, its content or its path: not what a model makes of it."""
    if isinstance(value, ast.Constant):
        return True
    inner: ast.AST = value
    while isinstance(inner, ast.Call):
        name = last_name(inner.func)
        if name in {"open", "Path", "expanduser", "File", "BytesIO", "iter"}:
            return True
        if name not in {
            "read",
            "read_bytes",
            "read_text",
            "b64encode",
            "compress",
            "encode",
            "decode",
        }:
            return False
        inner = inner.args[0] if inner.args else getattr(inner.func, "value", inner.func)
    return isinstance(inner, ast.Name)
