"""Credentials left in a repository by mistake: see `CommitSecret`."""

from __future__ import annotations

import base64
import json
import string
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import ClassVar

from hauberk.core.artifact import CodeTree, SourceFile
from hauberk.core.attack import Attacked, Transform
from hauberk.core.threat import ThreatId
from hauberk.errors import UsageError

_BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
_WEB = _BASE62 + "-_"
_HEX = "0123456789abcdef"


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitSecret(Transform[CodeTree]):
    """Put one credential where people forget them.

    The credential has the structure its issuer gives it, checksum included, and random
    content, so it opens nothing. Code, settings, notebooks and their outputs, DVC remotes,
    scripts, comments, and files that a later commit deleted are places that incident
    reports name.

    Args:
        kind: One of `KINDS`; drawn where empty.
        place: One of `PLACES`; drawn where empty, among those where the kind occurs.

    Example:
        >>> sorted(KINDS)[:2]
        ['anthropic', 'aws-key-id']

    References:
        Meli, McNiece and Reaves (2019), How bad can it git?, NDSS. Issuers' own pages on the
        forms of their tokens.
    """

    title: ClassVar[str] = "Commit a credential"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("RE-2"),)
    subject: ClassVar[type] = CodeTree

    kind: str = ""
    place: str = ""

    def apply(self, subject: CodeTree, rng: Random) -> Attacked[CodeTree]:
        """The tree with one more secret; ``truth`` says which and where.

        Raises:
            UsageError: There is no such kind or place.
        """
        label = self.kind or rng.choice(sorted(KINDS))
        kind = KINDS.get(label)
        place = self.place or rng.choice(kind.places if kind else PLACES)
        if kind is None or place not in PLACES:
            raise UsageError(
                "no such kind of secret or place",
                subject=f"{label} in {place}",
                expected=", ".join((*KINDS, *PLACES)),
            )
        secret = kind.make(rng)
        file = _file(place, kind, secret, rng)
        twin = _in_history(subject, file) if place == "history" else _in_tree(subject, file)
        truth = {"kind": label, "place": place, "path": file.name, "secret": secret}
        return Attacked(subject=twin, truth=truth)


def recoverable(tree: CodeTree, secret: str) -> bool:
    """Whether a reader of the tree and its history gets ``secret`` without knowing it."""
    forms = {secret, json.dumps(secret)[1:-1], json.dumps(json.dumps(secret)[1:-1])[1:-1]}
    older = tree.history() if tree.history else iter(())
    return any(
        form in file.text for read in (tree.files(), older) for file in read for form in forms
    )


# Twins ---------------------------------------------------------------------------------


def _in_tree(tree: CodeTree, file: SourceFile) -> CodeTree:
    def read() -> Iterator[SourceFile]:
        kept = [other for other in tree.files() if other.path != file.path]
        yield from sorted([*kept, file], key=lambda item: item.path)

    return replace(tree, files=read, digest=None)


def _in_history(tree: CodeTree, file: SourceFile) -> CodeTree:
    def read() -> Iterator[SourceFile]:
        if tree.history:
            yield from tree.history()
        yield file

    return replace(tree, history=read, digest=None)


def _file(place: str, kind: Kind, secret: str, rng: Random) -> SourceFile:
    """A file with one secret in it, as somebody in a hurry would write it."""
    name = rng.choice(kind.names)
    shown = place if place != "history" else rng.choice(_FORMER)
    if "\n" in secret and shown not in _MULTILINE:
        shown = "key-file"
    folder = rng.choice(("", "src/", "conf/", "pipelines/churn/", "deploy/", "research/"))
    path, text = _WRITERS[shown](name, secret, rng)
    path = path if path.startswith(".") and "/" in path else folder + path
    if place == "history":
        path = "".join(rng.choices(_HEX, k=12)) + ":" + path
    return SourceFile(name=path, path=Path(path), text=text)


# Places --------------------------------------------------------------------------------

Written = tuple[str, str]


def _upper(name: str) -> str:
    return name.upper().replace("-", "_").replace(".", "_")


def _code(name: str, secret: str, rng: Random) -> Written:
    line = rng.choice(
        (
            f'{_upper(name)} = "{secret}"',
            f"{name} = '{secret}'",
            f'os.environ["{_upper(name)}"] = "{secret}"',
            f'{name} = os.getenv("{_upper(name)}", "{secret}")',
            f'service = Service(url=ENDPOINT, {name}="{secret}")',
            f'SETTINGS = {{"{name}": "{secret}", "retries": 3}}',
            f'parser.add_argument("--{name.replace("_", "-")}", default="{secret}")',
            f'{name}: str = "{secret}"  # TODO: move out of here',
        )
    )
    body = f'"""Fetch features."""\n\nimport os\n\n{line}\n\n\ndef main():\n    pass\n'
    return rng.choice(("fetch.py", "jobs.py", "upload_model.py", "settings.py")), body


def _yaml(name: str, secret: str, rng: Random) -> Written:
    quote = rng.choice(("", '"', "'"))
    text = f"tracking:\n  experiment: churn\n  {name}: {quote}{secret}{quote}\n  retries: 3\n"
    return rng.choice(("params.yaml", "values.yml", "train.yaml")), text


def _env(name: str, secret: str, rng: Random) -> Written:
    export = rng.choice(("", "export "))
    return rng.choice((".env", "prod.env", ".env.local")), (
        f"MODE=production\n{export}{_upper(name)}={secret}\nWORKERS=4\n"
    )


def _json(name: str, secret: str, rng: Random) -> Written:
    settings = {"bucket": "features", "auth": {name: secret}, "timeout": 30}
    text = json.dumps(settings, indent=rng.choice((2, 4, None)))
    return rng.choice(("settings.json", "credentials.json", "client.json")), text + "\n"


def _notebook(cells: list[Mapping[str, object]]) -> str:
    book = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(book, indent=1) + "\n"


def _cell(source: str, *outputs: Mapping[str, object]) -> Mapping[str, object]:
    lines = source.splitlines(keepends=True)
    return {
        "cell_type": "code",
        "execution_count": 1,
        "metadata": {},
        "source": lines,
        "outputs": list(outputs),
    }


def _notebook_source(name: str, secret: str, rng: Random) -> Written:
    line = rng.choice((f'{name} = "{secret}"', f"%env {_upper(name)}={secret}"))
    return "explore.ipynb", _notebook([_cell("import pandas as pd\n"), _cell(line + "\n")])


def _notebook_output(name: str, secret: str, rng: Random) -> Written:
    shown = rng.choice((f"{_upper(name)}={secret}\n", f"{{'{name}': '{secret}'}}\n"))
    output = rng.choice(
        (
            {"output_type": "stream", "name": "stdout", "text": [shown]},
            {
                "output_type": "execute_result",
                "execution_count": 1,
                "metadata": {},
                "data": {"text/plain": [shown]},
            },
            {
                "output_type": "error",
                "ename": "ConnectionError",
                "evalue": f"refused: {shown}",
                "traceback": ["Traceback", f"refused: {shown}"],
            },
        )
    )
    return "debug.ipynb", _notebook([_cell("print(config)\n", output)])


def _dvc(name: str, secret: str, rng: Random) -> Written:
    return rng.choice((".dvc/config", ".dvc/config.local")), (
        "[core]\n    remote = storage\n['remote \"storage\"']\n    url = s3://models/store\n"
        f"    {name.lower()} = {secret}\n"
    )


def _script(name: str, secret: str, rng: Random) -> Written:
    line = rng.choice(
        (
            f"export {_upper(name)}={secret}",
            f"{_upper(name)}='{secret}' python train.py",
            f"python push.py --{name.replace('_', '-')} {secret}",
            f'curl -H "Authorization: Bearer {secret}" https://models.corp.io/v1/push',
        )
    )
    return rng.choice(
        ("run.sh", "release.sh", "Makefile.deploy.sh")
    ), f"#!/bin/sh\nset -e\n{line}\n"


def _docker(name: str, secret: str, rng: Random) -> Written:
    word = rng.choice(("ENV", "ARG"))
    return (
        "Dockerfile",
        f"FROM python:3.11-slim\n{word} {_upper(name)}={secret}\nCMD python serve.py\n",
    )


def _comment(name: str, secret: str, rng: Random) -> Written:
    words = rng.choice((f"# {name}: {secret}", f"# for local runs use {name} = {secret}"))
    return "loaders.py", f'"""Load tables."""\n\n{words}\nTIMEOUT_S = 30\n'


def _key_file(_name: str, secret: str, rng: Random) -> Written:
    return rng.choice(("id_rsa", "deploy.pem", "service.key")), secret


_WRITERS: Mapping[str, Callable[[str, str, Random], Written]] = {
    "code": _code,
    "yaml": _yaml,
    "env": _env,
    "json": _json,
    "notebook-source": _notebook_source,
    "notebook-output": _notebook_output,
    "dvc": _dvc,
    "script": _script,
    "docker": _docker,
    "comment": _comment,
    "key-file": _key_file,
}
PLACES = (*_WRITERS, "history")
"""Where a secret may be put; ``history`` is a file that a later commit deleted."""

_FORMER = ("code", "yaml", "env", "json", "dvc", "script", "notebook-output")
_MULTILINE = frozenset({"json", "key-file"})


# Kinds ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One sort of credential.

    Attributes:
        make: A new one.
        names: What people call the variable that holds it.
        places: Where it is put.
    """

    make: Callable[[Random], str]
    names: tuple[str, ...]
    places: tuple[str, ...] = (
        *("code", "yaml", "env", "json", "notebook-source", "notebook-output"),
        *("script", "docker", "comment", "history", "history"),
    )


def _draw(rng: Random, letters: str, count: int) -> str:
    return "".join(rng.choices(letters, k=count))


def _base62(number: int) -> str:
    digits = ""
    while number:
        number, rest = divmod(number, 62)
        digits = _BASE62[rest] + digits
    return digits.rjust(6, "0")


def _checked(prefix: str, rng: Random) -> str:
    """Thirty random characters and the base-62 CRC-32 of them, as GitHub and npm do."""
    body = _draw(rng, _BASE62, 30)
    return prefix + body + _base62(zlib.crc32(body.encode()))


def _base64(rng: Random, count: int) -> str:
    return base64.b64encode(rng.randbytes(count)).decode()


def _segment(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def _jwt(rng: Random) -> str:
    claims = {"sub": _draw(rng, _HEX, 12), "role": "writer", "iat": rng.randrange(1 << 30)}
    return f"{_segment({'alg': 'HS256', 'typ': 'JWT'})}.{_segment(claims)}.{_draw(rng, _WEB, 43)}"


def _neptune(rng: Random) -> str:
    value = {
        "api_address": "https://app.neptune.ai",
        "api_url": "https://app.neptune.ai",
        "api_key": f"{_draw(rng, _HEX, 8)}-{_draw(rng, _HEX, 4)}-4{_draw(rng, _HEX, 3)}",
    }
    text = json.dumps(value, separators=(",", ":"))
    return base64.b64encode(text.encode()).decode()


def _pem(rng: Random) -> str:
    word = rng.choice(("RSA ", "EC ", "OPENSSH ", ""))
    body = _base64(rng, 600)
    lines = [body[start : start + 64] for start in range(0, len(body), 64)]
    return "\n".join(
        (f"-----BEGIN {word}PRIVATE KEY-----", *lines, f"-----END {word}PRIVATE KEY-----", "")
    )


def _password(rng: Random) -> str:
    """What a person thinks of as a good password."""
    word = rng.choice(("Sonne", "harbor", "Kestrel", "quartz", "Violet", "maple"))
    return f"{word}{rng.choice('!#%+=')}{_draw(rng, _BASE62, 5)}{rng.randrange(10, 100)}"


def _url(scheme: str, host: str) -> Callable[[Random], str]:
    def make(rng: Random) -> str:
        user = rng.choice(("etl", "svc-train", "mlops", "feature_writer"))
        return f"{scheme}://{user}:{_draw(rng, _BASE62, rng.randrange(9, 21))}@{host}"

    return make


_SETTINGS = ("yaml", "env", "json", "dvc", "history")
KINDS: Mapping[str, Kind] = {
    "aws-key-id": Kind(
        make=lambda rng: "AKIA" + _draw(rng, string.ascii_uppercase + "234567", 16),
        names=("aws_access_key_id", "s3_key", "access_key"),
    ),
    "aws-secret": Kind(
        make=lambda rng: _draw(rng, _BASE62 + "/+", 40),
        names=("aws_secret_access_key", "s3_secret_key", "aws_secret"),
        places=("code", "yaml", "env", "json", "dvc", "notebook-output", "docker", "history"),
    ),
    "gcp-service-account": Kind(make=_pem, names=("private_key",), places=("json", "history")),
    "gcp-api-key": Kind(
        make=lambda rng: "AIza" + _draw(rng, _WEB, 35), names=("maps_key", "google_api_key", "key")
    ),
    "azure-storage": Kind(
        make=lambda rng: (
            f"DefaultEndpointsProtocol=https;AccountName=features;AccountKey={_base64(rng, 64)};"
            "EndpointSuffix=core.windows.net"
        ),
        names=("connection_string", "azure_storage", "blob_conn"),
        places=("code", "env", "json", "dvc", "history"),
    ),
    "azure-sas": Kind(
        make=lambda rng: (
            "https://features.blob.core.windows.net/raw?sv=2022-11-02&ss=b&sp=rwl&se=2027-01-01"
            f"&sig={_base64(rng, 32).replace('+', '%2B').replace('/', '%2F').replace('=', '%3D')}"
        ),
        names=("source_url", "sas", "landing_zone"),
        places=("code", "yaml", "json", "notebook-output", "history"),
    ),
    "github": Kind(make=lambda rng: _checked("ghp_", rng), names=("gh_token", "pat", "git_auth")),
    "github-fine-grained": Kind(
        make=lambda rng: f"github_pat_{_draw(rng, _BASE62, 22)}_{_draw(rng, _BASE62, 59)}",
        names=("gh_token", "ci_token", "bot"),
    ),
    "gitlab": Kind(
        make=lambda rng: "glpat-" + _draw(rng, _WEB, 20), names=("gl_token", "registry_pass")
    ),
    "hugging-face": Kind(
        make=lambda rng: "hf_" + _draw(rng, string.ascii_letters, 34),
        names=("hf_token", "hub_auth", "use_auth_token"),
    ),
    "openai": Kind(
        make=lambda rng: f"sk-{_draw(rng, _BASE62, 20)}T3BlbkFJ{_draw(rng, _BASE62, 20)}",
        names=("openai_api_key", "llm_key", "judge"),
    ),
    "openai-project": Kind(
        make=lambda rng: f"sk-proj-{_draw(rng, _WEB, 74)}T3BlbkFJ{_draw(rng, _WEB, 74)}",
        names=("openai_key", "llm_key"),
    ),
    "anthropic": Kind(
        make=lambda rng: f"sk-ant-api03-{_draw(rng, _WEB, 93)}AA", names=("claude_key", "judge_key")
    ),
    "wandb": Kind(make=lambda rng: _draw(rng, _HEX, 40), names=("wandb_api_key", "wandb_key")),
    "slack": Kind(
        make=lambda rng: (
            f"xoxb-{rng.randrange(10**11, 10**12)}-{rng.randrange(10**11, 10**12)}"
            f"-{_draw(rng, _BASE62, 24)}"
        ),
        names=("slack_token", "notify"),
    ),
    "slack-webhook": Kind(
        make=lambda rng: (
            f"https://hooks.slack.com/services/T{_draw(rng, _BASE62[:36], 10)}/"
            f"B{_draw(rng, _BASE62[:36], 10)}/{_draw(rng, _BASE62, 24)}"
        ),
        names=("alerts", "webhook_url"),
    ),
    "pypi": Kind(
        make=lambda rng: "pypi-AgEIcHlwaS5vcmc" + _draw(rng, _WEB, 150),
        names=("twine_password", "upload_token"),
    ),
    "npm": Kind(make=lambda rng: _checked("npm_", rng), names=("npm_token", "node_auth_token")),
    "databricks": Kind(
        make=lambda rng: "dapi" + _draw(rng, _HEX, 32), names=("databricks_token", "dbx")
    ),
    "neptune": Kind(make=_neptune, names=("neptune_api_token", "neptune_key")),
    "comet": Kind(
        make=lambda rng: _draw(rng, string.ascii_letters + string.digits, 25),
        names=("comet_api_key", "comet_key"),
        places=("code", "yaml", "env", "json", "notebook-source", "docker", "history"),
    ),
    "stripe": Kind(
        make=lambda rng: "sk_live_" + _draw(rng, _BASE62, 24), names=("stripe_key", "billing")
    ),
    "sendgrid": Kind(
        make=lambda rng: f"SG.{_draw(rng, _WEB, 22)}.{_draw(rng, _WEB, 43)}",
        names=("sendgrid_key", "mailer"),
    ),
    "twilio": Kind(
        make=lambda rng: "SK" + _draw(rng, _HEX, 32), names=("twilio_key", "twilio_api_key")
    ),
    "private-key": Kind(make=_pem, names=("key",), places=("key-file", "history")),
    "jwt": Kind(make=_jwt, names=("service_jwt", "bearer", "id_token")),
    "basic-auth-url": Kind(
        make=_url("https", "artifacts.corp.io/simple"), names=("index_url", "mirror", "remote")
    ),
    "dvc-remote": Kind(
        make=_url("https", "dvc.corp.io/store"), names=("url", "endpointurl"), places=("dvc",)
    ),
    "database-url": Kind(
        make=_url("postgresql", "db.corp.io:5432/features"),
        names=("database_url", "dsn", "feature_store"),
    ),
    "password": Kind(
        make=_password,
        names=("db_password", "smtp_passwd", "redis_pwd"),
        places=(*_SETTINGS, "code"),
    ),
    "random-hex": Kind(
        make=lambda rng: _draw(rng, _HEX, rng.choice((32, 48, 64))),
        names=("signing_secret", "session_secret_key", "encryption_key"),
        places=(*_SETTINGS, "code", "docker"),
    ),
    "random-base64": Kind(
        make=lambda rng: _base64(rng, rng.choice((24, 32, 33))),
        names=("fernet_key", "client_secret", "jupyter_token", "api_secret"),
        places=(*_SETTINGS, "code", "docker", "notebook-source"),
    ),
}
"""All kinds by name."""
