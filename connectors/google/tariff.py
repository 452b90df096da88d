"""What each Gmail call costs in quota units, by the table in force for projects made since 1 May 2026.

Source: developers.google.com/workspace/gmail/api/reference/quota. Calendar has no units: its quota counts
requests (600 a minute and user, 10,000 a minute and project), so its calls cost nothing here and take one from
buckets of their own.
"""

from __future__ import annotations

UNITS: dict[str, int] = {
    "getProfile": 1,
    "labels.list": 1,
    "settings.sendAs.list": 1,
    "history.list": 2,
    "messages.list": 5,
    "messages.get": 20,
    "messages.attachments.get": 20,
    "watch": 100,
    "stop": 50,
}

PER_USER_MINUTE = 6_000
"""Gmail units a user may spend in a minute in a project made since May 2026 (older projects: 15,000)."""

PER_PROJECT_MINUTE = 1_200_000

CALENDAR_PER_USER_MINUTE = 600
CALENDAR_PER_PROJECT_MINUTE = 10_000
