"""Tasks that tests send into workers."""

from __future__ import annotations

import ctypes
import json
import os
import sys
import time

from hauberk.errors import ArtifactError


def echo(payload: bytes) -> bytes:
    return payload


def noisy(payload: bytes) -> bytes:
    print("HBK1R" * 1000, flush=True)
    os.write(2, b"noise" * 1000)
    return payload


def refuse(payload: bytes) -> bytes:
    raise ArtifactError("bad header", subject="file", expected="8 bytes", found="3")


def break_down(payload: bytes) -> bytes:
    raise ValueError("the row says: " + payload.decode())


def need_missing(payload: bytes) -> bytes:
    import a_library_that_nobody_has  # noqa: F401

    return payload


def crash(payload: bytes) -> bytes:
    ctypes.string_at(0)
    return payload


def leave(payload: bytes) -> bytes:
    os._exit(3)


def leave_well(payload: bytes) -> bytes:
    os._exit(0)


def sleep(payload: bytes) -> bytes:
    time.sleep(600)
    return payload


def hoard(payload: bytes) -> bytes:
    return b"x" * (3 << 30)


def forge(payload: bytes) -> bytes:
    os.write(int(sys.argv[3]), b"HBK1R" + (4).to_bytes(8, "little") + b"forged")
    os._exit(0)


def long_result(payload: bytes) -> bytes:
    return b"x" * 1_000_000


def text(payload: bytes) -> str:
    return "text"


def surroundings(payload: bytes) -> bytes:
    facts = {"paths": sys.path, "modules": [name for name in sys.modules if "pytest" in name]}
    return json.dumps(facts).encode()
