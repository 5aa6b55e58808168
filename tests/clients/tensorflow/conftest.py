"""A small project that the tests of clients.tensorflow share."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))
