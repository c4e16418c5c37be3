"""Code that runs in isolated workers only: it loads models that others wrote.

Nothing here is imported by the process that holds the run; it is named by its dotted path
and speaks bytes. Loading a pickled model runs whatever its author chose, which is why a
worker has no network, no key, and can write nothing but its answer.
"""
