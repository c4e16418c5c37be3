"""The door of a served model: verified bundles behind a strict, bounded HTTP interface.

`bundle` is what is served, `app` the ASGI application, `server` runs it, `smoke` asks a
bundle a few questions and stops.
"""
