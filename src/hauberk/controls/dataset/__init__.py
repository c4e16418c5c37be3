"""Controls of data sets."""
