"""Hosts that people type are checked before we connect: private, loopback and link-local addresses are refused unless
the setting allows them, so that a connect form cannot be used to probe the inside of a network (SSRF)."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from connectors.errors import NeedsPerson


def check(config: Mapping[str, Any], *, allow_private: bool) -> None:
    """Look at ``host``, ``url`` and ``caldav_url``. Raises NeedsPerson with one sentence."""
    for value in (config.get("host"), config.get("url"), config.get("caldav_url")):
        if value:
            _check_host(_host(str(value)), allow_private)


def _host(value: str) -> str:
    return (urlsplit(value).hostname or "") if "://" in value else value


def _check_host(host: str, allow_private: bool) -> None:
    if not host:
        raise NeedsPerson("The server name is empty. Enter the name of the mail server.", code="no_host")
    if allow_private:
        return
    try:
        found = {info[4][0] for info in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
    except (socket.gaierror, UnicodeError):
        return  # the connector says it better, with the name it tried
    for address in found:
        if not ipaddress.ip_address(str(address).partition("%")[0]).is_global:
            raise NeedsPerson(
                f"{host} is on a private network. An administrator can allow that with CRM_SYNC_ALLOW_PRIVATE_HOSTS=1.",
                code="private_host",
            )
