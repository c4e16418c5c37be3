"""Small repositories full of what looks like a secret and is none."""

from __future__ import annotations

import base64
import json
import string
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

from hauberk.core.artifact import CodeTree, SourceFile

_WORDS = (
    "account", "batch", "churn", "column", "customer", "daily", "drift", "epoch", "feature",
    "fold", "label", "loader", "metric", "model", "month", "policy", "region", "sample",
    "score", "session", "split", "store", "table", "target", "tenant", "token", "trend",
    "window",
)  # fmt: skip


def clean_repository(seed: int, n_files: int = 16, n_former: int = 6) -> CodeTree:
    """A tree and a history without a single credential."""
    rng = Random(seed)
    files = _files(rng, n_files, "")
    former = _files(rng, n_former, f"{rng.getrandbits(48):012x}:")

    def read() -> Iterator[SourceFile]:
        return iter(files)

    def history() -> Iterator[SourceFile]:
        return iter(former)

    return CodeTree(
        name=f"repository-{seed}", root=Path("/repository"), files=read, history=history
    )


def _files(rng: Random, n_files: int, prefix: str) -> list[SourceFile]:
    made: dict[str, str] = {}
    for number in range(n_files):
        name, write = _WRITERS[number % len(_WRITERS)]
        folder = rng.choice(("", "src/", "jobs/", "research/", "deploy/"))
        stem = f"{rng.choice(_WORDS)}_{number}"
        made[f"{prefix}{folder}{name.format(stem=stem)}"] = write(rng)
    return [SourceFile(name=path, path=Path(path), text=made[path]) for path in sorted(made)]


def _hex(rng: Random, n_digits: int) -> str:
    return f"{rng.getrandbits(4 * n_digits):0{n_digits}x}"


def _module(rng: Random) -> str:
    a, b, c = rng.sample(_WORDS, 3)
    return f'''"""Work on {a} and {b}."""

import os

TOKEN_COLUMN = "{c}_token"
API_KEY = os.environ["API_KEY"]
PASSWORD_FILE = "/run/secrets/{a}_password"
EXPECTED_DIGEST = "{_hex(rng, 64)}"
COMMIT = "{_hex(rng, 40)}"


def {a}_{b}(rows, secret=None, *, token_limit={rng.randint(100, 9999)}):
    """Return the {c} of ``rows``."""
    password = secret or os.getenv("{b.upper()}_PASSWORD", "")
    return [row["{c}"] for row in rows if row["{a}"] > {rng.random():.6f}], password
'''


def _settings(rng: Random) -> str:
    return f"""tracking:
  experiment: {rng.choice(_WORDS)}
  run_id: {uuid.UUID(int=rng.getrandbits(128))}
  password: ${{TRACKING_PASSWORD}}
  api_key: "<your-api-key>"
  token: changeme
database:
  url: postgresql://user:${{DB_PASSWORD}}@db.internal:5432/{rng.choice(_WORDS)}
  etag: {_hex(rng, 32)}
"""


def _lock(rng: Random) -> str:
    lines = (
        f"{rng.choice(_WORDS)}-{rng.choice(_WORDS)}=={rng.randint(0, 9)}.{rng.randint(0, 30)} \\\n"
        f"    --hash=sha256:{_hex(rng, 64)}"
        for _ in range(rng.randint(5, 15))
    )
    return "\n".join(lines) + "\n"


def _notebook(rng: Random) -> str:
    picture = base64.b64encode(b"\x89PNG\r\n\x1a\n" + rng.randbytes(600)).decode()
    cells = [
        {
            "cell_type": "code",
            "execution_count": 1,
            "metadata": {},
            "source": [f"{rng.choice(_WORDS)} = load('{rng.choice(_WORDS)}.parquet')\n"],
            "outputs": [
                {"output_type": "display_data", "metadata": {}, "data": {"image/png": picture}},
                {"output_type": "stream", "name": "stdout", "text": [f"run {_hex(rng, 32)}\n"]},
            ],
        }
    ]
    book = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(book, indent=1)


def _page(rng: Random) -> str:
    return f"""# {rng.choice(_WORDS).title()}

Set `API_TOKEN` to the token from your account page, for example `export API_TOKEN=...`.
The password is never stored; see https://docs.example/{rng.choice(_WORDS)}/secrets#rotation.
Build {_hex(rng, 12)}, image `registry.example/{rng.choice(_WORDS)}@sha256:{_hex(rng, 64)}`.
"""


def _pointer(rng: Random) -> str:
    return f"outs:\n- md5: {_hex(rng, 32)}\n  size: {rng.getrandbits(30)}\n  path: data.csv\n"


def _fixture(rng: Random) -> str:
    public = "".join(rng.choices(string.ascii_letters + string.digits + "+/", k=64))
    return f'''"""Fixtures."""

PASSWORD = "password"
TOKEN = "test-token"
SECRET_KEY = "not-a-secret"
PUBLIC = """-----BEGIN PUBLIC KEY-----
{public}
-----END PUBLIC KEY-----"""
CASES = ["{uuid.UUID(int=rng.getrandbits(128))}", "{_hex(rng, 40)}"]
'''


def _table(rng: Random) -> str:
    rows = (
        f"{_hex(rng, 16)},{rng.choice(_WORDS)},{rng.uniform(0, 1e4):.4f}"
        for _ in range(rng.randint(10, 60))
    )
    return "row,kind,amount\n" + "\n".join(rows) + "\n"


_WRITERS: tuple[tuple[str, Callable[[Random], str]], ...] = (
    ("{stem}.py", _module),
    ("{stem}.yaml", _settings),
    ("{stem}.ipynb", _notebook),
    ("requirements-{stem}.txt", _lock),
    ("{stem}.md", _page),
    ("{stem}.csv.dvc", _pointer),
    ("test_{stem}.py", _fixture),
    ("{stem}.csv", _table),
)
