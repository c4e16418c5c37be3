"""Starting a warden, waiting for its report, and never leaving without the tree dead."""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hauberk.core.policy import Isolation
from hauberk.errors import InternalError, UnavailableError
from hauberk.isolation import warden
from hauberk.isolation.gateway import Gateway, check_hosts, gateway
from hauberk.isolation.levels import Work, plan

PACKAGE = Path(__file__).resolve().parents[1]
"""The folder of the ``hauberk`` package."""

IMPORT_OURS = (
    f"import sys;m=type(sys)('hauberk');m.__path__=[{str(PACKAGE)!r}];sys.modules['hauberk']=m;"
    f"m.__file__={str(PACKAGE)!r}+'/__init__.py';exec(open(m.__file__).read(),m.__dict__);"
)
"""Makes our package importable in any interpreter without lending it our libraries.

The folder above may hold a whole environment for another Python and is not even readable
for a worker, so the package is not looked for but put in place.
"""

_GRACE_S = 20.0
_CHUNK_BYTES = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What the warden said."""

    status: int | None
    trouble: str
    namespaces: str
    killed_by: str
    left: int
    wall_s: float
    cpu_s: float
    max_rss: int
    denials: list[str] | None
    children: list[tuple[str, int]]
    stdout: bytes
    stderr: bytes


class _Sink:
    """Bytes collected from one descriptor, at most ``limit`` of them."""

    def __init__(self, limit: int) -> None:
        self.data = bytearray()
        self.overflowed = False
        self._limit = limit

    def add(self, part: bytes) -> None:
        room = self._limit - len(self.data)
        self.overflowed = self.overflowed or len(part) > room
        self.data += part[:room]


def supervise(
    work: Work,
    level: Isolation,
    *,
    env: Mapping[str, str] | None = None,
    results: int | None = None,
    max_result_bytes: int = 0,
) -> tuple[Report, bytes | None]:
    """Do the work at the level; the tree is dead when this returns or raises.

    Args:
        work: Its descriptors are closed here, whatever happens.
        level: Exactly this level.
        env: The whole environment, instead of the clean one.
        results: Read end of a pipe whose write end is among the work's descriptors.
        max_result_bytes: Largest result; more is dropped and answered with ``None``.

    Raises:
        InternalError: The warden itself died or left something alive.
        UnavailableError: The warden could not be started, or the level is not to be had.
    """
    limits = work.limits
    with ExitStack() as stack:
        way_out = _way_out(work, level, stack)
        control_read, control_write = os.pipe()
        report_read, report_write = os.pipe()
        lifeline = stack.enter_context(os.fdopen(control_write, "wb", buffering=0))
        with ExitStack() as unstarted:
            unstarted.callback(os.close, report_read)
            process = _start(control_read, report_write, list(work.descriptors), way_out)
            unstarted.pop_all()
        # Undone from the last: the warden hears that we are gone, cannot block on a
        # report that nobody reads, ends the tree, and is waited for.
        stack.callback(_end, process)
        stack.callback(os.close, report_read)
        stack.callback(lifeline.close)
        orders = plan(work, level, warden=process.pid)
        orders["channel"] = way_out.channel if way_out else None
        if env is not None:
            orders["env"] = dict(env)
        sinks = {report_read: _Sink(2 * limits.output_bytes + (1 << 16))}
        if results is not None:
            sinks[results] = _Sink(max_result_bytes)
        _send(lifeline.fileno(), orders)
        _collect(sinks, time.monotonic() + limits.wall_s + _GRACE_S)
        report = _parse(bytes(sinks[report_read].data))
        if way_out is not None:
            report = replace(report, denials=[*(report.denials or ()), *way_out.refused()])
    result = sinks.get(results) if results is not None else None
    if result is None:
        return report, b""
    return report, None if result.overflowed else bytes(result.data)


def _way_out(work: Work, level: Isolation, stack: ExitStack) -> Gateway | None:
    if not work.grants.network or level is not Isolation.FULL:
        return None
    check_hosts(work.grants.network)
    return stack.enter_context(gateway(work.grants.network, IMPORT_OURS, work.grants.credentials))


def _start(
    control: int, report: int, descriptors: list[int], way_out: Gateway | None
) -> subprocess.Popen[bytes]:
    """Start the warden; the ends that are its own are closed here."""
    code = f"{IMPORT_OURS}from {warden.__name__} import main;main()"
    options = ("-I", "-S", "-X", "utf8")
    try:
        return subprocess.Popen(
            [sys.executable, *options, "-c", code, str(control), str(report)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=(control, report, *descriptors, *([way_out.channel] if way_out else ())),
            env={},
            cwd="/",
        )
    except OSError as error:
        raise UnavailableError(
            "no process could be started", subject=sys.executable, found=str(error)
        ) from error
    finally:
        os.close(control)
        os.close(report)
        for descriptor in descriptors:
            os.close(descriptor)


def _send(control: int, orders: dict[str, Any]) -> None:
    data = json.dumps(orders).encode()
    view = memoryview(len(data).to_bytes(8, "little") + data)
    with suppress(BrokenPipeError):  # a dead warden is noticed by its missing report
        while view:
            view = view[os.write(control, view) :]


def _collect(sinks: dict[int, _Sink], until: float) -> None:
    """Read all descriptors to their ends, or until the time is up."""
    with selectors.DefaultSelector() as selector:
        for descriptor in sinks:
            selector.register(descriptor, selectors.EVENT_READ)
        while selector.get_map() and time.monotonic() < until:
            for key, _ in selector.select(max(0.0, until - time.monotonic())):
                part = os.read(key.fd, _CHUNK_BYTES)
                sinks[key.fd].add(part)
                if not part:
                    selector.unregister(key.fd)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Wait for the warden, whose lifeline is closed now; kill it when it hangs."""
    try:
        process.wait(_GRACE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _parse(data: bytes) -> Report:
    size = int.from_bytes(data[:8], "little")
    if len(data) < 8 + size or size == 0:
        raise InternalError(
            "the process that watches a step died before it could report",
            hint="processes of the step may be left; the step's result is not used",
        )
    header = json.loads(data[8 : 8 + size])
    body = data[8 + size :]
    out, err = header.pop("out"), header.pop("err")
    report = Report(stdout=body[:out], stderr=body[out : out + err], **header)
    if report.left:
        raise InternalError(
            "processes of a step could not be killed", found=f"{report.left} left alive"
        )
    return report
