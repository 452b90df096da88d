"""``python -m tests.emulators.microsoft --port 0 [--tls-dir DIR]``: serve until interrupted.

Prints one JSON line: the origin (authority and Graph base alike) and the CA bundle to trust.
"""

from __future__ import annotations

import argparse
import json
import signal
import threading
from pathlib import Path

from tests.emulators.microsoft.server import Server


def main() -> None:
    """Start, tell where, wait for SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m tests.emulators.microsoft")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--tls-dir", type=Path, default=None, help="where ca.pem is written (default: temporary)")
    options = parser.parse_args()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with Server(port=options.port, tls_dir=options.tls_dir) as server:
        held = {"origin": server.origin, "ca_bundle": server.ca_bundle, "client_id": server.identity.client_id}
        print(json.dumps({**held, "client_secret": server.identity.client_secret}), flush=True)
        stop.wait()


if __name__ == "__main__":
    main()
