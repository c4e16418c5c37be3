"""What can be wrong with a log."""
