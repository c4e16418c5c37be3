"""Attacks, by what they change; only the range loads them."""
