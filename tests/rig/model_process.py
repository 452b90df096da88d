"""A model server of a provider as a process of its own, spoken to over its control endpoint alone: as anybody's
server would be."""

from __future__ import annotations

import json
import ssl
import subprocess
import sys
import urllib.request
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from tests.rig.cli import ROOT


@dataclass
class ModelProcess:
    """``with ModelProcess("google") as model``: ``told`` is the line it prints at its start."""

    name: str
    told: dict[str, Any] = field(default_factory=dict)

    def __enter__(self) -> ModelProcess:
        self._process = subprocess.Popen(
            [sys.executable, "-m", f"tests.emulators.{self.name}", "--port", "0"], cwd=ROOT, stdout=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert self._process.stdout is not None
        self.told = json.loads(self._process.stdout.readline())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait(10)
        if self._process.stdout is not None:
            self._process.stdout.close()

    def control(self, verb: str, **given: Any) -> Any:
        """Order something of the model."""
        base = self.told.get("url") or self.told["origin"]
        trust = ssl.create_default_context(cafile=self.told["ca_bundle"]) if "ca_bundle" in self.told else None
        request = urllib.request.Request(
            f"{base}/control/{verb}", json.dumps(given).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30, context=trust) as answer:
            return json.loads(answer.read() or b"{}")

    def environ(self) -> dict[str, str]:
        """The settings of contract.md that point at it."""
        if self.name == "google":
            return {f"CRM_SYNC_{k.upper()}": v for k, v in self.told["settings"].items() if v}
        return {
            "CRM_SYNC_GRAPH_ENDPOINT": self.told["origin"], "CRM_SYNC_MICROSOFT_AUTHORITY": self.told["origin"],
            "CRM_SYNC_MICROSOFT_CLIENT_ID": self.told["client_id"], "CRM_SYNC_MICROSOFT_TENANT": "common",
            "CRM_SYNC_MICROSOFT_CLIENT_SECRET": self.told["client_secret"],
            "CRM_SYNC_CA_BUNDLE": self.told["ca_bundle"],
        }  # fmt: skip
