"""Giving up privileges, step by step, in the child before ``exec``.

Loaded by the warden; standard library's small modules only.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import struct

_SET_PDEATHSIG = 1
_SET_SECCOMP, _FILTER_MODE = 22, 2
_CAPBSET_DROP = 24
_CAP_AMBIENT, _CAP_AMBIENT_CLEAR = 47, 4
_SET_CHILD_SUBREAPER = 36
_CAPSET = {"x86_64": 126, "aarch64": 91}
_CAPABILITY_VERSION_3 = 0x20080522
_FIRST_TO_GO = "500"  # half of the machine's memory is added to what it uses
_MAX_CAPABILITY = 63  # numbers are below 64 by the layout of the kernel's sets


def _prctl(option: int, *arguments: int) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    padded = [ctypes.c_ulong(value) for value in (*arguments, 0, 0, 0, 0)[:4]]
    return int(libc.prctl(option, *padded))


def _must(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def become_subreaper() -> None:
    """Orphans of the tree come to this process instead of to ``init``.

    Raises:
        OSError: The kernel refused.
    """
    _must(_prctl(_SET_CHILD_SUBREAPER, 1))


def die_with_parent() -> None:
    """The kernel kills this process when its parent ends."""
    _must(_prctl(_SET_PDEATHSIG, signal.SIGKILL))


def offer_to_memory_killer() -> None:
    """When the machine runs out of memory the kernel shall end the step, not its warden."""
    try:
        with open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:  # noqa: PTH123 - pathlib costs start-up
            file.write(_FIRST_TO_GO)
    except OSError:
        return  # a preference, not a promise: some containers keep the file closed


def drop_capabilities() -> None:
    """Root keeps its user id and loses its powers; nothing happens to others.

    Raises:
        OSError: The kernel refused.
    """
    if os.geteuid() != 0:
        return
    for capability in range(_MAX_CAPABILITY + 1):
        if _prctl(_CAPBSET_DROP, capability) != 0:
            break  # past the last capability of this kernel, or not ours to drop
    _prctl(_CAP_AMBIENT, _CAP_AMBIENT_CLEAR)
    libc = ctypes.CDLL(None, use_errno=True)
    header = struct.pack("=Ii", _CAPABILITY_VERSION_3, 0)
    _must(int(libc.syscall(_CAPSET[os.uname().machine], header, b"\0" * 24)))


class filter_program:  # noqa: N801 - used like a function; contextlib would double the start
    """A filter in memory as the kernel takes it, for the time of one ``with``."""

    def __init__(self, program: bytes) -> None:
        self._code = ctypes.create_string_buffer(program, len(program))
        length = len(program) // 8  # struct sock_filter has eight bytes
        head = struct.pack("@HP", length, ctypes.addressof(self._code))
        self._head = ctypes.create_string_buffer(head, len(head))

    def __enter__(self) -> int:
        return ctypes.addressof(self._head)

    def __exit__(self, *_: object) -> None:
        del self._head, self._code


def install_filter(program: bytes) -> None:
    """Put a system call filter on this process and all it starts; needs no_new_privs.

    Raises:
        OSError: The kernel refused.
    """
    with filter_program(program) as address:
        _must(_prctl(_SET_SECCOMP, _FILTER_MODE, address))


def set_limits(limits: dict[str, list[int]]) -> None:
    """Set resource limits by name, never above the hard limits in force.

    Raises:
        OSError: The kernel refused.
    """
    for name, (soft, hard) in limits.items():
        number = getattr(resource, name)
        ceiling = resource.getrlimit(number)[1]
        if ceiling != resource.RLIM_INFINITY:
            soft, hard = min(soft, ceiling), min(hard, ceiling)  # noqa: PLW2901 - clamped
        resource.setrlimit(number, (soft, hard))
