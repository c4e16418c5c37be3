"""Outputs of steps in which credentials are left, with twins full of look-alikes."""

from __future__ import annotations

import hashlib
import json
import pickle
import struct
from collections.abc import Callable, Mapping
from random import Random

from hauberk.attacks.code.commit_secret import KINDS

Place = Callable[[str, str, Random], bytes]
"""Name and value, to a file that holds them."""


def _uuid(rng: Random) -> str:
    digits = f"{rng.getrandbits(128):032x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def _log(name: str, value: str, rng: Random) -> bytes:
    lines = [
        f"2026-03-0{n} INFO epoch {n} loss {rng.random():.4f} run {_uuid(rng)}" for n in range(1, 6)
    ]
    lines.insert(rng.randrange(5), f"2026-03-09 DEBUG connecting with {name}={value}")
    return "\n".join(lines).encode()


def _dump(name: str, value: str, rng: Random) -> bytes:
    names = {"PATH": "/usr/bin", "HOME": "/home/a", "GIT_SHA": f"{rng.getrandbits(160):040x}"}
    return "".join(f"{key}={text}\n" for key, text in {**names, name: value}.items()).encode()


def _notebook(name: str, value: str, rng: Random) -> bytes:
    shown = {"output_type": "stream", "name": "stdout", "text": [f"{name}: {value}\n"]}
    picture = {"image/png": rng.randbytes(400).hex()}
    cell = {"cell_type": "code", "source": ["show()"], "metadata": {}, "execution_count": 1}
    cell["outputs"] = [shown, {"output_type": "display_data", "data": picture, "metadata": {}}]
    return json.dumps({"cells": [cell], "nbformat": 4, "nbformat_minor": 5}).encode()


def _settings(name: str, value: str, rng: Random) -> bytes:
    return f"run: {_uuid(rng)}\nlr: 0.01\n{name.lower()}: {value}\n".encode()


def _tensors(name: str, value: str, rng: Random) -> bytes:
    header = {"__metadata__": {"made": "now", name: value}}
    header["w"] = {"dtype": "F32", "shape": [64], "data_offsets": [0, 256]}  # type: ignore[dict-item]  # the format's own mixture
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + rng.randbytes(256)


def _pickled(name: str, value: str, rng: Random) -> bytes:
    return pickle.dumps({"weights": rng.randbytes(300), "config": {name: value}, "epoch": 3})


def _graph(name: str, value: str, rng: Random) -> bytes:
    """Metadata of an ONNX file: fields with their lengths between raw weights."""
    pair = b"\x0a" + bytes([len(name)]) + name.encode() + b"\x12"
    pair += _varint(len(value.encode())) + value.encode()
    return b"\x08\x08" + rng.randbytes(200) + b"\x72" + _varint(len(pair)) + pair


def _varint(number: int) -> bytes:
    out = b""
    while number > 127:  # noqa: PLR2004 - seven bits a byte
        out, number = out + bytes([number & 127 | 128]), number >> 7
    return out + bytes([number])


def _report(name: str, value: str, rng: Random) -> bytes:
    return f"<html><td>{_uuid(rng)}</td><td>{name}</td><td>{value}</td></html>".encode()


PLACES: Mapping[str, Place] = {
    "log": _log,
    "environment": _dump,
    "notebook": _notebook,
    "settings": _settings,
    "tensors": _tensors,
    "pickle": _pickled,
    "graph": _graph,
    "report": _report,
}
_RANDOM = "random"
ALL_KINDS = (*sorted(KINDS), _RANDOM, _RANDOM, _RANDOM)
_NAMES = ("API_KEY", "SECRET_TOKEN", "db_password", "AUTH_TOKEN", "client_secret")
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


def credential(rng: Random, kind: str) -> tuple[str, str]:
    """A name with a value: an issuer's, or letters that only their name gives away."""
    if kind == _RANDOM:
        return rng.choice(_NAMES), "".join(rng.choices(_LETTERS, k=rng.randrange(24, 41)))
    return rng.choice(_NAMES), KINDS[kind].make(rng)


def lookalike(rng: Random) -> tuple[str, str]:
    """A name with a value that is no credential."""
    digest = hashlib.sha256(rng.randbytes(8)).hexdigest()
    return rng.choice(
        (
            ("MODEL_SHA256", digest),
            ("run_id", digest[:32]),
            ("ETAG", digest[:32]),
            ("uuid", _uuid(rng)),
            ("API_KEY", "<your-key-here>"),
            ("SECRET_TOKEN", "${SECRET_TOKEN}"),
            ("password", "********"),
            ("tokenizer", "bert-base-uncased"),
            ("max_tokens", str(rng.randrange(10**6))),
            ("key_columns", "customer_id,account_id"),
            ("TOKEN_FILE", "/run/secrets/token"),
        )
    )
