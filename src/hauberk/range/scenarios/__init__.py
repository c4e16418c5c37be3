"""Scenarios, one module per threat; found by file name, imported when the threat is run."""
