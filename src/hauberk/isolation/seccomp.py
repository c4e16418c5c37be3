"""System call filters as classic BPF, built by us.

A filter is a tuple of `Rule`: the first whose call and conditions all match decides, and
what no rule names is allowed. Filters see registers, never memory behind pointers, so a
path or a socket address cannot be judged here; where a call would need that
(``openat2``, ``clone3``) it answers "not implemented" and libraries fall back to the
older call that can be judged.

References:
    Linux kernel documentation, userspace-api/seccomp_filter; ``linux/bpf_common.h``.
"""

from __future__ import annotations

import errno
import struct
from dataclasses import dataclass
from enum import Enum

from hauberk.errors import UnavailableError
from hauberk.isolation.syscalls import AUDIT_ARCH, number_of

_LOAD = 0x20  # BPF_LD | BPF_W | BPF_ABS
_AND = 0x54  # BPF_ALU | BPF_AND | BPF_K
_JUMP_EQUAL = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
_JUMP_AT_LEAST = 0x35  # BPF_JMP | BPF_JGE | BPF_K
_JUMP_ANY_BIT = 0x45  # BPF_JMP | BPF_JSET | BPF_K
_RETURN = 0x06  # BPF_RET | BPF_K

_ALLOW = 0x7FFF0000
_KILL_PROCESS = 0x80000000
_ERRNO = 0x00050000

_NUMBER_OFFSET = 0
_ARCH_OFFSET = 4
_ARGUMENTS_OFFSET = 16
_X32_BIT = 0x40000000

_AF_UNIX, _AF_INET, _AF_INET6, _AF_NETLINK = 1, 2, 10, 16
_SOCK_TYPE_MASK, _SOCK_RAW, _SOCK_PACKET = 0xF, 3, 10
_SETID_BITS = 0o6000
_CREATING = 0o100 | 0o20000000  # O_CREAT, O_TMPFILE without its O_DIRECTORY part
_NEW_NAMESPACES = 0x7E020000  # CLONE_NEWNS, CGROUP, UTS, IPC, USER, PID, NET
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C

_SKIP = _ERRNO
"""The call does nothing and reports success."""

_NOTIFY = 0x7FC00000
"""The call waits until a listener has answered it."""


class Test(Enum):
    """How a condition reads the low 32 bits of an argument."""

    EQUAL = "equal"
    DIFFERENT = "different"
    ANY_BIT = "any-bit"
    TYPE_EQUAL = "type-equal"


@dataclass(frozen=True, slots=True)
class When:
    """A condition on one argument (0 to 5)."""

    argument: int
    test: Test
    value: int


@dataclass(frozen=True, slots=True)
class Rule:
    """What a call does when all its conditions hold."""

    call: str
    action: int
    when: tuple[When, ...] = ()


def refuse(call: str, *when: When, error: int = errno.EPERM) -> Rule:
    """A rule that fails the call with ``error`` and does nothing else."""
    return Rule(call, _ERRNO | error, when)


_FOREIGN_MEMORY = (
    "ptrace process_vm_readv process_vm_writev process_madvise process_mrelease kcmp"
    " pidfd_getfd perf_event_open userfaultfd move_pages migrate_pages"
)
_KERNEL = (
    "bpf kexec_load kexec_file_load init_module finit_module delete_module syslog reboot"
    " swapon swapoff acct quotactl quotactl_fd iopl ioperm uselib nfsservctl lookup_dcookie"
    " vhangup settimeofday clock_settime clock_adjtime adjtimex sethostname setdomainname"
)
_NAMESPACES = (
    "mount umount2 pivot_root chroot move_mount open_tree open_tree_attr fsopen fsconfig"
    " fsmount fspick mount_setattr unshare setns"
)
_HANDLES = "keyctl add_key request_key fanotify_init open_by_handle_at name_to_handle_at"
_IO_URING = "io_uring_setup io_uring_enter io_uring_register"
_SYSTEM_V = (
    "shmget shmat shmctl msgget msgsnd msgrcv msgctl semget semop semtimedop semctl"
    " mq_open mq_unlink"
)
_MODES = "chmod fchmod fchmodat fchmodat2 utime utimes utimensat futimesat"
_ATTRIBUTES = (
    "setxattr lsetxattr fsetxattr setxattrat removexattr lremovexattr fremovexattr"
    " removexattrat file_setattr"
)
_OWNERS = "chown fchown lchown fchownat"
_OTHERS_SCHEDULING = "sched_setscheduler sched_setparam sched_setattr setpriority ioprio_set"
_SIGNALS = "kill tkill tgkill rt_sigqueueinfo rt_tgsigqueueinfo"


def _always() -> tuple[Rule, ...]:
    """Refused at both enforced levels, whatever the arguments."""
    words = f"{_FOREIGN_MEMORY} {_KERNEL} {_NAMESPACES} {_HANDLES}".split()
    return (
        *(refuse(call) for call in words),
        *(refuse(call, error=errno.ENOSYS) for call in _IO_URING.split()),
        refuse("clone3", error=errno.ENOSYS),
        refuse("openat2", error=errno.ENOSYS),
        refuse("clone", When(0, Test.ANY_BIT, _NEW_NAMESPACES)),
        refuse("prlimit64", When(0, Test.DIFFERENT, 0)),
        refuse("ioctl", When(1, Test.EQUAL, _TIOCSTI)),
        refuse("ioctl", When(1, Test.EQUAL, _TIOCLINUX)),
        refuse("socketpair", When(0, Test.DIFFERENT, _AF_UNIX)),
    )


def _no_set_id() -> tuple[Rule, ...]:
    """No file with a set-user-id or set-group-id bit is made."""
    bits, creating = _SETID_BITS, _CREATING
    return (
        refuse("open", When(1, Test.ANY_BIT, creating), When(2, Test.ANY_BIT, bits)),
        refuse("openat", When(2, Test.ANY_BIT, creating), When(3, Test.ANY_BIT, bits)),
        refuse("creat", When(1, Test.ANY_BIT, bits)),
        refuse("mknod", When(1, Test.ANY_BIT, bits)),
        refuse("mknodat", When(2, Test.ANY_BIT, bits)),
        refuse("chmod", When(1, Test.ANY_BIT, bits)),
        refuse("fchmod", When(1, Test.ANY_BIT, bits)),
        refuse("fchmodat", When(2, Test.ANY_BIT, bits)),
        refuse("fchmodat2", When(2, Test.ANY_BIT, bits)),
    )


def full_rules() -> tuple[Rule, ...]:
    """The filter inside the namespaces of the level ``full``.

    Addresses are cut off by the network namespace, so ordinary sockets stay usable on
    its own loopback; raw sockets and families with much kernel code behind them do not.
    """
    families = (_AF_UNIX, _AF_INET, _AF_INET6, _AF_NETLINK)
    return (
        *_always(),
        *_no_set_id(),
        refuse(
            "socket",
            *(When(0, Test.DIFFERENT, family) for family in families),
            error=errno.EAFNOSUPPORT,
        ),
        refuse("socket", When(1, Test.TYPE_EQUAL, _SOCK_PACKET)),
        refuse("socket", When(0, Test.DIFFERENT, _AF_NETLINK), When(1, Test.TYPE_EQUAL, _SOCK_RAW)),
        refuse("socket", When(0, Test.EQUAL, _AF_NETLINK), When(2, Test.DIFFERENT, 0)),
    )


def landlock_rules(*, protected: tuple[int, ...] = ()) -> tuple[Rule, ...]:
    """The filter of the level ``landlock``: what Landlock lets out, and no namespaces help.

    No socket can be made at all: datagrams, raw packets and multipath TCP pass by
    Landlock, and a Unix socket with a path (a container engine's, a key agent's) does
    too. Connected pairs are allowed. Changes of mode and time, which Landlock does not
    see, do nothing and report success, because copying libraries call them by habit, and
    so does binding other threads to processors; changes of owner and attributes fail.

    Args:
        protected: Process ids that no signal may reach, where Landlock does not scope
            signals itself (before ABI 6). Signals to everyone (-1) are refused with them.
    """
    guarded = (0xFFFFFFFF, *protected, *(-pid & 0xFFFFFFFF for pid in protected))
    signals = tuple(
        refuse(call, When(0, Test.EQUAL, pid))
        for call in _SIGNALS.split()
        for pid in guarded
        if protected
    )
    return (
        *_always(),
        *_no_set_id(),
        *signals,
        refuse("socket"),
        *(refuse(call) for call in (_SYSTEM_V + " " + _OWNERS).split()),
        *(refuse(call, error=errno.EOPNOTSUPP) for call in _ATTRIBUTES.split()),
        *(refuse(call, When(0, Test.DIFFERENT, 0)) for call in _OTHERS_SCHEDULING.split()),
        *(Rule(call, _SKIP) for call in _MODES.split()),
        Rule("sched_setaffinity", _SKIP, (When(0, Test.DIFFERENT, 0),)),
    )


def heard(rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
    """The same rules, where what would fail with "not permitted" asks a listener first.

    The listener gives that same answer; without one the call fails all the same.
    """
    return tuple(
        Rule(rule.call, _NOTIFY, rule.when) if rule.action == _ERRNO | errno.EPERM else rule
        for rule in rules
    )


def network_rules() -> tuple[Rule, ...]:
    """Ask a listener about every address that a step turns to; nothing is refused."""
    return (
        Rule("connect", _NOTIFY),
        Rule("sendto", _NOTIFY, (When(4, Test.DIFFERENT, 0),)),
    )


def names_of(rules: tuple[Rule, ...], machine: str) -> dict[str, str]:
    """Number (as text) to name of every call that asks a listener."""
    asking = {rule.call for rule in rules if rule.action == _NOTIFY}
    return {str(number_of(call, machine)): call for call in sorted(asking)}


def _instruction(code: int, jump_true: int, jump_false: int, value: int) -> bytes:
    return struct.pack("=HBBI", code, jump_true, jump_false, value)


def _condition(when: When, steps_to_end: int) -> list[bytes]:
    """Load an argument and jump over the rest of the rule where the test fails."""
    load = [_instruction(_LOAD, 0, 0, _ARGUMENTS_OFFSET + 8 * when.argument)]
    if when.test is Test.TYPE_EQUAL:
        load.append(_instruction(_AND, 0, 0, _SOCK_TYPE_MASK))
    if when.test is Test.DIFFERENT:
        return [*load, _instruction(_JUMP_EQUAL, steps_to_end, 0, when.value)]
    code = _JUMP_ANY_BIT if when.test is Test.ANY_BIT else _JUMP_EQUAL
    return [*load, _instruction(code, 0, steps_to_end, when.value)]


def _compile(rule: Rule, number: int) -> list[bytes]:
    """One rule; it starts and ends with the call's number in the accumulator."""
    if not rule.when:
        return [
            _instruction(_JUMP_EQUAL, 0, 1, number),
            _instruction(_RETURN, 0, 0, rule.action),
        ]
    body = [_instruction(_RETURN, 0, 0, rule.action)]
    for when in reversed(rule.when):
        body = [*_condition(when, len(body)), *body]
    reload_number = _instruction(_LOAD, 0, 0, _NUMBER_OFFSET)
    return [_instruction(_JUMP_EQUAL, 0, len(body) + 1, number), *body, reload_number]


def assemble(rules: tuple[Rule, ...], machine: str) -> bytes:
    """The program as the kernel takes it: ``struct sock_filter`` after another.

    Calls made through another architecture's entry (32-bit code on a 64-bit kernel) kill
    the process: their numbers mean other calls.

    Args:
        rules: In order; the first that matches decides.
        machine: As ``os.uname().machine`` says.

    Raises:
        UnavailableError: There is no table of call numbers for the machine.
    """
    if machine not in AUDIT_ARCH:
        raise UnavailableError(
            "no system call filter for this machine",
            subject=machine,
            expected=" or ".join(AUDIT_ARCH),
            hint="run on one of these, or accept the level observe",
        )
    program = [
        _instruction(_LOAD, 0, 0, _ARCH_OFFSET),
        _instruction(_JUMP_EQUAL, 1, 0, AUDIT_ARCH[machine]),
        _instruction(_RETURN, 0, 0, _KILL_PROCESS),
        _instruction(_LOAD, 0, 0, _NUMBER_OFFSET),
        _instruction(_JUMP_AT_LEAST, 0, 1, _X32_BIT),
        _instruction(_RETURN, 0, 0, _ERRNO | errno.ENOSYS),
    ]
    for rule in rules:
        number = number_of(rule.call, machine)
        if number is not None:
            program += _compile(rule, number)
    program.append(_instruction(_RETURN, 0, 0, _ALLOW))
    return b"".join(program)
