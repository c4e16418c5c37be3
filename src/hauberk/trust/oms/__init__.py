"""OpenSSF Model Signing: signatures over every file of a model, read and written by us."""
