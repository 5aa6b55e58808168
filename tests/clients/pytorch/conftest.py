"""Small models that the tests of clients.pytorch share, as fixtures would be in the way of subclassing."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))
