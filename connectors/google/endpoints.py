"""Where the Google APIs are: the client objects built from the shipped discovery documents, hosts replaced by settings.

``build_from_document`` gets a document whose ``rootUrl`` is ours, because ``api_endpoint`` alone would leave the batch
address and the Calendar service path at Google (google-api-python-client 2.202). Never fetches a discovery document.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from googleapiclient import discovery, discovery_cache

AUTH_URL = "https://accounts.google.com/o/oauth2/v2/auth"
TOKEN_URL = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address
REVOKE_URL = "https://oauth2.googleapis.com/revoke"
CERTS_URL = "https://www.googleapis.com/oauth2/v1/certs"

VERSIONS = {"gmail": "v1", "calendar": "v3", "admin": "directory_v1"}


def document(settings: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The discovery document of ``name`` ("gmail", "calendar", "admin"), hosts replaced by ``google_endpoint``."""
    cache: Any = discovery_cache
    text = cache.get_static_doc(name, VERSIONS[name])
    found: dict[str, Any] = json.loads(text or "{}")
    endpoint = str(settings.get("google_endpoint") or "").rstrip("/")
    if endpoint:
        found["rootUrl"] = endpoint + "/"
        found["baseUrl"] = endpoint + "/" + found["servicePath"]
        found.pop("mtlsRootUrl", None)
    return found


def service(settings: Mapping[str, Any], name: str, http: Any) -> Any:
    """A client for ``name`` that sends through ``http`` (anything with httplib2's ``request``).

    The endpoint may carry a path, so the base is given whole (urljoin would drop nothing: it ends with a slash)."""
    build: Any = getattr(discovery, "build_from_document")  # noqa: B009 - the stubs leave it out
    return build(document(settings, name), http=http)


def batch_url(settings: Mapping[str, Any]) -> str:
    """The address that takes batches of Gmail calls."""
    found = document(settings, "gmail")
    return str(found["rootUrl"]) + str(found.get("batchPath") or "batch")


def token_url(settings: Mapping[str, Any]) -> str:
    """Where codes and refresh tokens are exchanged."""
    return str(settings.get("google_token_url") or TOKEN_URL)


def auth_url(settings: Mapping[str, Any]) -> str:
    """Where a person consents."""
    return str(settings.get("google_auth_url") or AUTH_URL)


def revoke_url(settings: Mapping[str, Any]) -> str:
    """Where a token is revoked: Google's own, or beside a local token endpoint (``.../token`` -> ``.../revoke``)."""
    given = settings.get("google_token_url")
    return str(given).rsplit("/", 1)[0] + "/revoke" if given else REVOKE_URL
