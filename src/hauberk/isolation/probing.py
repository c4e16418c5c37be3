"""Which levels work here, found by putting each on and trying to break out of it."""

from __future__ import annotations

import functools
import json
import os
import platform
import shutil
import socket
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hauberk.core.policy import Isolation
from hauberk.errors import HauberkError, UnavailableError
from hauberk.isolation import landlock
from hauberk.isolation.grants import Grants
from hauberk.isolation.limits import Limits
from hauberk.isolation.workers import spawn

_TRIAL = Limits(wall_s=20.0, cpu_s=10.0, memory_bytes=1 << 30, processes=8)
_APPARMOR = (
    "AppArmor keeps user namespaces from programs without a profile (as on Ubuntu 24.04);"
    " give bwrap one, or set kernel.apparmor_restrict_unprivileged_userns=0"
)
_CLONE = (
    "this kernel keeps user namespaces from ordinary users; set kernel.unprivileged_userns_clone=1"
)
_SWITCHES = {
    "/proc/sys/kernel/apparmor_restrict_unprivileged_userns": ("1", _APPARMOR),
    "/proc/sys/kernel/unprivileged_userns_clone": ("0", _CLONE),
    "/proc/sys/user/max_user_namespaces": ("0", "user.max_user_namespaces is 0"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """What was found.

    Attributes:
        best: Strongest level that works.
        levels: Every level; empty where it works, else the reason why not.
        details: Facts about the machine that explain the reasons.
    """

    best: Isolation
    levels: Mapping[Isolation, str]
    details: Mapping[str, str]


def probe(*, refresh: bool = False) -> Probe:
    """Try every level; cached for the life of the process.

    Args:
        refresh: Try again, for example after a setting of the machine was changed.
    """
    if refresh:
        _reason.cache_clear()
    levels = {level: _reason(level) for level in reversed(Isolation)}
    best = next(level for level in levels if not levels[level] or level is Isolation.OBSERVE)
    return Probe(best=best, levels=levels, details=_details())


def best_level() -> Isolation:
    """Strongest level that works; weaker ones are tried only where it does not."""
    return next(
        level for level in reversed(Isolation) if level is Isolation.OBSERVE or not _reason(level)
    )


@functools.cache
def _reason(level: Isolation) -> str:
    """Why a level does not hold here; empty where it does.

    The trial works as the real thing does: a worker at the level tries to read a file
    that nobody granted, to reach the caller's loopback and to send a datagram.
    """
    if sys.platform != "linux" and level is not Isolation.OBSERVE:
        return f"needs Linux, this is {sys.platform}"
    with tempfile.TemporaryDirectory(prefix="hauberk-") as folder, socket.socket() as listener:
        canary = Path(folder).resolve() / "canary"
        canary.write_text("canary", encoding="utf-8")
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        order = {"file": str(canary), "port": listener.getsockname()[1]}
        try:
            answer = spawn(
                "hauberk.isolation.trial:escape",
                json.dumps(order).encode(),
                grants=Grants(),
                limits=_TRIAL,
                level=level,
            )
        except HauberkError as error:
            return _explain(level, error)
    return _judge(level, json.loads(answer))


def _judge(level: Isolation, escaped: list[str]) -> str:
    if level is Isolation.OBSERVE or not escaped:
        return ""
    return f"put on, but the trial got out: {', '.join(escaped)}"


def _explain(level: Isolation, error: HauberkError) -> str:
    reason = error.message if error.found is None else f"{error.message}: {error.found}"
    if level is Isolation.FULL and isinstance(error, UnavailableError):
        for path, (value, meaning) in _SWITCHES.items():
            if _content(path) == value:
                reason += f"; {meaning}"
        if _in_container():
            reason += "; inside a container or pod, whose seccomp profile often refuses namespaces"
    return reason


def _content(path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _in_container() -> bool:
    signs = (Path("/.dockerenv"), Path("/run/.containerenv"))
    return any(sign.exists() for sign in signs) or "KUBERNETES_SERVICE_HOST" in os.environ


def _details() -> dict[str, str]:
    linux = sys.platform == "linux"
    return {
        "kernel": platform.release(),
        "machine": platform.machine(),
        "user": "root" if os.geteuid() == 0 else "ordinary",
        "landlock_abi": str(landlock.abi()) if linux else "0",
        "bubblewrap": shutil.which("bwrap") or "not installed",
        "container": "yes" if _in_container() else "no sign of one",
    }
