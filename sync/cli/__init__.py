"""The ``crm-sync`` command: contract.md's command line. Each module here holds the commands of one noun.

Every command takes ``--json``: then stdout carries one JSON object and nothing else; progress and logs go to stderr.
Exit 0 done, 1 failed, 2 usage, 3 done with items quarantined.
"""

from __future__ import annotations

from sync.cli import accounts, admin, data, log, people, running
from sync.cli.root import main

__all__ = ["main"]

for module in (accounts, admin, data, log, people, running):
    module.register(main)
