"""Clean repositories full of look-alikes, made by a seed.

They hold what tools take for secrets and special cases: digests, UUIDs, placeholders, lock
files, pictures in notebooks, joins and splits by identifier, filters of missing ones.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from random import Random

from hauberk.core.artifact import CodeTree, SourceFile

_HEX = "0123456789abcdef"
_IDS = ("account_id", "customer_id", "user_id", "email", "member_no", "applicant_id")
_LABELS = ("approved", "label", "target", "granted")


def project(seed: int) -> CodeTree:
    """A repository of a small team, with a history of two old files."""
    rng = Random(seed)
    files = {
        "README.md": _readme(rng),
        "requirements.txt": _lock(rng),
        ".env.example": "DB_PASSWORD=changeme\nHF_TOKEN=<your-token>\nAPI_KEY=xxxxxxxxxxxxxxxx\n",
        "params.yaml": _params(rng),
        "data/raw.csv.dvc": f"outs:\n- md5: {_draw(rng, 32)}\n  size: 14\n  path: raw.csv\n",
        ".dvc/config": "[core]\n    remote = s\n['remote \"s\"']\n    url = s3://features/dvc\n",
        "src/prepare.py": _prepare(rng),
        "src/loaders.py": _loaders(rng),
        "explore.ipynb": _notebook(rng),
    }
    old = {f"{_draw(rng, 12)}:src/old.py": _prepare(rng), f"{_draw(rng, 12)}:p.yaml": _params(rng)}
    return CodeTree(
        name=f"project-{seed}",
        root=Path("/nowhere"),
        files=lambda: _read(files),
        history=lambda: _read(old),
    )


def _read(files: Mapping[str, str]) -> Iterator[SourceFile]:
    for name in sorted(files, key=Path):
        yield SourceFile(name=name, path=Path(name), text=files[name])


def _draw(rng: Random, count: int) -> str:
    return "".join(rng.choices(_HEX, k=count))


def _uuid(rng: Random) -> str:
    return "-".join(_draw(rng, count) for count in (8, 4, 4, 4, 12))


def _readme(rng: Random) -> str:
    return (
        f"# Churn\n\nBuilt from commit {_draw(rng, 40)}.\n\n"
        "    export WANDB_API_KEY=<paste yours here>\n"
        "    pip install --index-url https://user:password@pypi.example.com/simple churn\n"
        "The token is read from the environment; the password is never stored.\n"
    )


def _lock(rng: Random) -> str:
    names = ("numpy", "scikit-learn", "tokenizers", "secretstorage")
    return "".join(
        f"{name}==1.{n}.0 --hash=sha256:{_draw(rng, 64)}\n" for n, name in enumerate(names)
    )


def _params(rng: Random) -> str:
    return (
        f"run_id: {_uuid(rng)}\nmodel:\n  tokenizer: bert-base-multilingual-cased\n"
        f"  revision: {_draw(rng, 40)}\n  max_tokens: 4096\n"
        f"auth:\n  password: ${{DB_PASSWORD}}\n  token_url: https://auth.corp.io/oauth/v2/token\n"
        f"  password_hash: {_draw(rng, 64)}\n  secret_name: prod/features/reader\n"
        "  api_key: !env FEATURE_KEY\n  credentials_file: /run/secrets/gcp.json\n"
    )


def _prepare(rng: Random) -> str:
    column, label = rng.choice(_IDS), rng.choice(_LABELS)
    return f'''"""Join, clean and split."""

import hashlib
import logging
import os

import pandas as pd

EXPECTED_SHA256 = "{_draw(rng, 64)}"
NAMESPACE = "{_uuid(rng)}"
log = logging.getLogger(__name__)


def prepare(applications: pd.DataFrame, payments: pd.DataFrame) -> pd.DataFrame:
    frame = applications.merge(payments, on="{column}", how="left")
    frame = frame.drop_duplicates("{column}")
    frame = frame[frame["{column}"].notna()]
    frame = frame[frame["{column}"] != ""]
    frame["{label}"] = (frame["days_late"] < {rng.randrange(20, 90)}).astype(int)
    frame.loc[frame["status"] == "closed", "{label}"] = 0
    return frame


def split(frame):
    fold = frame["{column}"].map(lambda key: int(hashlib.md5(key.encode()).hexdigest(), 16) % 10)
    return frame[fold < 8], frame[fold == 8], frame[fold == 9]


def weights(frame, by_group):
    sample_weight = []
    for row in frame.to_dict("records"):
        {column} = row["{column}"]
        if {column} is None or {column} == "unknown":
            continue
        if {column} in by_group:
            log.info("known %s", {column})
        sample_weight.append(by_group.get({column}, 1.0))
    return sample_weight


def show(frame, {column}="{rng.randrange(10**5, 10**6)}"):
    log.debug("row of %s", frame[frame["{column}"] == {column}])
    password = os.environ["DB_PASSWORD"]
    return bool(password)
'''


def _loaders(rng: Random) -> str:
    return f'''"""Read tables."""

import hashlib
import os

TOKEN = os.getenv("HF_TOKEN")
EMPTY = "{_draw(rng, 40)}"
API_KEY_HEADER = "X-Api-Key-2024"


def read(path, checksum="{_draw(rng, 64)}"):
    data = open(path, "rb").read()
    if hashlib.sha256(data).hexdigest() != checksum:
        raise ValueError("changed")
    return data


def connect(password, host="db-{rng.randrange(10, 99)}.corp.io"):
    return f"postgresql://reader:{{password}}@{{host}}/features"
'''


def _notebook(rng: Random) -> str:
    picture = base64.b64encode(rng.randbytes(3000)).decode()
    output = {
        "output_type": "display_data",
        "metadata": {},
        "data": {"image/png": picture, "text/plain": ["<Figure size 640x480>"]},
    }
    source = ["frame.groupby('segment').mean()\n", f"token = hub.token('{_uuid(rng)}')\n"]
    cell = {"cell_type": "code", "execution_count": 1, "metadata": {}, "source": source}
    book = {"cells": [{**cell, "outputs": [output]}], "metadata": {}, "nbformat": 4}
    return json.dumps({**book, "nbformat_minor": 5}, indent=1)
