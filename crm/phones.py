"""Phone numbers: as written, and in E.164 where they can be read (the phonenumbers library, offline). Calls
nobody."""

from __future__ import annotations

import phonenumbers

RAW_MAX = 64


def e164(raw: str, region: str = "") -> str | None:
    """The number in E.164, or None where it can't be read. ``region`` (ISO 3166) is the country of numbers written
    without one."""
    try:
        number = phonenumbers.parse(raw[:RAW_MAX], region or None)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number):
        return None
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))
