"""``python -m tests.emulators.google --port 0``: prints one JSON line with the addresses, then serves until stopped."""

from __future__ import annotations

import argparse
import json

from tests.emulators.google.server import Server


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--tls-cert", help="PEM file; with --tls-key the server speaks TLS")
    parser.add_argument("--tls-key")
    given = parser.parse_args()
    tls = (given.tls_cert, given.tls_key) if given.tls_cert else None
    server = Server(port=given.port, tls=tls)
    print(json.dumps({"port": server.port, "url": server.url, "settings": server.settings()}), flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
