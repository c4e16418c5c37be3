"""Experiment and development: version, train, validate, repository and pipeline."""
