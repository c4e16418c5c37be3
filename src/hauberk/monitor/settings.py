"""What the monitor watches, as its file says it.

```toml
[monitor]
state = "monitor-state"        # the monitor's own folder
retention_days = 400
store = "postgresql://user@host/monitor"   # in place of a file there

[models.loans]
reference = "profile.json"     # what `hauberk monitor profile` wrote
predictions = "predictions"    # folder where tables are dropped
time = "at"                    # columns of these tables that are no inputs
prediction = "approve"
confidence = "score"
id = "id"
label = "label"

labels = "labels"              # folder where tables of id and label are dropped later
source = "sender"              # column that names who sent a row

[actions.loans]
requests = "requests"          # folder that signed requests are put into
key = "monitor.pem"            # the monitor's own private key
allow = "retrain"              # and rollback, scale

[otlp.loans]
token = "otlp.token"           # what senders to /v1/logs and /v1/metrics show

[canaries.loans]
rows = "golden.json"           # rows with known answers
url = "http://127.0.0.1:8080"
name = "loans"                 # as the server calls the model

[logs.front]
path = "guard-log"             # a guard's log of decisions
witness = "/mnt/second/front.heads"

[replicas]
r1 = "r1.pem"                  # public keys of those who may push telemetry

[notify]
webhook = "https://hooks.example/x"
alertmanager = "http://127.0.0.1:9093"
```
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from hauberk.errors import UsageError

T = TypeVar("T")
MAX_FILE_BYTES = 1 << 20
IMPORTANCE = ("low", "normal", "high")
ACTIONS = ("retrain", "rollback", "scale")
SMTP_TLS = ("tls", "starttls", "none")


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """One model.

    Attributes:
        reference: Profile made in training.
        reference_key: Public key that has signed it (`hauberk sign`); unsigned ones are refused.
        predictions: Folder where tables are dropped; ``None`` where rows only come otherwise.
        time: Column with the moment of a row; without it, that of its file counts.
        label: Column with the truth, which may come later, in a table with ``id`` alone.
        labels: Folder of tables of ``id`` and ``label`` alone, which others drop there.
        group: Column whose values are counted apart.
        source: Column that names who sent a row; its values are followed one by one.
        release: What is shown of where the model comes from: a record that a run wrote.
        importance: ``low``, ``normal`` or ``high``; alerts about the model are by one step less
            or more severe.
    """

    reference: Path
    predictions: Path | None = None
    time: str = ""
    prediction: str = ""
    confidence: str = ""
    id: str = ""
    label: str = ""
    labels: Path | None = None
    group: str = ""
    source: str = ""
    release: Path | None = None
    importance: str = "normal"
    reference_key: Path | None = None

    @property
    def not_inputs(self) -> frozenset[str]:
        """Columns that no drift is looked for in; confidence and groups are watched as well."""
        names = (self.time, self.id, self.label, self.source)
        return frozenset(name for name in names if name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Acting:
    """What the monitor may ask for about one model, and where it puts its requests.

    Attributes:
        requests: Folder of signed requests.
        key: The monitor's private key.
        allow: Actions that may be asked for: ``retrain``, ``rollback``, ``scale``.
        budget: Largest share of rows from sources that move, at which a retraining is asked for.
        latency_s: Latency of 95 % of the answers above which more servers are asked for.
        quiet_h: Hours within which the same is not asked for again.
        lasts_h: Hours after which a request counts no more.
    """

    requests: Path
    key: Path
    allow: str = "retrain"
    budget: float = 0.01
    latency_s: float = 0.0
    quiet_h: float = 24.0
    lasts_h: float = 72.0

    @property
    def allowed(self) -> frozenset[str]:
        """The actions that may be asked for."""
        return frozenset(name.strip() for name in self.allow.split(",") if name.strip())


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """A door for OTLP about one model.

    Attributes:
        token: File with what senders show as their bearer token.
    """

    token: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Canary:
    """Rows with known answers that the served model of one name is asked.

    Attributes:
        url: Where it is served, over the Open Inference Protocol.
        name: How the server calls the model.
        token: File with the key that the server asks for.
        every_h: Hours between two times.
    """

    rows: Path
    url: str
    name: str
    token: Path | None = None
    every_h: float = 24.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedLog:
    """One log of decisions.

    Attributes:
        model: Which model its decisions are about; without it, those that they name.
        witness: File in a second place that heads are shipped to.
        beat_s: Longest silence that is no alarm; 0 where the log promises nothing.
        erasable: Keys of senders, where what is sealed is to be looked at for leaks.
    """

    path: Path
    model: str = ""
    witness: Path | None = None
    erasable: Path | None = None
    beat_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Notify:
    """Who is told of alerts.

    Attributes:
        webhook: Takes a CloudEvent for each alert.
        alertmanager: Address of a Prometheus Alertmanager.
        smtp: ``host:port`` of a mail server.
        smtp_tls: ``tls`` from the first byte, ``starttls`` or ``none``; empty takes TLS where the
            port or the server says so.
        smtp_user: Who logs in, over TLS.
        smtp_password: File with the password, which only its owner can read.
        smtp_ca: File with certificates that are trusted in place of the system's.
        mail_to: Who gets mail.
        mail_from: Who sends it.
    """

    webhook: str = ""
    alertmanager: str = ""
    smtp: str = ""
    smtp_tls: str = ""
    smtp_user: str = ""
    smtp_password: Path | None = None
    smtp_ca: Path | None = None
    mail_to: str = ""
    mail_from: str = "hauberk@localhost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that is watched.

    Attributes:
        store: Address of a PostgreSQL that holds what is remembered; a file in ``state`` where
            it is empty.
        schema: Where its tables lie there.
    """

    state: Path
    retention_days: int = 400
    store: str = ""
    schema: str = "hauberk_monitor"
    models: Mapping[str, Watched] = field(default_factory=dict)
    logs: Mapping[str, WatchedLog] = field(default_factory=dict)
    replicas: Mapping[str, Path] = field(default_factory=dict)
    notify: Notify = field(default_factory=Notify)
    actions: Mapping[str, Acting] = field(default_factory=dict)
    otlp: Mapping[str, Door] = field(default_factory=dict)
    canaries: Mapping[str, Canary] = field(default_factory=dict)


def read_settings(path: Path) -> Settings:
    """The monitor's file; paths in it are relative to its folder.

    Raises:
        UsageError: It cannot be read, or a table, a key or a value is wrong.
    """
    if not path.exists():
        raise UsageError(
            "there is no file for the monitor here",
            subject=str(path),
            expected="a TOML file that names models, logs or replicas",
            found="nothing",
            hint="docs/tutorials/monitoring.md shows one; hauberk monitor --help takes its path",
        )
    try:
        data = path.read_bytes()
        if len(data) > MAX_FILE_BYTES:
            raise _wrong(path, "the file", f"at most {MAX_FILE_BYTES} bytes", f"{len(data)}")
        value = tomllib.loads(data.decode())
    except (OSError, ValueError) as error:
        raise _wrong(path, "the file", "TOML", str(error)[:120]) from error
    known = {"monitor", "models", "logs", "replicas", "notify", "actions", "otlp", "canaries"}
    if set(value) - known:
        raise _wrong(path, min(set(value) - known), ", ".join(sorted(known)), "another table")
    reader = _Reader(path)
    top = reader.table(value, "monitor")
    return Settings(
        state=reader.path_of("monitor.state", top.pop("state", "monitor-state")),
        retention_days=reader.whole("monitor.retention_days", top.pop("retention_days", 400)),
        store=reader.text("monitor.store", top.pop("store", "")),
        schema=reader.text("monitor.schema", top.pop("schema", "hauberk_monitor")),
        models={n: reader.watched(n, v) for n, v in reader.items(value, "models")},
        logs={n: reader.made(WatchedLog, f"logs.{n}", v) for n, v in reader.items(value, "logs")},
        replicas={
            n: reader.path_of(f"replicas.{n}", v)
            for n, v in reader.table(value, "replicas").items()
        },
        notify=reader.notify(reader.table(value, "notify")),
        otlp={n: reader.made(Door, f"otlp.{n}", v) for n, v in reader.items(value, "otlp")},
        canaries={
            n: reader.made(Canary, f"canaries.{n}", v) for n, v in reader.items(value, "canaries")
        },
        actions={n: reader.acting(n, v) for n, v in reader.items(value, "actions")},
    )


class _Reader:
    def __init__(self, file: Path) -> None:
        self._file = file

    def table(self, value: Any, name: str) -> dict[str, Any]:
        found = value.get(name, {})
        if not isinstance(found, dict):
            raise _wrong(self._file, name, "a table", type(found).__name__)
        return dict(found)

    def items(self, value: Any, name: str) -> list[tuple[str, dict[str, Any]]]:
        tables = self.table(value, name)
        return [(key, self.table(tables, key)) for key in tables]

    def path_of(self, key: str, value: Any) -> Path:
        if not isinstance(value, str) or not value:
            raise _wrong(self._file, key, "a path", repr(value)[:60])
        return self._file.parent / Path(value).expanduser()

    def text(self, key: str, value: Any) -> str:
        if not isinstance(value, str):
            raise _wrong(self._file, key, "a text", repr(value)[:60])
        return value

    def whole(self, key: str, value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise _wrong(self._file, key, "a whole number from 1 on", repr(value)[:60])
        return value

    def made(self, kind: Callable[..., T], name: str, value: dict[str, Any]) -> T:
        """A frozen data class of texts, numbers and paths."""
        known = {item.name: str(item.type) for item in fields(kind)}  # type: ignore[arg-type]  # only data classes come here
        values: dict[str, Any] = {}
        for key, given in value.items():
            if key not in known:
                raise _wrong(self._file, f"{name}.{key}", ", ".join(known), "another key")
            values[key] = self._value(f"{name}.{key}", known[key], given)
        try:
            return kind(**values)
        except TypeError as error:
            raise _wrong(self._file, name, "every key that is needed", str(error)[-80:]) from error

    def watched(self, name: str, value: dict[str, Any]) -> Watched:
        """A table of a model; an unknown importance is refused."""
        found = self.made(Watched, f"models.{name}", value)
        if found.importance not in IMPORTANCE:
            expected = ", ".join(IMPORTANCE)
            raise _wrong(self._file, f"models.{name}.importance", expected, found.importance)
        return found

    def notify(self, value: dict[str, Any]) -> Notify:
        """The table of channels; an unknown way to encrypt is refused."""
        found = self.made(Notify, "notify", value)
        if found.smtp_tls not in ("", *SMTP_TLS):
            raise _wrong(self._file, "notify.smtp_tls", ", ".join(SMTP_TLS), found.smtp_tls)
        return found

    def acting(self, name: str, value: dict[str, Any]) -> Acting:
        """A table of actions; unknown ones are refused."""
        found = self.made(Acting, f"actions.{name}", value)
        if not found.allowed or found.allowed - set(ACTIONS):
            raise _wrong(self._file, f"actions.{name}.allow", ", ".join(ACTIONS), found.allow)
        return found

    def _value(self, key: str, kind: str, given: Any) -> Any:
        if kind.startswith("Path"):
            return self.path_of(key, given)
        if kind == "float":
            if isinstance(given, bool) or not isinstance(given, (int, float)) or given < 0:
                raise _wrong(self._file, key, "a number from 0 on", repr(given)[:60])
            return float(given)
        if not isinstance(given, str):
            raise _wrong(self._file, key, "a text", repr(given)[:60])
        return given


def _wrong(path: Path, key: str, expected: str, found: str) -> UsageError:
    return UsageError(
        "the monitor's file is wrong",
        subject=f"{path}: {key}",
        rule="every table and key is known and of its kind",
        expected=expected,
        found=found,
        hint="see docs/tutorials/monitoring.md",
    )
