"""Makes the training program's modules importable, as they are when train.py runs."""

import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "functions" / "train"))
