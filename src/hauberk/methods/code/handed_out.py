"""Files of weights, rows and credentials handed to whatever speaks to a network.

Not which library it is decides, but that one of them is imported, that the call sends, and that
what it is given was opened, or is named, as a file that holds a model, data or credentials.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from hauberk.methods.code.flow import parts_of, texts
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
    return written not in _WRITES or _WRITERS.search(texts(call.func.value)[-80:]) is not None


def handed_out(index: Index, call: ast.Call) -> str:
    """``keys`` or ``data`` where a file of such is handed over, and nothing else."""
    found = ""
    for text in _named_files(index, call):
        if _KEYS.search(text):
            return "keys"
        if _DATA.match(text):
            found = "data"
    return found


_MAX_NODES = 300


def _named_files(index: Index, call: ast.Call) -> Iterator[str]:
    """Texts among the arguments, and behind their names, that may be paths."""
    waiting: list[ast.AST] = [*call.args, *(keyword.value for keyword in call.keywords)]
    seen: set[int] = set()
    for node in waiting:  # It grows while it is gone through.
        for part in parts_of(node):
            if len(seen) > _MAX_NODES:
                return
            if isinstance(part, ast.Constant) and isinstance(part.value, str):
                yield part.value
            elif isinstance(part, ast.Name) and id(part) not in seen:
                seen.add(id(part))
                waiting += [v for v in index.lookup(part)[-2:] if _reads(v)]


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
