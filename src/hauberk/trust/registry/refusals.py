"""The refusals of a registry, each with target, role, rule and next step."""

from __future__ import annotations

from collections.abc import Mapping

from hauberk.errors import HauberkError, TrustError
from hauberk.trust.fields import time_text
from hauberk.trust.keys import KeyId, Label, custodians
from hauberk.trust.registry import names


def check_same(path: str, what: str, expected: str, found: str) -> None:
    """Refuse a document that says another thing of itself than its name does.

    Raises:
        TrustError: It does.
    """
    if expected != found:
        raise TrustError(
            f"{path} speaks of another {what}",
            subject=f"{path} (role {names.role_of(path)})",
            rule="what is signed says of itself what its name says of it",
            expected=expected,
            found=ascii(found)[1:-1][:200],
            hint="do not use it; find out who signed it",
        )


def absent(path: str, what: str, deed: str) -> TrustError:
    """The error for something that no role signed."""
    return TrustError(
        f"the registry does not have {what}",
        subject=path,
        rule=f"only what role {names.role_of(path)} signed is there",
        expected=what,
        found="nothing that the role signed",
        hint=f"look at the name; see {deed}",
    )


def too_few(
    path: str, role: str, needed: int, signers: tuple[KeyId, ...], labels: Mapping[KeyId, Label]
) -> TrustError:
    """The error for a role with too few persons behind it."""
    known = [labels[key] for key in signers if key in labels]
    found = f"{len(signers)} keys of {custodians(known)}"
    if len(known) > 1 and custodians(known) == 1:
        found += " (demo, one custodian)"
    return TrustError(
        f"production needs {needed} persons, and role {role} has fewer behind it",
        subject=f"{path}, role {role}",
        rule="keys are counted by person, also for the roles that name the approvers: one machine "
        "or one custodian is one person",
        expected=f"{needed} persons",
        found=found,
        hint="have a second person's key, made on another machine, granted and sign: "
        "hauberk registry grant, hauberk registry sign",
    )


def undelegated(name: str, delegator: str, error: Exception) -> TrustError:
    """The error for a role that the level above does not name."""
    return TrustError(
        f"{delegator} does not name a role {name}",
        subject=f"role {name}",
        rule="a role is one that the level above names",
        expected=f"a delegation by {delegator}",
        found=ascii(str(error))[1:-1][:200],
        hint="do not use this registry; find out who signed it",
    )


def clock_is_wrong(what: str, expected: float, found: float) -> TrustError:
    """The error for a clock under which expiry means nothing."""
    return TrustError(
        f"the clock of this machine {what}",
        subject="clock",
        rule="expiry means something only where the clock goes forward",
        expected=f"{time_text(expected)} or later",
        found=time_text(found),
        hint="set the clock, then try again",
    )


def problem_of(error: HauberkError) -> str:
    """One line about an error, for lists."""
    return f"{error.message} ({error.found})" if error.found else error.message
