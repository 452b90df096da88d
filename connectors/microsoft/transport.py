"""HTTP sessions for Microsoft's endpoints: every wait bounded, our own CA trusted beside the system's.

Never follows a redirect with a token in hand and never reads proxies or CA bundles from the environment when a CA
bundle is configured (requests lets ``REQUESTS_CA_BUNDLE`` win over what the session says).
Source: requests' advanced usage page, urllib3's ``ssl_wrap_socket``.
"""

from __future__ import annotations

import os
import ssl
from functools import lru_cache
from typing import Any, TypeVar

import certifi
import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase

from connectors.errors import TryLater

CONNECT_SECONDS = 10.0
READ_SECONDS = 90.0
POOL = 4
MAX_WAIT = 3600.0
_Session = TypeVar("_Session", bound=requests.Session)


class TimedSession(requests.Session):
    """A session none of whose requests can wait for ever."""

    def request(self, *args: Any, **kwargs: Any) -> requests.Response:
        """As ``requests.Session.request``, with default timeouts and without redirects."""
        if kwargs.get("timeout") is None:
            kwargs["timeout"] = (CONNECT_SECONDS, READ_SECONDS)
        kwargs["allow_redirects"] = False
        return super().request(*args, **kwargs)


class SignInSession(TimedSession):
    """For the sign-in service, through msal, which does not tell the status of what it returns: 429 and 5xx end the
    attempt here, whatever their body says."""

    def request(self, *args: Any, **kwargs: Any) -> requests.Response:
        """As ``TimedSession.request``. Raises TryLater on 429 and 5xx."""
        response = super().request(*args, **kwargs)
        if response.status_code == 429 or response.status_code >= 500:
            asked = response.headers.get("Retry-After", "")
            raise TryLater(
                "Microsoft's sign-in service is unavailable for the moment.",
                retry_after=min(float(asked), MAX_WAIT) if asked.isdigit() else None,
                code=f"identity_{response.status_code}",
            )
        return response


class Bearer(AuthBase):
    """Sets the token. As ``auth`` and not as a header, which requests would let ``~/.netrc`` overrule."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Called by requests with each request."""
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def distrusted(error: Exception) -> bool:
    """Whether a failure is a certificate that is not trusted: nothing that waiting would mend."""
    return isinstance(error, requests.exceptions.SSLError) and "CERTIFICATE_VERIFY_FAILED" in str(error)


@lru_cache(maxsize=8)
def _trust(ca_bundle: str, changed: int) -> ssl.SSLContext:
    """The system's certificates, certifi's and those of one PEM file; ``changed`` is the file's time of change, so
    that a replaced file is read anew. Made once: loading a hundred certificates takes longer than a handshake."""
    del changed
    context = ssl.create_default_context(cafile=certifi.where())
    context.load_default_certs()
    context.load_verify_locations(ca_bundle)
    return context


class _TrustingAdapter(HTTPAdapter):
    """Adds the certificates of one PEM file to those of the system."""

    def __init__(self, ca_bundle: str) -> None:
        self._context = _trust(ca_bundle, os.stat(ca_bundle).st_mtime_ns)
        super().__init__(pool_maxsize=POOL)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Called by requests when it builds the pool: hand our context over."""
        kwargs["ssl_context"] = self._context
        super().init_poolmanager(*args, **kwargs)

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Called by requests for each connection: always verify, with what the context already trusts."""
        del url, verify, cert
        conn.cert_reqs, conn.ca_certs, conn.ca_cert_dir = "CERT_REQUIRED", None, None


def session(ca_bundle: str | None) -> TimedSession:
    """A new session; ``ca_bundle`` is a PEM file to trust beside the system's, or None. Raises OSError when the file
    cannot be read."""
    return _trusting(TimedSession(), ca_bundle)


def sign_in_session(ca_bundle: str | None) -> SignInSession:
    """The same for the sign-in service."""
    return _trusting(SignInSession(), ca_bundle)


def _trusting(made: _Session, ca_bundle: str | None) -> _Session:
    if ca_bundle:
        made.trust_env = False
        made.mount("https://", _TrustingAdapter(ca_bundle))
    return made
