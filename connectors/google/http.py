"""The one HTTP transport of a Google connector: bounded in time and size, one per thread, never following redirects.

It speaks httplib2's ``request`` so that google-api-python-client can send through it, over ``requests`` because that
bounds a body while it streams. Knows no quota and no meaning of answers. httplib2 itself is not thread-safe
(google-api-python-client docs, thread_safety); nor is this: one per connector.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from typing import Any

import certifi
import httplib2
import requests
from requests.adapters import HTTPAdapter

from connectors.errors import BadItem, TryLater

TIMEOUT = (10.0, 60.0)
"""Seconds to connect, and between two reads."""

MAX_BODY = 256 * 1024 * 1024
"""Bytes of one answer: a batch of 50 mails with their text parts, far above what is usual."""


class _Adapter(HTTPAdapter):
    """Trusts certifi's authorities and one more bundle."""

    def __init__(self, bundle: str) -> None:
        self.context = ssl.create_default_context()
        self.context.load_verify_locations(certifi.where())
        self.context.load_verify_locations(bundle)
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        kwargs["ssl_context"] = self.context
        super().init_poolmanager(*args, **kwargs)

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """The context says whom to trust; requests would put certifi's bundle in its place."""


class _Bearer(requests.auth.AuthBase):
    """Sets the token, and keeps requests from taking one out of ~/.netrc."""

    def __init__(self, token: str) -> None:
        self.token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self.token:
            request.headers["Authorization"] = f"Bearer {self.token}"
        return request


class Transport:
    """``token(force)`` gives the access token to send, a fresh one when forced; "" sends none."""

    def __init__(self, settings: Mapping[str, Any], token: Callable[[bool], str] | None = None) -> None:
        self._token = token or (lambda _: "")
        self._session = requests.Session()
        self.bytes_in = 0
        bundle = settings.get("ca_bundle")
        if bundle:
            self._session.mount("https://", _Adapter(str(bundle)))

    def request(
        self,
        uri: str,
        method: str = "GET",
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        redirections: int = 0,
        connection_type: Any = None,
    ) -> tuple[httplib2.Response, bytes]:
        """Send, and once more with a forced fresh token when the answer is 401. Raises TryLater, BadItem (too large).

        ``redirections`` and ``connection_type`` are httplib2's, unused: a redirect could carry the token elsewhere.
        """
        answer, content = self._send(uri, method, body, headers, self._token(False))
        if answer.status == 401 and (fresh := self._token(True)):
            answer, content = self._send(uri, method, body, headers, fresh)
        return answer, content

    def _send(
        self, uri: str, method: str, body: Any, headers: Mapping[str, str] | None, token: str
    ) -> tuple[httplib2.Response, bytes]:
        try:
            with self._session.request(
                method, uri, data=body, headers=dict(headers or {}), auth=_Bearer(token),
                timeout=TIMEOUT, allow_redirects=False, stream=True,
            ) as found:  # fmt: skip
                content = self._read(found)
        except requests.exceptions.SSLError as error:
            raise TryLater("Google's server could not prove who it is (TLS).", code="tls") from error
        except (requests.exceptions.RequestException, OSError) as error:
            raise TryLater("Google could not be reached, or broke off its answer.", code="unreachable") from error
        fields = {name.lower(): value for name, value in found.headers.items()}
        fields["status"] = str(found.status_code)
        answer = httplib2.Response(fields)
        answer.reason = found.reason
        return answer, content

    def _read(self, found: requests.Response) -> bytes:
        chunks: list[bytes] = []
        size = 0
        for chunk in found.iter_content(256 * 1024):
            size += len(chunk)
            if size > MAX_BODY:
                raise BadItem("Google's answer is larger than this service takes.", code="too_large")
            chunks.append(chunk)
        self.bytes_in += size
        return b"".join(chunks)

    def renew(self) -> None:
        """Get a fresh token although the present one seems good. Raises like the token's source."""
        self._token(True)

    def close(self) -> None:
        """Give the connections back."""
        self._session.close()
