"""Flower: what a client sends is tested and held back, what a server joins is joined robustly.

Two pieces that stand in an application of Flower (1.22 or newer) as its own do. `HeldBack` is a
*mod* of a ``ClientApp``: it takes what the client would send, clips the update, adds noise, tries
the server's attack on what is left, and sends nothing that gives rows away. `joined_robustly`
makes a strategy of a ``ServerApp`` that merges updates as `hauberk.methods.federated.merged` does.

Secure aggregation is Flower's own (``secaggplus_mod`` and ``SecAggPlusWorkflow``): put it before
`HeldBack` in the list of mods, and the server sees the sum of the updates alone. It cannot
look at single updates then, so medians and trimmed means are out of its reach, and the clip
of each client is what bounds a malicious one.

References:
    Bell, Bonawitz, Gascon, Lepoint and Raykova (2020), Secure single-server aggregation with
    (poly)logarithmic overhead.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hauberk.errors import UnavailableError, UsageError
from hauberk.methods import federated

TOLD_TOO_MUCH = 2
"""Code of the error that a server gets in place of an update that would give rows away."""

_MIN_CLIENTS = 3
_LOG = logging.getLogger("hauberk.flower")
_TRAIN = "train"

Arrays = Mapping[str, Any]
Rows = Callable[[Any], Any]


@dataclass(slots=True, kw_only=True)
class HeldBack:
    """A mod for ``flwr.clientapp.ClientApp`` that holds updates back.

    Attributes:
        clip: Largest norm of an update, over all its arrays; above 0.
        noise: Standard deviation of the noise in units of ``clip``; 0 adds none.
        rows: The client's own rows ``(n, ...)`` of a context, for the self-test; without them
            nothing is tested.
        rng: Source of the noise; from the operating system where none is given.

    Example:
        ``ClientApp(mods=[HeldBack(clip=1.0, noise=0.5, rows=lambda context: load_rows())])``
    """

    clip: float
    noise: float = 0.0
    rows: Rows | None = None
    rng: np.random.Generator = field(default_factory=np.random.default_rng)

    def __post_init__(self) -> None:
        if not (0 < self.clip < math.inf and 0 <= self.noise < math.inf):
            raise UsageError(
                "an update cannot be held back so",
                expected="a clip above 0, noise of 0 or more",
                found=f"clip {self.clip:g}, noise {self.noise:g}",
            )

    def __call__(self, message: Any, context: Any, call_next: Callable[..., Any]) -> Any:
        """Answer a message as the client does, with its update held back."""
        if str(message.metadata.message_type).partition(".")[0] != _TRAIN:
            return call_next(message, context)
        given = _arrays_of(message)  # read before: a client may train in place
        reply = call_next(message, context)
        if reply.has_error():
            return reply
        name, record = _only_record(reply)
        update = _update(given, {key: array.numpy() for key, array in record.items()})
        held = self.held(update)
        if self.rows is not None:
            told = federated.leaked(held, self.rows(context))
            if told:
                return _refusal(message, f"{len(told)} rows could be read off the update")
        sent = {key: given[key] + held[key] if key in held else None for key in record}
        _put(reply, name, record, sent)
        return reply

    def held(self, update: Arrays) -> dict[str, Any]:
        """An update after clipping and noise."""
        parts = federated.clipped(update, self.clip)
        if not self.noise:
            return parts
        scale = self.noise * self.clip
        return {key: part + self.rng.normal(0.0, scale, part.shape) for key, part in parts.items()}

    def epsilon(self, *, rounds: int, delta: float) -> float:
        """What ``rounds`` updates give away of all that one client holds, as (epsilon, delta).

        Two sets of rows give updates that lie at most twice the clip apart.

        Raises:
            UsageError: There is no noise, or rounds and delta do not fit.
        """
        return federated.epsilon(noise=self.noise / 2, share=1, steps=rounds, delta=delta)


def _only_record(message: Any) -> tuple[str, Any]:
    records = message.content.array_records
    if len(records) != 1:
        raise UsageError(
            "an update is one record of arrays",
            rule="HeldBack knows which arrays it has to hold back",
            expected="one ArrayRecord in the message of a training",
            found=f"{len(records)}: {', '.join(sorted(records))}",
            hint="send other arrays in messages of their own",
        )
    found: tuple[str, Any] = next(iter(records.items()))
    return found


def _arrays_of(message: Any) -> dict[str, Any]:
    return {key: np.array(array.numpy()) for key, array in _only_record(message)[1].items()}


def _update(given: Arrays, sent: Arrays) -> dict[str, Any]:
    """What changed, in arrays of floats; all others are left alone.

    Raises:
        UsageError: The arrays are not those that were given, or not finite.
    """
    shapes = [{key: np.shape(part) for key, part in arrays.items()} for arrays in (given, sent)]
    if shapes[0] != shapes[1]:
        raise UsageError(
            "an update has the arrays of the model that it was made from",
            expected=str(shapes[0])[:200],
            found=str(shapes[1])[:200],
        )
    floats = [key for key, part in given.items() if np.asarray(part).dtype.kind == "f"]
    update = {key: np.asarray(sent[key], float) - np.asarray(given[key], float) for key in floats}
    if not all(np.isfinite(part).all() for part in update.values()):
        raise UsageError("an update is made of finite numbers", found="NaN or infinity")
    return update


def _put(reply: Any, name: str, record: Any, sent: Mapping[str, Any]) -> None:
    app = _flower()
    kinds = {key: array.numpy().dtype for key, array in record.items()}
    arrays = {
        key: app.Array(np.ascontiguousarray(np.asarray(part, kinds[key])))
        if part is not None
        else record[key]
        for key, part in sent.items()
    }
    reply.content[name] = app.ArrayRecord(arrays)


def _refusal(message: Any, reason: str) -> Any:
    app = _flower()
    return app.Message(app.Error(TOLD_TOO_MUCH, f"hauberk: {reason}"), reply_to=message)


def joined_robustly(*, how: str = "median", trim: float = 0.2, **settings: Any) -> Any:
    """A strategy for ``flwr.serverapp.ServerApp`` that no small part of the clients can bend.

    Each update is clipped to the median norm; then the median, or the mean without the ``trim``
    largest and smallest, of every number is taken. Updates that are not finite or do not fit the
    model are left out, and where fewer than three are left the model stays as it was. The metrics
    of a round get ``heterogeneity``, how far clients pull apart, which is where medians cost
    accuracy, and ``left-out``, how many updates did not fit.

    Args:
        how: ``median`` or ``trimmed``.
        settings: Those of ``flwr.serverapp.strategy.FedAvg``.

    Raises:
        UsageError: There is no such way to merge.
        UnavailableError: Flower is missing.
    """
    if how not in {"median", "trimmed"} or not 0 <= trim < 0.5:  # noqa: PLR2004 - half of them
        raise UsageError(
            "there is no such way to merge",
            expected="median or trimmed, and trim from 0 to below 0.5",
            found=f"{how}, {trim:g}",
        )
    return _strategy()(how=how, trim=trim, **settings)


def _strategy() -> Any:
    try:
        from flwr.serverapp.strategy import FedAvg
    except ImportError as error:
        raise _missing() from error
    app = _flower()

    class JoinedRobustly(FedAvg):  # type: ignore[misc,unused-ignore]  # Flower is optional
        """Flower's averaging with another way to merge."""

        def __init__(self, *, how: str, trim: float, **settings: Any) -> None:
            super().__init__(**settings)
            self._how, self._trim = how, trim
            self._given: dict[str, Any] = {}

        def configure_train(
            self, server_round: int, arrays: Any, config: Any, grid: Any
        ) -> Iterable[Any]:
            """Remember what the clients are given."""
            self._given = {key: np.array(array.numpy()) for key, array in arrays.items()}
            found: Iterable[Any] = super().configure_train(server_round, arrays, config, grid)
            return found

        def aggregate_train(self, server_round: int, replies: Iterable[Any]) -> tuple[Any, Any]:
            """Merge what fits."""
            del server_round
            answered = [reply for reply in replies if not reply.has_error()]
            updates, contents = [], []
            for reply in answered:
                try:
                    updates.append(_update(self._given, _arrays_of(reply)))
                except UsageError:
                    continue
                contents.append(reply.content)
            joined: dict[str, Any] = {}
            metrics = app.MetricRecord()
            if len(updates) >= _MIN_CLIENTS:
                joined = federated.merged(updates, how=self._how, trim=self._trim)
                metrics = self.train_metrics_aggr_fn(contents, self.weighted_by_key)
                metrics["heterogeneity"] = federated.heterogeneity(updates)
            else:
                _LOG.warning("%s", _too_few(len(updates)))
            metrics["left-out"] = len(answered) - len(updates)
            arrays = {
                key: app.Array(np.asarray(part + joined.get(key, 0), part.dtype))
                for key, part in self._given.items()
            }
            return app.ArrayRecord(arrays), metrics

    return JoinedRobustly


def _too_few(count: int) -> str:
    return (
        f"{count} updates of a round fit the model; the model stays as it was, since fewer than "
        f"{_MIN_CLIENTS} cannot outvote a malicious one"
    )


def _flower() -> Any:
    try:
        from flwr import app
    except ImportError as error:
        raise _missing() from error
    return app


def _missing() -> UnavailableError:
    return UnavailableError(
        "Flower is not installed",
        expected="flwr 1.22 or newer",
        hint="pip install 'hauberk[flower]'",
    )
