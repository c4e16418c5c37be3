"""Attacks on trees of code."""
