"""The vault: sealing, rotation, context, keyed hashes."""

from __future__ import annotations

import pytest

from crm.vault import CannotOpen, Vault

OLD, NEW = "old key of sixteen+", "new key of sixteen+"


def test_what_is_sealed_opens_again_and_never_looks_the_same_twice() -> None:
    vault = Vault((NEW,))
    first, second = (vault.seal("pässword", context="account:1") for _ in range(2))
    assert first != second
    assert "pässword" not in first
    assert vault.open(first, context="account:1") == vault.open(second, context="account:1") == "pässword"


def test_a_token_does_not_open_for_another_row() -> None:
    vault = Vault((NEW,))
    with pytest.raises(CannotOpen):
        vault.open(vault.seal("x", context="account:1"), context="account:2")


def test_old_tokens_open_after_a_rotation_and_say_that_they_are_old() -> None:
    token = Vault((OLD,)).seal("x", context="c")
    both = Vault((NEW, OLD))
    assert both.open(token, context="c") == "x"
    assert both.needs_rotation(token)
    assert not both.needs_rotation(both.seal("x", context="c"))


def test_a_token_of_a_key_that_is_gone_or_damaged_is_refused() -> None:
    token = Vault((OLD,)).seal("x", context="c")
    for vault, text in (
        (Vault((NEW,)), token),
        (Vault((OLD,)), token[:-4] + "AAAA"),
        (Vault((OLD,)), "v1.zz"),
        (Vault((OLD,)), ""),
    ):
        with pytest.raises(CannotOpen):
            vault.open(text, context="c")


def test_a_keyed_hash_is_stable_under_rotation_and_needs_the_key() -> None:
    assert Vault((NEW, OLD)).keyed_hash("a") == Vault((OLD,)).keyed_hash("a")
    assert Vault((NEW,)).keyed_hash("a") != Vault((OLD,)).keyed_hash("a")


def test_a_vault_without_keys_is_refused() -> None:
    for keys in ((), ("",)):
        with pytest.raises(ValueError, match="key"):
            Vault(keys)
