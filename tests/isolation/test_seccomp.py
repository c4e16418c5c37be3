"""The filter program, run by a small interpreter of the kernel's instructions."""

from __future__ import annotations

import errno
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hauberk.errors import UnavailableError
from hauberk.isolation import seccomp, syscalls

ALLOW, KILL, ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
X86, ARM = syscalls.AUDIT_ARCH["x86_64"], syscalls.AUDIT_ARCH["aarch64"]
FULL = seccomp.assemble(seccomp.full_rules(), "x86_64")
LANDLOCK = seccomp.assemble(seccomp.landlock_rules(), "x86_64")
NUMBERS = st.integers(0, 2**32 - 1)
ARGUMENTS = st.lists(st.integers(0, 2**64 - 1), min_size=6, max_size=6)


def execute(program: bytes, number: int, arguments: list[int], arch: int = X86) -> int:
    """The verdict on one call, by the rules of classic BPF."""
    data = struct.pack("=IIQ6Q", number, arch, 0, *arguments)
    code = [struct.unpack_from("=HBBI", program, at) for at in range(0, len(program), 8)]
    at = accumulator = 0
    while True:
        operation, yes, no, value = code[at]
        at += 1
        if operation == 0x20:
            (accumulator,) = struct.unpack_from("=I", data, value)
        elif operation == 0x54:
            accumulator &= value
        elif operation == 0x06:
            return value
        else:
            holds = {
                0x15: accumulator == value,
                0x35: accumulator >= value,
                0x45: bool(accumulator & value),
            }[operation]
            at += yes if holds else no


def verdict(program: bytes, call: str, *arguments: int) -> int:
    number = syscalls.number_of(call, "x86_64")
    assert number is not None
    return execute(program, number, [*arguments, *[0] * (6 - len(arguments))])


@pytest.mark.parametrize("program", [FULL, LANDLOCK], ids=["full", "landlock"])
@pytest.mark.parametrize(
    "call",
    ["ptrace", "bpf", "kexec_load", "mount", "keyctl", "unshare", "setns", "process_vm_readv"],
)
def test_a_dangerous_call_is_refused(program, call) -> None:
    assert verdict(program, call) == ERRNO | errno.EPERM


@pytest.mark.parametrize("program", [FULL, LANDLOCK], ids=["full", "landlock"])
def test_calls_that_cannot_be_judged_look_unimplemented(program) -> None:
    found = {verdict(program, call) for call in ("clone3", "openat2", "io_uring_setup")}
    assert found == {ERRNO | errno.ENOSYS}


@pytest.mark.parametrize("program", [FULL, LANDLOCK], ids=["full", "landlock"])
def test_ordinary_forks_pass_and_new_namespaces_do_not(program) -> None:
    assert verdict(program, "clone", 17) == ALLOW
    assert verdict(program, "clone", 0x10000000 | 17) == ERRNO | errno.EPERM


@pytest.mark.parametrize(("family", "passes"), [(1, True), (2, True), (10, True), (16, True)])
def test_full_allows_ordinary_families(family, passes) -> None:
    assert (verdict(FULL, "socket", family, 1, 0) == ALLOW) is passes


@given(st.integers(0, 60), st.integers(0, 2**32 - 1), st.integers(0, 300))
def test_landlock_allows_no_socket_at_all(family, kind, protocol) -> None:
    assert verdict(LANDLOCK, "socket", family, kind, protocol) == ERRNO | errno.EPERM


@given(st.integers(0, 2**11 - 1).map(lambda high: 3 | high << 4))
def test_full_allows_no_raw_socket_whatever_flags_hide_it(kind) -> None:
    assert verdict(FULL, "socket", 2, kind, 1) != ALLOW


@given(st.integers(0, 0o7777), st.integers(0, 2**22))
def test_set_id_bits_are_refused_exactly_where_a_file_is_made(mode, flags) -> None:
    creating = bool(flags & (0o100 | 0o20000000)) and bool(mode & 0o6000)
    assert (verdict(FULL, "openat", 0, 0, flags, mode) != ALLOW) is creating


@given(NUMBERS, ARGUMENTS)
def test_every_call_gets_a_verdict(number, arguments) -> None:
    for program in (FULL, LANDLOCK):
        assert execute(program, number, arguments) & 0xFFFF0000 in {ALLOW, ERRNO}


@given(NUMBERS, ARGUMENTS, st.integers(0, 2**32 - 1).filter(lambda arch: arch != X86))
def test_another_architectures_entry_kills(number, arguments, arch) -> None:
    assert execute(FULL, number, arguments, arch) == KILL


@given(st.integers(0x40000000, 0x400003FF), ARGUMENTS)
def test_the_x32_entry_is_closed(number, arguments) -> None:
    assert execute(FULL, number, arguments) == ERRNO | errno.ENOSYS


@given(st.integers(-5, 5).filter(bool))
def test_protected_processes_get_no_signal(offset) -> None:
    program = seccomp.assemble(seccomp.landlock_rules(protected=(700,)), "x86_64")
    assert verdict(program, "kill", 700, 9) == ERRNO | errno.EPERM
    assert verdict(program, "kill", -700 & 0xFFFFFFFF, 9) == ERRNO | errno.EPERM
    assert verdict(program, "kill", 0xFFFFFFFF, 9) == ERRNO | errno.EPERM
    assert verdict(program, "kill", 700 + offset, 9) == ALLOW


def test_the_other_machine_has_its_own_numbers() -> None:
    program = seccomp.assemble(seccomp.full_rules(), "aarch64")
    number = syscalls.number_of("ptrace", "aarch64")
    assert number == 117
    assert execute(program, number, [0] * 6, ARM) == ERRNO | errno.EPERM


def test_an_unknown_machine_has_no_filter() -> None:
    with pytest.raises(UnavailableError, match="no system call filter"):
        seccomp.assemble(seccomp.full_rules(), "vax")


@pytest.mark.parametrize("rules", [seccomp.full_rules(), seccomp.landlock_rules()])
def test_a_program_fits_the_kernels_bound(rules) -> None:
    assert len(seccomp.assemble(rules, "x86_64")) // 8 <= 4096
