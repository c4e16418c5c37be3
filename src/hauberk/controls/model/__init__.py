"""Controls over model files and evaluations."""
