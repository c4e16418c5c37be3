"""The classifier with a depth that takes its time: what clocks on the other side measure."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from hauberk.formats.http import Door
from hauberk.formats.v2 import Request, Tensor
from hauberk.formats.v2_schema import InputSchema
from hauberk.guard.answering import Answers, Local, Meter
from hauberk.guard.app import App
from hauberk.guard.policy import GuardPolicy
from hauberk.guard.server import running
from hauberk.guard.service import Service, Surroundings, open_local
from hauberk.range.worlds import served

SHALLOW_S = 0.45
DEEP_S = 0.52
"""Inputs whose first value is negative go so deep: a few tokens more, say."""


class Paced:
    """A model whose run takes as long as the depth of its input says."""

    platform = "paced"

    def __init__(self, model: Local) -> None:
        self._model = model
        self._pool = ThreadPoolExecutor(16)

    @property
    def signature(self) -> InputSchema:
        """That of the model."""
        return self._model.signature

    def within(self, policy: GuardPolicy) -> Answers:
        """The same: its bounds are its own."""
        del policy
        return self

    def close(self) -> None:
        """Let running work end."""
        self._pool.shutdown()
        self._model.close()

    async def ready(self) -> bool:
        """It is."""
        return True

    def at_once(self, request: Request, n_rows: int, meter: Meter) -> None:
        """It is always waited for."""
        del request, n_rows, meter

    async def outputs(self, request: Request, n_rows: int, meter: Meter) -> tuple[Tensor, ...]:
        """The model's own, late."""
        seconds = DEEP_S if request.inputs[0].values[0] < 0 else SHALLOW_S
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._pool, time.sleep, seconds)
        found = self._model.at_once(request, n_rows, meter)
        return await self._model.outputs(request, n_rows, meter) if found is None else found


@contextlib.contextmanager
def paced(policy: GuardPolicy) -> Iterator[Door]:
    """The model behind the guard, on a free port of loopback."""
    with tempfile.TemporaryDirectory() as folder:
        bundle = served.write_classifier(Path(folder) / "bundle", policy)
    service = Service(bundle, Paced(open_local(bundle)), Surroundings())
    with running(App(service), policy) as server:
        yield server.door
