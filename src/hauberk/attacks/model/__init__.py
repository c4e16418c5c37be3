"""Attacks on model files and on what is reported about models."""
