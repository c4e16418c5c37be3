"""Attacks through the interface of a served model."""
