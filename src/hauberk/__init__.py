"""Security of machine-learning lifecycles: isolated, checked, signed, attested, attacked."""

from __future__ import annotations

__version__ = "0.1.0"
__all__ = ["__version__", "load", "scan_model"]

_HOMES = {"load": "hauberk.lifecycle.loading", "scan_model": "hauberk.engine.load_gate"}


def __getattr__(name: str) -> object:
    """Import what is asked for, and nothing before (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'hauberk' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
