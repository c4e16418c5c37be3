"""Controls that judge requests to a served model and its answers."""
