"""Security of machine-learning lifecycles: isolated, checked, signed, attested, attacked."""

__version__ = "0.1.0"
