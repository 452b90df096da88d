"""``python -m tests.corpus OUT --items N --seed S`` writes a labelled corpus for ``crm-sync evaluate``."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from tests.corpus.write import write

parser = argparse.ArgumentParser(prog="python -m tests.corpus", description=__doc__)
parser.add_argument("out", type=Path)
parser.add_argument("--items", type=int, default=10_000)
parser.add_argument("--seed", type=int, default=1)
given = parser.parse_args()
print(json.dumps(write(given.out, given.items, given.seed)))
