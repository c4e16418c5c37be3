"""Versions of data sets: cheap to keep, signed, chained, and able to say what changed where."""
