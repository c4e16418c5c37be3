"""A step that wants out: everything it tries, at every level.

Each attempt is a script that ends with exit code 0 only where it succeeded and with 9
where the system refused; anything else is a broken test. `OPEN_AT_OBSERVE` names what the level ``observe``
documents as open and certain on every machine, so that the gap is stated, not hidden.
"""

from __future__ import annotations

import ctypes
import os
import socket
import stat
import time
from pathlib import Path

import pytest

from hauberk.core.policy import Isolation
from hauberk.isolation import Limits

REFUSED = 9

PRELUDE = """
import ctypes, errno, os, socket, sys
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *arguments):
    result = libc.syscall(number, *arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
secret, folder, tcp, udp, name, caller = sys.argv[1:7]
def attempt():
{body}
try:
    attempt()
except (OSError, AttributeError) as error:
    print(type(error).__name__, error)
    raise SystemExit(9)
"""

ATTEMPTS = {
    "read the key": "open(secret).read()",
    "read the key through a link of its own": ("os.symlink(secret, 'link'); open('link').read()"),
    "read the key through its own root": "open('/proc/self/root' + secret).read()",
    "read the key from its own folder upwards": "open('/proc/self/cwd/../signing-key.pem').read()",
    "read the key through its parent's root": "open(f'/proc/{os.getppid()}/root{secret}').read()",
    "take the key by hard link": "os.link(secret, 'taken')",
    "move the key": "os.rename(secret, 'taken')",
    "list the caller's folder": "'signing-key.pem' in os.listdir(folder) or sys.exit(9)",
    "write beside its folder": "open(folder + '/planted', 'w').write('x'); 'signing-key.pem' in os.listdir(folder) or sys.exit(9)",
    "empty the key": "os.truncate(secret, 0)",
    "remove the key": "os.unlink(secret)",
    "make a folder beside its own": "os.mkdir(folder + '/planted'); 'signing-key.pem' in os.listdir(folder) or sys.exit(9)",
    "read the caller's environment": "open(f'/proc/{caller}/environ', 'rb').read()",
    "read the caller's memory map": "open(f'/proc/{caller}/maps').read()",
    "read the caller's command line": "assert b'pytest' in open(f'/proc/{caller}/cmdline', 'rb').read() or sys.exit(9)",
    "list the caller's descriptors": "os.listdir(f'/proc/{caller}/fd')",
    "signal the caller": "os.kill(int(caller), 0)",
    "trace its parent": "libc.ptrace(16, os.getppid(), 0, 0) and sys.exit(9); libc.ptrace(17, os.getppid(), 0, 0)",
    "be traced": "libc.ptrace(0, 0, 0, 0) and sys.exit(9)",
    "read its parent's memory": "call(310, os.getppid(), 0, 0, 0, 0, 0)",
    "send a datagram": "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.1', 9))",
    "connect to the caller's port": "socket.create_connection(('127.0.0.1', int(tcp)), 2)",
    "connect by multipath TCP": (
        "s = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262); s.settimeout(2);"
        " s.connect(('127.0.0.1', int(tcp)))"
    ),
    "connect to a Unix socket by path": "socket.socket(socket.AF_UNIX).connect(name)",
    "connect to an abstract Unix socket": (
        "socket.socket(socket.AF_UNIX).connect('\\0hauberk-' + caller)"
    ),
    "open a raw socket": "socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)",
    "open a packet socket": "socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)",
    "open a virtual machine socket": "socket.socket(40, socket.SOCK_STREAM)",
    "look up a name": "socket.getaddrinfo('example.invalid', 80); print('resolved')",
    "make a user namespace": "call(272, 0x10000000)",
    "make a namespace by clone": "pid = call(56, 0x10000000 | 17, 0, 0, 0, 0); pid or os._exit(0)",
    "make a namespace by clone3": "call(435, (ctypes.c_uint64 * 11)(0x10000000), 88)",
    "mount": "call(165, b'none', folder.encode(), b'tmpfs', 0, 0)",
    "change its root": "os.chroot('/')",
    "open a ring": "call(425, 8, ctypes.create_string_buffer(120))",
    "use the kernel's key store": "call(250, 0, -3, 0)",
    "load a kernel program": "call(321, 0, ctypes.create_string_buffer(64), 64)",
    "take a descriptor of its parent": "call(438, call(434, os.getppid(), 0), 0, 0)",
    "watch performance": "call(298, ctypes.create_string_buffer(128), 0, -1, -1, 0)",
    "change its parent's limits": (
        "import resource; resource.prlimit(os.getppid(), resource.RLIMIT_CPU)"
    ),
    "open a file by handle": "call(304, -100, ctypes.create_string_buffer(64), 0)",
    "become another user": "os.setuid(12345) if os.getuid() == 0 else os.setuid(0)",
    "make a set-user-id file": "os.close(os.open('bad', os.O_CREAT | os.O_WRONLY, 0o4755))",
    "make a device": "os.mknod('device', 0o20666, os.makedev(1, 3))",
    "steer crashes of the machine": "open('/proc/sys/kernel/core_pattern', 'r+').write('')",
    "press the magic key": "open('/proc/sysrq-trigger', 'w').close()",
    "open the terminal": "os.open('/dev/tty', os.O_RDWR)",
    "type into a terminal": (
        "import fcntl, pty; a, b = pty.openpty(); fcntl.ioctl(b, 0x5412, b'x')"
    ),
    "change the hostname": "socket.sethostname('other')",
    "change the clock": "import time; time.clock_settime(time.CLOCK_REALTIME, time.time())",
    "write to the disk device": "os.open('/dev/vda', os.O_RDONLY)",
    "write into the interpreter": "open(os.path.join(sys.base_prefix, 'planted'), 'w')",
    "write into the system": "open('/usr/planted', 'w')",
}

OPEN_AT_OBSERVE = (
    "read the key",
    "read the key through a link of its own",
    "list the caller's folder",
    "write beside its folder",
    "make a folder beside its own",
    "read the caller's environment",
    "read the caller's command line",
    "signal the caller",
    "connect to the caller's port",
    "connect to a Unix socket by path",
    "connect to an abstract Unix socket",
)

TOO_DANGEROUS_AT_OBSERVE = (
    "change the hostname",
    "change the clock",
    "steer crashes of the machine",
    "press the magic key",
)


@pytest.fixture
def hostile(tmp_path, work, python_step):
    """Run one attempt from beside a secret, with doors of the caller open."""
    secret = tmp_path.resolve() / "signing-key.pem"
    secret.write_text("PRIVATE", "utf-8")
    with (
        socket.create_server(("127.0.0.1", 0)) as tcp,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
        socket.socket(socket.AF_UNIX) as by_path,
        socket.socket(socket.AF_UNIX) as abstract,
    ):
        udp.bind(("127.0.0.1", 0))
        name = f"/tmp/hauberk-test-{os.getpid()}-{time.monotonic_ns()}"
        by_path.bind(name)
        by_path.listen()
        abstract.bind(f"\0hauberk-{os.getpid()}")
        abstract.listen()
        arguments = (
            str(secret),
            str(tmp_path.resolve()),
            str(tcp.getsockname()[1]),
            str(udp.getsockname()[1]),
            name,
            str(os.getpid()),
        )

        def attempt(name: str, level: Isolation):
            code = PRELUDE.format(body="    " + ATTEMPTS[name])
            return python_step(code, level, arguments=arguments)

        yield attempt
        Path(name).unlink()


@pytest.mark.parametrize("name", ATTEMPTS)
def test_an_enforced_level_refuses(hostile, enforced, name, tmp_path) -> None:
    done = hostile(name, enforced)
    assert done.exit_code == REFUSED, (done.stdout, done.stderr)
    assert (tmp_path / "signing-key.pem").read_text("utf-8") == "PRIVATE"
    assert not (tmp_path / "planted").exists()


@pytest.mark.parametrize("name", OPEN_AT_OBSERVE)
def test_observe_leaves_open_what_it_documents_as_open(hostile, name) -> None:
    done = hostile(name, Isolation.OBSERVE)
    assert done.exit_code == 0, (done.stdout, done.stderr)


def test_no_descriptor_of_the_caller_is_inherited(python_step, level, tmp_path) -> None:
    code = """
import os
found = []
for number in range(3, 1024):
    try:
        os.fstat(number)
    except OSError:
        continue
    found.append(number)
print(found)
"""
    with (tmp_path / "open").open("wb") as file:
        os.set_inheritable(file.fileno(), True)
        os.dup2(file.fileno(), 700)
        try:
            assert python_step(code, level).stdout == b"[]\n"
        finally:
            os.close(700)


def test_the_callers_environment_stays_behind(python_step, level, monkeypatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hidden-value")
    monkeypatch.setenv("PYTHONPATH", "/hidden-value")
    done = python_step("import os; print(dict(os.environ))", level)
    assert b"hidden-value" not in done.stdout


DAEMON = """
import os, signal, sys, time
for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
    signal.signal(number, signal.SIG_IGN)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.setsid()
        while True:
            with open('beats', 'a') as file:
                file.write('.')
            time.sleep(0.01)
    os._exit(0)
while not os.path.exists('beats'):
    time.sleep(0.01)
"""


def test_a_daemon_is_dead_when_the_step_returns(python_step, level, work) -> None:
    done = python_step(DAEMON, level)
    size = (work / "beats").stat().st_size
    time.sleep(0.1)
    assert done.exit_code == 0
    assert (work / "beats").stat().st_size == size


def test_a_daemon_that_holds_the_output_open_does_not_delay_the_end(python_step, level) -> None:
    done = python_step("import os, time; os.fork() or time.sleep(600)", level)
    assert (done.exit_code, done.killed_by) == (0, "")


FORKS = """
import os, time
for _ in range(200):
    try:
        if os.fork() == 0:
            time.sleep(600)
    except BlockingIOError:
        break
time.sleep(600)
"""


def test_too_many_processes_end_the_step(python_step, level) -> None:
    done = python_step(FORKS, level, limits=Limits(processes=16, wall_s=60))
    assert (done.killed_by, done.timed_out) == ("processes", False)


def test_a_step_may_have_exactly_the_processes_it_is_given(python_step, level) -> None:
    code = "import subprocess; subprocess.run(['sleep', '0.5'], check=True)"
    done = python_step(code, level, limits=Limits(processes=2))
    assert (done.exit_code, done.killed_by) == (0, "")


def test_a_process_that_wants_too_much_memory_gets_none(python_step, level) -> None:
    limits = Limits(memory_bytes=256 << 20)
    done = python_step("bytearray(1 << 30)", level, limits=limits)
    assert done.exit_code == 1
    assert b"MemoryError" in done.stderr


HOARD_IN_CHILDREN = """
import os, time
for _ in range(6):
    if os.fork() == 0:
        held = bytearray(60 << 20)
        for page in range(0, len(held), 4096):
            held[page] = 1
        time.sleep(600)
time.sleep(600)
"""


def test_a_tree_that_hoards_memory_is_ended(python_step, level) -> None:
    limits = Limits(memory_bytes=200 << 20, wall_s=60)
    done = python_step(HOARD_IN_CHILDREN, level, limits=limits)
    assert done.killed_by == "memory_bytes"


def test_shared_memory_of_the_step_is_bounded(python_step, need_full) -> None:
    code = "open('/dev/shm/big', 'wb').write(bytes(200 << 20))"
    done = python_step(code, need_full, limits=Limits(memory_bytes=100 << 20 | 1 << 28))
    assert done.exit_code == 0
    done = python_step(code, need_full, limits=Limits(memory_bytes=150 << 20))
    assert done.exit_code != 0


def test_a_processor_burner_is_ended(python_step, level) -> None:
    done = python_step("while True: pass", level, limits=Limits(cpu_s=0.5, wall_s=60))
    assert (done.killed_by, done.timed_out) == ("cpu_s", False)


def test_burning_in_children_counts_together(python_step, level) -> None:
    code = "import os\nfor _ in range(3): os.fork()\nwhile True: pass"
    done = python_step(code, level, limits=Limits(cpu_s=1, wall_s=60))
    assert done.killed_by == "cpu_s"


def test_a_sleeper_is_ended_by_the_wall_clock(python_step, level) -> None:
    done = python_step("import time; time.sleep(600)", level, limits=Limits(wall_s=0.3))
    assert (done.killed_by, done.timed_out, done.exit_code) == ("wall_s", True, 137)


def test_a_file_cannot_grow_past_its_limit(python_step, level, work) -> None:
    code = "open('big', 'wb').write(bytes(4 << 20))"
    done = python_step(code, level, limits=Limits(file_bytes=1 << 20))
    assert done.exit_code != 0
    assert (work / "big").stat().st_size <= 1 << 20


def test_a_program_that_overruns_its_file_names_the_limit(work, level) -> None:
    from hauberk.isolation import Grants, run

    command = ["dd", "if=/dev/zero", "of=big", "bs=65536", "count=100"]
    limits = Limits(file_bytes=1 << 20)
    done = run(command, cwd=work, grants=Grants(write=(work,)), limits=limits, level=level)
    assert done.killed_by == "file_bytes"


FILL = """
import time
for number in range(10_000):
    with open(f'part{number}', 'wb') as file:
        file.write(bytes(1 << 20))
    time.sleep(0.02)
"""


def test_many_files_fill_the_disk_limit(python_step, level) -> None:
    limits = Limits(disk_bytes=8 << 20, wall_s=60)
    assert python_step(FILL, level, limits=limits).killed_by == "disk_bytes"


def test_modes_of_foreign_files_cannot_be_changed(python_step, enforced, tmp_path) -> None:
    secret = tmp_path.resolve() / "key"
    secret.write_text("PRIVATE", "utf-8")
    secret.chmod(0o600)
    code = "import os, sys\ntry: os.chmod(sys.argv[1], 0o666)\nexcept OSError: pass"
    python_step(code, enforced, arguments=(str(secret),))
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600


def test_no_set_user_id_bit_can_be_put_on(python_step, enforced, work) -> None:
    code = "import os; open('f','w').close(); os.chmod('f', 0o4755)"
    assert python_step(code, enforced).exit_code != 0
    assert not (work / "f").stat().st_mode & stat.S_ISUID


def test_nothing_is_left_in_shared_memory(python_step, enforced) -> None:
    name = f"hauberk-left-{os.getpid()}"
    python_step(f"open('/dev/shm/{name}', 'w')", enforced)
    assert not Path("/dev/shm", name).exists()


def test_no_system_v_segment_is_left(python_step, enforced) -> None:
    key = 0x48420000 + os.getpid() % 0x10000
    code = f"import ctypes; print(ctypes.CDLL(None).shmget({key}, 4096, 0o1666))"
    python_step(code, enforced)
    assert ctypes.CDLL(None).shmget(key, 4096, 0) == -1


def test_a_read_only_path_beneath_a_writable_one_is_held_at_full(
    python_step, need_full, work
) -> None:
    (work / "input.csv").write_text("rows", "utf-8")
    done = python_step("open('input.csv', 'w')", need_full, read=(work / "input.csv",))
    assert b"Read-only file system" in done.stderr


def test_landlock_leaves_open_to_change_an_input_beneath_a_writable_folder(
    python_step, need_landlock, work
) -> None:
    (work / "input.csv").write_text("rows", "utf-8")
    python_step("open('input.csv', 'w')", need_landlock, read=(work / "input.csv",))
    assert (work / "input.csv").read_text("utf-8") == ""


def test_landlock_leaves_open_to_see_that_a_file_is_there(
    python_step, need_landlock, tmp_path
) -> None:
    (tmp_path / "key").write_text("PRIVATE", "utf-8")
    code = "import os, sys; print(os.stat(sys.argv[1]).st_size)"
    done = python_step(code, need_landlock, arguments=(str(tmp_path / "key"),))
    assert done.stdout == b"7\n"


def test_nothing_is_left_in_the_hosts_temporary_folder(python_step, enforced) -> None:
    name = f"hauberk-left-{os.getpid()}"
    python_step(f"open('/tmp/{name}', 'w')", enforced)
    assert not Path("/tmp", name).exists()


def test_home_and_temporary_folder_are_fresh_and_gone_afterwards(python_step, level) -> None:
    code = """
import os, tempfile
path = tempfile.mkdtemp()
os.mkdir(path + '/closed', 0)
open(os.path.expanduser('~/kept'), 'w')
print(os.environ['HOME'])
"""
    done = python_step(code, level)
    home = Path(done.stdout.decode().strip())
    assert done.exit_code == 0
    assert not (home / "kept").exists()


def test_root_keeps_no_capability(python_step, enforced) -> None:
    code = "print([l.split()[1] for l in open('/proc/self/status') if l.startswith('Cap')])"
    done = python_step(code, enforced)
    assert set(eval(done.stdout)[:3]) == {"0000000000000000"}


def test_no_new_privileges_is_on(python_step, enforced) -> None:
    code = "print([l.split()[1] for l in open('/proc/self/status') if 'NoNewPrivs' in l])"
    assert python_step(code, enforced).stdout == b"['1']\n"


def test_ordinary_work_still_works(python_step, enforced) -> None:
    code = """
import concurrent.futures, decimal, hashlib, os, socket, sqlite3, ssl, subprocess, tempfile, time, zoneinfo
a, b = socket.socketpair()
a.send(b'x'); assert b.recv(1) == b'x'
with tempfile.NamedTemporaryFile() as file:
    file.write(b'x')
connection = sqlite3.connect('rows.db')
connection.execute('create table t (a)')
connection.commit()
connection.close()
assert subprocess.run(['sh', '-c', 'echo $((6*7))'], capture_output=True).stdout == b'42\\n'
with concurrent.futures.ThreadPoolExecutor(4) as pool:
    assert sum(pool.map(abs, range(10))) == 45
ssl.create_default_context()
import shutil
open('a', 'w').write('x'); shutil.copy2('a', 'b'); os.rename('b', 'c'); os.mkdir('d'); os.rename('c', 'd/c')
print('fine')
"""
    done = python_step(code, enforced)
    assert done.stdout == b"fine\n", done.stderr
