"""A listening socket inside a step's network, made from outside.

Loaded by the warden; standard library's small modules only. A socket belongs to the
network namespace it was made in for life, whoever holds it. So a short-lived child enters
the step's network, opens the socket, hands it over, and ends; nothing of ours stays
inside, and the step gets no descriptor.

References:
    setns(2), ioctl_ns(2) for ``NS_GET_USERNS``.
"""

from __future__ import annotations

import _socket
import ctypes
import fcntl
import os

from hauberk.isolation.notices import receive_descriptor, send_descriptor

ADDRESS = ("127.0.0.1", 3128)
"""Where a step finds its way out; its own network has nobody else there."""

_GET_USER_NAMESPACE = 0xB701
_FREEBIND = 15  # IP_FREEBIND: the loopback may not be up yet
_WAITING = 64


def listen_in(process: int, channel: int) -> bool:
    """Open a listener in the network of ``process`` and hand it over ``channel``.

    Returns:
        Whether it was handed over.
    """
    ours, theirs = _socket.socketpair()
    child = os.fork()
    if child == 0:
        _child(process, theirs.fileno())
    theirs.close()
    listener = receive_descriptor(ours.fileno())
    ours.close()
    os.waitpid(child, 0)
    if listener is None:
        return False
    send_descriptor(channel, listener)
    os.close(listener)
    return True


def _child(process: int, channel: int) -> None:
    code = 1
    try:
        _enter(process)
        listener = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
        listener.setsockopt(_socket.IPPROTO_IP, _FREEBIND, 1)
        listener.bind(ADDRESS)
        listener.listen(_WAITING)
        send_descriptor(channel, listener.fileno())
        code = 0
    finally:
        os._exit(code)


def _enter(process: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    network = os.open(f"/proc/{process}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    owner = fcntl.ioctl(network, _GET_USER_NAMESPACE)
    for namespace in (owner, network):
        if libc.setns(namespace, 0) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
