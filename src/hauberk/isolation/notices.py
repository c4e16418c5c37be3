"""Hearing what a step was refused: system calls that report before they fail.

A filter can hand a call to a listener and let it wait for the answer. At ``landlock``
the answer is always the refusal that the filter would have given itself. At ``full`` the
network namespace already refuses, so the answer is always "go on", and what is heard is
only a record: the address is read from the step's memory and another thread may change
it in between. Loaded by the warden; standard library's small modules only.

References:
    Linux kernel documentation, userspace-api/seccomp_filter, "Userspace Notification".
"""

from __future__ import annotations

import _socket
import ctypes
import errno
import fcntl
import os
import struct

from hauberk.isolation.privileges import filter_program

_SECCOMP = {"x86_64": 317, "aarch64": 277}
_SET_MODE_FILTER, _NEW_LISTENER = 1, 8
_RECEIVE, _SEND = 0xC0502100, 0xC0182101
_NOTICE_BYTES, _CONTINUE = 80, 1
_MAX_ADDRESS_BYTES = 128
_MAX_KEPT = 64
_FAMILIES = {1: "unix", 2: "inet", 10: "inet6", 16: "netlink", 17: "packet", 40: "vsock"}
_KINDS = {1: "stream", 2: "datagram", 3: "raw"}
_MORE = "and more of other kinds"


def install_listener(program: bytes) -> int:
    """Put a filter on and get the descriptor that its notices come from.

    Raises:
        OSError: The kernel is too old, or somebody listens to this process already.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    with filter_program(program) as address:
        number = _SECCOMP[os.uname().machine]
        found = libc.syscall(number, _SET_MODE_FILTER, _NEW_LISTENER, ctypes.c_void_p(address))
    if found < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return int(found)


def send_descriptor(channel: int, descriptor: int) -> None:
    """Hand a descriptor to the process at the other end of a socket pair."""
    sender = _socket.socket(fileno=os.dup(channel))
    rights = [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, struct.pack("@i", descriptor))]
    sender.sendmsg([b"l"], rights)
    sender.close()


def receive_descriptor(channel: int) -> int | None:
    """The descriptor that was handed over, ``None`` where the sender ended without one."""
    receiver = _socket.socket(fileno=os.dup(channel))
    _, ancillary, _, _ = receiver.recvmsg(1, _socket.CMSG_SPACE(4))
    receiver.close()
    for _, _, data in ancillary:
        return int(struct.unpack("@i", data[:4])[0])
    return None


class Notices:
    """Answers notices and keeps what they said, each kind once.

    Args:
        listener: From `install_listener`.
        names: Call number (as text) to name.
        refuse: Whether the answer is a refusal; else the call goes on.
    """

    def __init__(self, listener: int, names: dict[str, str], *, refuse: bool) -> None:
        self.listener = listener
        self._names = names
        self._refuse = refuse
        self._kept: dict[str, None] = {}

    def answer(self) -> None:
        """Take one waiting notice, if its process still waits."""
        notice = bytearray(_NOTICE_BYTES)
        try:
            fcntl.ioctl(self.listener, _RECEIVE, notice, True)
            self._note(notice)
            fcntl.ioctl(self.listener, _SEND, self._answer_to(notice))
        except OSError:
            return  # the process died while it waited

    def _answer_to(self, notice: bytearray) -> bytes:
        identity = bytes(notice[:8])
        if self._refuse:
            return identity + struct.pack("=qiI", 0, -errno.EPERM, 0)
        return identity + struct.pack("=qiI", 0, 0, _CONTINUE)

    def _note(self, notice: bytearray) -> None:
        process, _, number, _, _, *arguments = struct.unpack_from("=IIiIQ6Q", notice, 8)
        said = self._words(process, self._names.get(str(number), str(number)), arguments)
        if said and len(self._kept) < _MAX_KEPT:
            self._kept[said] = None
        elif said and said not in self._kept:
            self._kept[_MORE] = None

    def _words(self, process: int, call: str, arguments: list[int]) -> str:
        if call == "socket":
            family = _FAMILIES.get(arguments[0], f"family {arguments[0]}")
            kind = _KINDS.get(arguments[1] & 0xF, f"type {arguments[1] & 0xF}")
            return f"socket {family} {kind}"
        if call == "connect":
            return _reach(process, arguments[1], arguments[2])
        if call == "sendto":
            return _reach(process, arguments[4], arguments[5])
        return call

    def value(self) -> list[str]:
        """What was refused, in the order of first sight."""
        return list(self._kept)


def _reach(process: int, address: int, size: int) -> str:
    try:
        memory = os.open(f"/proc/{process}/mem", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return "network address that could not be read"
    try:
        data = os.pread(memory, min(size, _MAX_ADDRESS_BYTES), address)
    except OSError:
        return ""  # not an address: the call fails by itself
    finally:
        os.close(memory)
    return address_words(data)


def address_words(data: bytes) -> str:
    """A socket address as ``network HOST:PORT``; empty for what stays in the step.

    The step's own loopback and Unix sockets are its own affair.
    """
    if len(data) < 8:  # noqa: PLR2004 - family, port and an address of four bytes
        return ""
    (family,) = struct.unpack_from("=H", data)
    port = int.from_bytes(data[2:4], "big")
    if family == _socket.AF_INET:
        host = _socket.inet_ntop(_socket.AF_INET, data[4:8])
        return "" if host.startswith("127.") or host == "0.0.0.0" else f"network {host}:{port}"  # noqa: S104 - compared, not bound
    if family == _socket.AF_INET6 and len(data) >= 24:  # noqa: PLR2004 - with flow and address
        host = _socket.inet_ntop(_socket.AF_INET6, data[8:24])
        return "" if host in {"::1", "::"} else f"network [{host}]:{port}"
    return ""
