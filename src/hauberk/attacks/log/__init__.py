"""What can be done to a log."""
