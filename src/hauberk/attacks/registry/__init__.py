"""Attacks on registries and sources."""
