"""Seals secrets at rest (AES-256-GCM) and makes keyed hashes. Holds keys in memory only; never logs, never stores.

Every configured key is stretched with HKDF-SHA256 into one sealing key and one hashing key. The newest seals; any
opens. A token is ``v1.<key id>.<base64url(nonce + ciphertext)>``; the context is bound as associated data, so that a
token moved to another row does not open. Facts: RFC 5869 (HKDF), RFC 5116 section 5.2 (AES-GCM), NIST SP 800-38D
(96-bit random nonces).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

VERSION = "v1"
NONCE_BYTES = 12


class CannotOpen(Exception):
    """The token was made with a key that is not configured any more, for another context, or is damaged."""


class Vault:
    """Seals and opens with a ring of keys, newest first. ``keyed_hash`` uses the oldest, so that it is stable while
    keys are added in front; dropping the oldest key forgets what was hashed."""

    def __init__(self, keys: tuple[str, ...]) -> None:
        if not keys or not all(keys):
            raise ValueError("a vault needs at least one key, and none may be empty")
        self._ring = {_derive(key, "id").hex()[:8]: AESGCM(_derive(key, "seal")) for key in keys}
        self._newest = _derive(keys[0], "id").hex()[:8]
        self._hash_key = _derive(keys[-1], "hash")

    def seal(self, text: str, *, context: str) -> str:
        """Encrypt ``text`` for ``context`` (what and whose it is, such as ``account:3``)."""
        nonce = os.urandom(NONCE_BYTES)
        sealed = self._ring[self._newest].encrypt(nonce, text.encode(), context.encode())
        return f"{VERSION}.{self._newest}.{base64.urlsafe_b64encode(nonce + sealed).decode()}"

    def open(self, token: str, *, context: str) -> str:
        """Decrypt what ``seal`` made for the same context. Raises CannotOpen."""
        version, _, rest = token.partition(".")
        key_id, _, payload = rest.partition(".")
        if version != VERSION or key_id not in self._ring:
            raise CannotOpen("sealed with a key that is not configured (CRM_SYNC_SECRET_KEY)")
        try:
            raw = base64.urlsafe_b64decode(payload.encode())
            return self._ring[key_id].decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], context.encode()).decode()
        except (InvalidTag, binascii.Error, ValueError) as error:
            raise CannotOpen("damaged, or sealed for another purpose") from error

    def needs_rotation(self, token: str) -> bool:
        """Whether the token was sealed with another key than the newest."""
        return not token.startswith(f"{VERSION}.{self._newest}.")

    def keyed_hash(self, text: str) -> str:
        """HMAC-SHA256 in hex: tells whether two texts are equal without keeping either."""
        return hmac.new(self._hash_key, text.encode(), hashlib.sha256).hexdigest()


def _derive(key: str, purpose: str) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=f"crm-sync/{purpose}".encode()).derive(key.encode())
