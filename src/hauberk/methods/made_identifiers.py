"""Made-up identifiers of people, valid by their form and check digits."""

from __future__ import annotations

from random import Random


def email(rng: Random) -> str:
    """An address under a name that is reserved for examples."""
    first, last = rng.choice("ann bo cleo dana eve".split()), rng.choice("li roe kim ray".split())  # noqa: SIM905 - words
    return f"{first}.{last}{rng.randrange(10**6)}@{rng.choice(['mail', 'post'])}.example"


def us_ssn(rng: Random) -> str:
    """A social security number of the United States."""
    return f"{rng.randint(1, 665):03}-{rng.randint(1, 99):02}-{rng.randint(1, 9999):04}"


def iban(rng: Random) -> str:
    """A German account number with its check digits (ISO 13616)."""
    body = f"{rng.randrange(10**18):018}"
    return f"DE{98 - int(body + '131400') % 97:02}{body}"


def card(rng: Random) -> str:
    """A card number with its check digit."""
    digits = [4, *(rng.randrange(10) for _ in range(14))]
    doubled = [d * 2 - 9 * (d > 4) if i % 2 == 0 else d for i, d in enumerate(digits)]  # noqa: PLR2004 - Luhn
    return "".join(map(str, [*digits, -sum(doubled) % 10]))


def phone(rng: Random) -> str:
    """A number of London."""
    return f"+44 20 {rng.randint(1000, 9999)} {rng.randint(1000, 9999)}"
