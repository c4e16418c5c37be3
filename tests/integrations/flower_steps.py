"""What a user of Flower does, with every message passed in this process; in Flower's own environment.

Prints one line of JSON: step to what came of it.
"""

import json
import logging
import sys
from copy import deepcopy
from types import SimpleNamespace

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Context, Message, MetricRecord, RecordDict
from flwr.client import NumPyClient
from flwr.client.mod import secaggplus_mod
from flwr.clientapp import ClientApp
from flwr.common import ndarrays_to_parameters
from flwr.server import LegacyContext, ServerConfig
from flwr.server.strategy import FedAvg
from flwr.server.workflow import DefaultWorkflow, SecAggPlusWorkflow
from flwr.serverapp import Grid
from flwr.supercore.task_identity import TaskIdentity

from hauberk.integrations.flower import HeldBack, joined_robustly

logging.getLogger("flwr").setLevel(logging.CRITICAL)
TaskIdentity.task_id = TaskIdentity.run_id = TaskIdentity.node_id = 1  # as its processes do
KEY, N_CLIENTS = "arrays", 5


class Wire(Grid):
    """Passes messages to client applications of this process, and keeps what clients sent."""

    def __init__(self, apps):
        self.apps, self.sent, self._replies = apps, [], {}
        self.contexts = {node: Context(1, node, {}, RecordDict(), {"round": 0}) for node in apps}

    def set_run(self, run):
        raise NotImplementedError

    @property
    def run(self):
        return SimpleNamespace(run_id=1)

    def create_message(self, content, message_type, dst_node_id, group_id, ttl=None):
        return Message(
            content, dst_node_id=dst_node_id, message_type=message_type, group_id=group_id, ttl=ttl
        )

    def get_node_ids(self):
        return list(self.apps)

    def push_messages(self, messages):
        ids = []
        for number, message in enumerate(messages):
            name = f"m{len(self._replies)}-{number}"
            message.metadata._message_id = name
            self._replies[name] = self._answer(message)
            ids.append(name)
        return ids

    def pull_messages(self, message_ids):
        return [self._replies[name] for name in message_ids]

    def send_and_receive(self, messages, *, timeout=None):
        return [self._answer(message) for message in messages]

    def _answer(self, message):
        node = message.metadata.dst_node_id
        reply = self.apps[node](deepcopy(message), self.contexts[node])  # as if it were sent
        self.sent.append((node, reply))
        return reply


def record(**arrays):
    return ArrayRecord({name: Array(np.asarray(part)) for name, part in arrays.items()})


def model():
    return record(
        **{
            "a.weight": np.zeros((2, 16), np.float32),
            "a.bias": np.zeros(2, np.float32),
            "n": np.int64([3]),
        }
    )


def training(step, mods=()):
    """A client whose update is what ``step`` makes of the arrays it was given."""
    app = ClientApp(mods=list(mods))

    @app.train()
    def train(message, context):
        given = {name: array.numpy() for name, array in message.content[KEY].items()}
        made = {name: Array(part) for name, part in step(given).items()}
        content = RecordDict({KEY: ArrayRecord(made), "m": MetricRecord({"num-examples": 10})})
        return Message(content, reply_to=message)

    return app


def moved(by):
    return lambda given: {
        name: (part + np.asarray(by, part.dtype) if part.dtype.kind == "f" else part)
        for name, part in given.items()
    }


def once(app):
    """The reply of one client to the model."""
    message = Message(
        RecordDict({KEY: model(), "config": ConfigRecord({})}), dst_node_id=1, message_type="train"
    )
    return app(message, Context(1, 1, {}, RecordDict(), {}))


def norm(reply):
    arrays = [a.numpy() for a in reply.content[KEY].values() if a.numpy().dtype.kind == "f"]
    return float(np.sqrt(sum((part.astype(float) ** 2).sum() for part in arrays)))


def held_back():
    plain = once(training(moved(3.0)))
    clipped = once(training(moved(3.0), [HeldBack(clip=1.0)]))
    rng = np.random.default_rng(1)
    noised = once(training(moved(3.0), [HeldBack(clip=1.0, noise=2.0, rng=rng)]))
    return {
        "plain": norm(plain),
        "clipped": norm(clipped),
        "noised": norm(noised),
        "whole": clipped.content[KEY]["n"].numpy().tolist(),
        "types": sorted({a.numpy().dtype.name for a in clipped.content[KEY].values()}),
        "metrics": dict(clipped.content["m"]),
    }


def told_too_much():
    row = np.random.default_rng(2).random((1, 16))

    def leaking(given):  # one step on one row: its gradient is the row
        error = np.float32([0.5, -2.0])
        return given | {
            "a.weight": np.outer(error, row).astype(np.float32),
            "a.bias": error,
        }

    def answer(noise):
        rng = np.random.default_rng(3)
        held = HeldBack(clip=10.0, noise=noise, rows=lambda context: row, rng=rng)
        reply = once(training(leaking, [held]))
        return [reply.error.code, reply.error.reason] if reply.has_error() else "sent"

    return {"plain": answer(0.0), "noised": answer(1.0)}


def merged(steps, **settings):
    wire = Wire({node: training(step) for node, step in enumerate(steps, start=1)})
    strategy = joined_robustly(min_available_nodes=2, fraction_evaluate=0.0, **settings)
    result = strategy.start(wire, initial_arrays=model(), num_rounds=1)
    rounds = result.train_metrics_clientapp
    return {
        "bias": [round(float(x), 4) for x in result.arrays["a.bias"].numpy()],
        "metrics": {
            key: value
            for key, value in rounds.get(1, {}).items()
            if key in ("left-out", "heterogeneity")
        },
    }


def joined():
    honest = [moved(1.0 + 0.01 * n) for n in range(N_CLIENTS)]
    hostile = moved(-1e6)
    broken = lambda given: given | {"a.bias": np.float32([np.nan, 0.0])}  # noqa: E731
    other = lambda given: given | {"a.bias": np.zeros(3, np.float32)}  # noqa: E731
    return {
        "honest": merged(honest),
        "hostile": merged([*honest, hostile, hostile]),
        "trimmed": merged([*honest, hostile], how="trimmed"),
        "broken": merged([*honest, broken]),
        "other": merged([*honest, other]),
        "few": merged(honest[:2]),
    }


def secure():
    """Flower's secure aggregation before a client that holds back: the server sees a sum."""

    class Client(NumPyClient):
        def __init__(self, by):
            self.by = by

        def fit(self, parameters, config):
            return [part + self.by for part in parameters], 1, {}

    def app(by):
        return ClientApp(
            client_fn=lambda context: Client(by).to_client(),
            mods=[secaggplus_mod, HeldBack(clip=1.0)],
        )

    wire = Wire({node: app(float(node)) for node in range(1, N_CLIENTS + 1)})
    start = ndarrays_to_parameters([np.zeros(4), np.zeros((2, 2))])
    strategy = FedAvg(fraction_evaluate=0.0, min_fit_clients=N_CLIENTS, initial_parameters=start)
    context = LegacyContext(
        context=Context(1, 0, {}, RecordDict(), {}),
        config=ServerConfig(num_rounds=1),
        strategy=strategy,
    )
    DefaultWorkflow(fit_workflow=SecAggPlusWorkflow(N_CLIENTS, 3))(wire, context)
    found = context.state.array_records["parameters"]
    values = np.concatenate([np.ravel(array.numpy()) for array in found.values()])
    seen = [len(a) for _, reply in wire.sent for a in reply.content.array_records.values()]
    return {"values": values.tolist(), "arrays a client sent in the clear": sum(seen)}


if __name__ == "__main__":
    steps = (held_back, told_too_much, joined, secure)
    print(json.dumps({step.__name__: step() for step in steps}), file=sys.stdout)
