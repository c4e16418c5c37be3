"""``python -m hauberk.cli``."""

import sys

from hauberk.cli import main

sys.exit(main())
