"""All calendar corpora: nothing unhandled, no expansion past its limit, agreement with the expected instances.

The disagreements are listed below with what is behind each; a file that agrees must not be on the list.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from connectors.calendar import Occurrence, ParsedCalendar, expand, parse_calendar
from connectors.errors import BadItem
from connectors.types import CalendarEvent

CORPORA = Path(__file__).parents[3] / "shared" / "corpora" / "calendar"
FOLDERS = ("allenporter-ical", "calcard", "collective-icalendar", "ical-js", "ical4j-samples", "node-ical")
GOLD = CORPORA / "calcard" / "resources" / "ical"
LIMIT = 60
YEAR_2000, YEAR_2027 = datetime(2000, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)

# calcard's expectations take Auckland for floating times, and end at about a hundred instances a file.
FLOATING = ZoneInfo("Pacific/Auckland")
ENOUGH = 90
FROM, TO = datetime(1970, 1, 3, tzinfo=UTC), datetime(2035, 1, 1, tzinfo=UTC)

_RULES = "the VTIMEZONE's own rules are followed here; calcard takes a TZID it does not know for floating"
_WR_ZONE = "floating times are in the calendar's X-WR-TIMEZONE here"
_DATE_ZONE = "VALUE=DATE is a whole day here, though it carries a TZID"
_UNTIL = "an UNTIL that equals an instance includes it (RFC 5545 3.3.10)"
_FIRST = "DTSTART is the first instance even where its rule does not give it (RFC 5545 3.8.5.3)"
_OVERRIDE = "an overridden instance is not also kept at its old time"
_NO_START = "an event without a readable DTSTART is named as a problem"
_SAME_UID = "events of one UID are versions of one series, the newest holds"
EXPLAINED = {
    "010": _RULES, "018": _UNTIL, "019": _UNTIL, "022": _DATE_ZONE, "023": _WR_ZONE,
    "031": _WR_ZONE, "035": _DATE_ZONE, "041": _RULES, "044": _OVERRIDE, "047": _UNTIL, "051": _RULES,
    "054": "an EXDATE in UTC takes the floating instance of that wall time", "065": _NO_START,
    "080": _RULES, "088": _RULES, "089": _RULES, "102": _RULES,
    "108": "a component with a RECURRENCE-ID and no DTSTART tells no time", "109": _RULES, "111": _RULES,
    "117": "RSCALE: only the Gregorian calendar is known; the rest is reported as truncated",
    "128": _UNTIL, "148": "the last event is cut, and named so", "162": _DATE_ZONE, "181": _FIRST,
    "211": _NO_START, "213": _SAME_UID, "217": _SAME_UID, "219": _DATE_ZONE, "220": _NO_START, "221": _DATE_ZONE,
    "222": "properties folded before the colon keep their Z here", "255": "every RRULE of an event counts",
    "259": _OVERRIDE, "261": _RULES, "298": "a wall time that comes twice is the first (RFC 5545 3.3.5)",
}  # fmt: skip


@pytest.mark.timeout(300)
@pytest.mark.parametrize("folder", FOLDERS)
def test_every_corpus_file_is_read_or_refused_by_name_and_expands_within_its_limit(folder: str) -> None:
    files = sorted(_corpus(folder).rglob("*.ics"))
    assert files
    for file in files:
        parsed = _parsed(file.read_bytes())
        for events in _series(parsed).values():
            found = expand(events, start=YEAR_2000, end=YEAR_2027, limit=LIMIT, steps=5_000)
            assert len(found.instances) <= LIMIT, file
            assert all(one.start <= one.end for one in found.instances), file


def test_no_event_of_a_corpus_file_is_lost_silently() -> None:
    """Each VEVENT is an event or a problem. Counted where BEGIN lines can be counted: whole, unfolded files."""
    for file in sorted(_corpus("ical4j-samples").rglob("valid/*.ics")):
        content = file.read_bytes()
        parsed = _parsed(content)
        count = len(re.findall(rb"(?mi)^BEGIN:VEVENT\s*$", content))
        assert count == len(parsed.events) + len(parsed.problems), file


@pytest.mark.timeout(300)
def test_instances_agree_with_what_calcard_expects_and_each_disagreement_is_explained(
    record_property: Callable[[str, object], None],
) -> None:
    files = sorted(_corpus("calcard").rglob("*.json"))
    differing = {file.stem for file in files if not _agrees(file)}
    record_property("agreement", f"{len(files) - len(differing)} of {len(files)}")
    assert differing - set(EXPLAINED) == set(), "unexplained"
    assert set(EXPLAINED) - differing == set(), "explained, but they agree"


def _agrees(expected: Path) -> bool:
    ics = expected.with_suffix(".ics").read_bytes()
    kinds = [kind.upper() for kind in re.findall(rb"(?mi)^BEGIN:(\S+)", ics)]
    events = _expected(expected.read_text())
    whole = len(events) < ENOUGH
    one_calendar = kinds.count(b"VCALENDAR") == 1
    wanted = {
        start
        for component, start in events
        if FROM <= start < TO and not (one_calendar and component < len(kinds) and kinds[component] != b"VEVENT")
    }
    end = TO if whole else max(wanted, default=FROM)
    found = {
        start
        for series in _series(_parsed(ics)).values()
        for one in expand(series, start=FROM, end=end + timedelta(days=2), limit=150, floating=FLOATING.key).instances
        if FROM <= (start := _local(one)) < TO
    }
    return wanted == found if whole else wanted <= found


def _expected(text: str) -> list[tuple[int, datetime]]:
    """(component number, start); a file holds a JSON object for each calendar."""
    decoder, at, events = json.JSONDecoder(), 0, []
    text = text.strip()
    while at < len(text):
        found, end = decoder.raw_decode(text, at)
        events += found["events"]
        at = end + len(text[end:]) - len(text[end:].lstrip())
    return [(event["comp_id"], datetime.fromisoformat(event["start"]).astimezone(UTC)) for event in events]


def _local(one: Occurrence) -> datetime:
    """calcard starts whole days at midnight of its local zone."""
    return datetime.combine(one.start.date(), time(), FLOATING).astimezone(UTC) if one.all_day else one.start


def _series(parsed: ParsedCalendar) -> dict[str, list[CalendarEvent]]:
    series = defaultdict(list)
    for event in parsed.events:
        series[event.uid].append(event)
    return series


def _parsed(ics: bytes) -> ParsedCalendar:
    try:
        return parse_calendar(ics)
    except BadItem as problem:
        return ParsedCalendar((), problems=(problem,))


def _corpus(folder: str) -> Path:
    if not (CORPORA / folder).is_dir():
        pytest.skip(f"the calendar corpora are not there ({CORPORA})")
    return CORPORA / folder
