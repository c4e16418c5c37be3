"""Attacks on data sets."""
