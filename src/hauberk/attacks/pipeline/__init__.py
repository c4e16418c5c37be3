"""Attacks on pipeline runs."""
