"""A monitor's signed request as the reason of a rollback; not a verb of its own.

The request changes who says why, and nothing of who may: the persons that production needs sign
all the same. It is held to the rules of `hauberk.trust.requests`, and its number must be above
that of every request that a rollback of this model was made for, as the registry's own signed
history tells.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hauberk.errors import HauberkError, UsageError

if TYPE_CHECKING:
    from hauberk.trust.keys import PublicKey
    from hauberk.trust.registry.registrar import Registrar
    from hauberk.trust.requests import Request

_NUMBER: Final = re.compile(r"^monitor's request (\d{1,15}):")


def configure(deed: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    deed.add_argument(
        "--request", type=Path, metavar="FILE", help="a monitor's signed request, as the reason"
    )
    deed.add_argument(
        "--monitor-key", type=Path, metavar="FILE", help="its public key; the project's by default"
    )
    deed.add_argument("--monitored", metavar="NAME", help="how the monitor calls the model")


def reason(args: argparse.Namespace, writer: Registrar, model: str) -> str:
    """Why: what the persons say, or what the request says once it stands.

    Raises:
        TrustError: The request breaks a rule.
        UsageError: There is no reason, or the request or its key cannot be read.
    """
    if args.request is None:
        return str(args.reason or "")
    if args.reason:
        raise UsageError(
            "a rollback has one reason",
            subject="--reason",
            expected="--reason TEXT, or --request FILE",
            found="both",
        )
    from hauberk.trust.requests import MAX_BYTES, Rules, open_request

    key, name = _trusted(args, model)
    request = open_request(_bytes_of(args.request, MAX_BYTES), key)
    rules = Rules(
        action="rollback",
        model=args.monitored or name,
        now=writer.clock(),
        last=_last(writer, model),
        budget=1.0,  # of retraining alone
    )
    rules.check(request)
    return _said(request)


def _said(request: Request) -> str:
    from hauberk.trust.registry.documents import MAX_REASON

    signals = "; ".join(f"{origin}: {text}" for origin, text in request.signals)
    text = f"monitor's request {request.number}: {signals}"
    return "".join(sign if sign.isprintable() else "?" for sign in text)[:MAX_REASON].strip()


def _last(writer: Registrar, model: str) -> int:
    """The largest number of a request that a rollback was made for."""
    from hauberk.trust.registry.names import PRODUCTION
    from hauberk.trust.registry.upkeep import history

    reasons = (
        one.pointing.reason for one in history(writer.view, model, PRODUCTION) if one.pointing
    )
    found = (_NUMBER.match(text) for text in reasons)
    return max((int(match[1]) for match in found if match), default=0)


def _trusted(args: argparse.Namespace, model: str) -> tuple[PublicKey, str]:
    """The monitor's key, and how it calls the model."""
    from hauberk.trust.keys import MAX_KEY_BYTES, read_public

    settings = _settings(args)
    table: Any = None
    if settings is not None:
        from hauberk.core.lifecycle import Component

        table = settings.table(Component.MONITORING)
    path = args.monitor_key
    if path is None and table is not None and table.monitor_key:
        path = settings.root / table.monitor_key
    if path is None:
        raise UsageError(
            "requests are taken up only from a monitor whose key is known",
            subject="--monitor-key",
            expected="--monitor-key FILE, or monitor_key under [monitoring] of hauberk.toml",
            found="no key",
            hint="`hauberk monitor key` makes one; its public half is what is named here",
        )
    name = model if table is None else (table.model or settings.project.name)
    return read_public(_bytes_of(path, MAX_KEY_BYTES)), name


def _settings(args: argparse.Namespace) -> Any:
    from hauberk.lifecycle.settings import load

    try:
        return load(Path(args.project).resolve())
    except HauberkError:
        return None


def _bytes_of(path: Path, limit: int) -> bytes:
    from hauberk.trust.durable import read_small

    try:
        return read_small(path, max_bytes=limit)
    except OSError as error:
        raise UsageError(
            "a file cannot be read", subject=str(path), found=error.strerror or str(error)
        ) from error
