"""Production: metadata, export, registry, serving, monitoring, inputs and outputs."""
