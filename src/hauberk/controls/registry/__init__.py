"""Controls that look at registries and what they name."""
