"""Makes the training program's modules importable, as they are when train.py runs."""

import os
import sys
from pathlib import Path

# Tests run beside each other, and threads that wait for a core by spinning make each of them many times slower.
os.environ["OMP_NUM_THREADS"] = "1"

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "functions" / "train"))
