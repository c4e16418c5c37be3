"""Controls of pipeline runs."""
