"""Controls over trees of code."""
