# What the package offers by its own name, for type checkers; see ``__init__.py``.

from hauberk.engine.load_gate import scan_model as scan_model
from hauberk.lifecycle.loading import load as load

__version__: str
