"""Landlock by system call: a process gives up what it does not need, for good.

Restrictions hold for the process and everything it starts, through ``exec``; no
privilege is needed to put them on. This module is loaded by the warden and by the probe
and therefore stays small.

References:
    Linux kernel documentation, userspace-api/landlock (ABI versions 1 to 7).
"""

from __future__ import annotations

import ctypes
import os
import stat
import struct

MIN_ABI = 3
"""Before ABI 3 (Linux 6.2) a file that may be read could still be emptied."""

SIGNAL_ABI = 6
"""From ABI 6 (Linux 6.12) signals and abstract Unix sockets end at the domain's border."""

_CREATE, _ADD_RULE, _RESTRICT = 444, 445, 446  # the same numbers on every machine
_GET_VERSION = 1
_PATH_BENEATH = 1
_SET_NO_NEW_PRIVS = 38

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_MAKE_CHAR, _MAKE_BLOCK = 1 << 6, 1 << 11
_TRUNCATE, _IOCTL_DEV = 1 << 14, 1 << 15
_ALL_FILES = {3: (1 << 15) - 1, 4: (1 << 15) - 1, 5: (1 << 16) - 1}
_ON_A_FILE = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV
_TCP = 0b11  # bind and connect
_SCOPES = 0b11  # abstract Unix sockets and signals

_READ = _EXECUTE | _READ_FILE | _READ_DIR


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def abi() -> int:
    """The kernel's Landlock version; 0 where it is missing or switched off."""
    found = _libc().syscall(_CREATE, None, ctypes.c_size_t(0), _GET_VERSION)
    return max(int(found), 0)


def no_new_privileges() -> None:
    """From here on ``exec`` gains nothing: set-user-id bits and file capabilities are dead.

    Raises:
        OSError: The kernel refused.
    """
    _checked(_libc().prctl(_SET_NO_NEW_PRIVS, 1, 0, 0, 0))


def _ruleset(version: int) -> int:
    files = _ALL_FILES[min(version, 5)]
    attributes = struct.pack("=Q", files)
    if version >= 4:  # noqa: PLR2004 - the ABI that brought network rules
        attributes += struct.pack("=Q", _TCP)
    if version >= SIGNAL_ABI:
        attributes += struct.pack("=Q", _SCOPES)
    size = ctypes.c_size_t(len(attributes))
    return _checked(_libc().syscall(_CREATE, attributes, size, 0))


def _allow(ruleset: int, path: str, access: int, handled: int) -> None:
    try:
        beneath = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except (FileNotFoundError, PermissionError):
        return  # what cannot be reached stays unreachable: no rule, no access
    try:
        if not stat.S_ISDIR(os.fstat(beneath).st_mode):
            access &= _ON_A_FILE
        rule = struct.pack("=Qi", access & handled, beneath)
        _checked(_libc().syscall(_ADD_RULE, ruleset, _PATH_BENEATH, rule, 0))
    finally:
        os.close(beneath)


def restrict(version: int, read: list[str], write: list[str], devices: list[str]) -> None:
    """Restrict the calling thread to these paths; no TCP, no signals to the outside.

    Args:
        version: ABI to use, at most the kernel's; from `MIN_ABI` on.
        read: May be read and executed, with everything beneath.
        write: May be read and changed in any way but making device nodes.
        devices: May be opened to read and write, nothing else.

    Raises:
        OSError: The kernel refused; the caller must not go on.
    """
    handled = _ALL_FILES[min(version, 5)]
    change = handled & ~(_MAKE_CHAR | _MAKE_BLOCK | _IOCTL_DEV)
    ruleset = _ruleset(version)
    for paths, access in (
        (read, _READ),
        (write, change),
        (devices, _READ_FILE | _WRITE_FILE),
    ):
        for path in paths:
            _allow(ruleset, path, access, handled)
    no_new_privileges()
    _checked(_libc().syscall(_RESTRICT, ruleset, 0))
    os.close(ruleset)
