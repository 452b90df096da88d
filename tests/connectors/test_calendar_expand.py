"""Expanding series: clocks, exceptions, moved instances, and rules that would never end."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from dateutil.rrule import rrulestr

from connectors.calendar import Expansion, expand
from connectors.types import CalendarEvent

BERLIN = ZoneInfo("Europe/Berlin")
YEAR: dict[str, Any] = {"start": datetime(2026, 1, 1, tzinfo=UTC), "end": datetime(2027, 1, 1, tzinfo=UTC)}
_SETS = ",".join(map(str, range(60)))
_DAYS = ",".join(map(str, range(1, 366)))
OLD_RULES = [
    "MONTHLY",
    "YEARLY",
    "WEEKLY",
    "MONTHLY;INTERVAL=5",
    "YEARLY;INTERVAL=3",
    "WEEKLY;INTERVAL=3",
    "DAILY;INTERVAL=17",
    "MONTHLY;BYDAY=2TU;INTERVAL=7",
    "YEARLY;BYDAY=-1SU;BYMONTH=10;INTERVAL=2",
    "HOURLY;INTERVAL=1001",
    "YEARLY;BYDAY=20MO",
    "MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1",
    "YEARLY;BYWEEKNO=20;BYDAY=MO",
]
HOSTILE_RULES = f"""FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30 FREQ=MONTHLY;BYMONTH=2;BYMONTHDAY=30
    FREQ=WEEKLY;BYMONTH=2;BYMONTHDAY=30 FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30 FREQ=HOURLY;BYMONTH=2;BYMONTHDAY=30
    FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30 FREQ=SECONDLY;BYSECOND=7;BYMINUTE=3;BYHOUR=2;BYMONTHDAY=31;BYMONTH=2
    FREQ=SECONDLY FREQ=MINUTELY;COUNT=1000000000 FREQ=YEARLY;BYHOUR=0,1,2,3;BYMINUTE={_SETS};BYSECOND={_SETS}
    FREQ=YEARLY;BYSETPOS={_DAYS} FREQ=HOURLY;BYMINUTE={_SETS};BYSECOND=0,1,2;BYSETPOS=-1;BYMONTH=2;BYMONTHDAY=30
    FREQ=NEVER RUBBISH FREQ=DAILY;BYDAY=XX FREQ=YEARLY;RSCALE=CHINESE""".split()


def test_a_weekly_meeting_at_nine_stays_at_nine_over_the_change_of_clocks() -> None:
    found = year(series("FREQ=WEEKLY;COUNT=3", datetime(2026, 3, 23, 9, tzinfo=BERLIN)))
    assert [one.start.hour for one in found.instances] == [8, 7, 7]
    assert [one.recurrence_id for one in found.instances] == [one.start for one in found.instances]


def test_a_time_the_clocks_skip_comes_an_hour_later_and_one_that_comes_twice_is_the_first() -> None:
    skipped = year(series("FREQ=DAILY;COUNT=2", datetime(2026, 3, 28, 2, 30, tzinfo=BERLIN)))
    assert skipped.instances[1].start == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    twice = year(series("FREQ=DAILY;COUNT=2", datetime(2026, 10, 24, 2, 30, tzinfo=BERLIN)))
    assert twice.instances[1].start == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


def test_a_series_read_back_from_storage_in_utc_keeps_its_zone() -> None:
    stored = series("FREQ=WEEKLY;COUNT=3", datetime(2026, 3, 23, 8, tzinfo=UTC), zone="Europe/Berlin")
    assert [one.start.hour for one in year(stored).instances] == [8, 7, 7]


def test_a_single_event_has_no_recurrence_id() -> None:
    (one,) = year(event(datetime(2026, 3, 4, 9, tzinfo=UTC))).instances
    assert one.recurrence_id is None and one.end - one.start == timedelta(hours=1)


def test_all_day_instances_are_named_by_their_dates() -> None:
    found = year(series("FREQ=YEARLY", date(2020, 2, 29)), series("", date(2020, 3, 1)))
    assert found.instances == ()
    found = year(series("FREQ=WEEKLY;COUNT=2", date(2026, 3, 4)))
    assert [(one.recurrence_id, one.all_day) for one in found.instances] == [
        (date(2026, 3, 4), True),
        (date(2026, 3, 11), True),
    ]


def test_a_moved_instance_keeps_its_identity_and_a_cancelled_one_says_so() -> None:
    start = datetime(2026, 3, 2, 9, tzinfo=UTC)
    moved = event(datetime(2026, 3, 10, 15, tzinfo=UTC), recurrence_id=start + timedelta(days=7))
    gone = event(start + timedelta(days=14), recurrence_id=start + timedelta(days=14), status="cancelled")
    found = year(series("FREQ=WEEKLY;COUNT=4", start), moved, gone)
    assert [(one.start.day, one.cancelled) for one in found.instances] == [
        (2, False),
        (10, False),
        (16, True),
        (23, False),
    ]
    assert found.instances[1].recurrence_id == start + timedelta(days=7)


def test_an_instance_moved_into_the_window_from_outside_is_in_it_and_one_moved_out_is_not() -> None:
    start = datetime(2026, 3, 2, 9, tzinfo=UTC)
    master = series("FREQ=WEEKLY;COUNT=4", start)
    week: dict[str, Any] = {"start": datetime(2026, 3, 9, tzinfo=UTC), "end": datetime(2026, 3, 16, tzinfo=UTC)}
    into = event(datetime(2026, 3, 12, 9, tzinfo=UTC), recurrence_id=start + timedelta(days=21))
    out = event(datetime(2026, 4, 20, 9, tzinfo=UTC), recurrence_id=start + timedelta(days=7))
    found = expand([master, into, out], **week)
    assert [one.recurrence_id for one in found.instances] == [start + timedelta(days=21)]


def test_an_override_from_then_on_moves_all_later_instances() -> None:
    start = datetime(2026, 3, 2, 9, tzinfo=UTC)
    later = event(
        datetime(2026, 3, 17, 14, tzinfo=UTC),
        recurrence_id=start + timedelta(days=14),
        this_and_future=True,
        summary="New",
    )
    found = year(series("FREQ=WEEKLY;COUNT=4", start), later)
    assert [(one.start.day, one.start.hour, one.event.summary) for one in found.instances] == [
        (2, 9, ""),
        (9, 9, ""),
        (17, 14, "New"),
        (24, 14, "New"),
    ]
    assert found.instances[3].recurrence_id == start + timedelta(days=21)


def test_added_and_excluded_dates_count_also_when_written_as_days() -> None:
    start = datetime(2026, 3, 2, 9, tzinfo=BERLIN)
    master = series("FREQ=DAILY;COUNT=5", start, "RDATE:20260401T070000Z", "EXDATE;TZID=Europe/Berlin:20260303T090000",
                    "EXDATE;VALUE=DATE:20260305")  # fmt: skip
    assert [one.start.date().isoformat()[5:] for one in year(master).instances] == ["03-02", "03-04", "03-06", "04-01"]


def test_excluding_rules_take_out_what_they_give() -> None:
    master = series("FREQ=DAILY;COUNT=7", datetime(2026, 3, 2, 9, tzinfo=UTC), "EXRULE:FREQ=WEEKLY;BYDAY=SA,SU")
    assert len(year(master).instances) == 5


def test_an_override_whose_series_is_not_known_is_an_instance() -> None:
    start = datetime(2026, 3, 2, 9, tzinfo=UTC)
    (one,) = year(event(start, recurrence_id=start)).instances
    assert one.recurrence_id == start


def test_until_includes_an_instance_at_that_very_moment() -> None:
    master = series("FREQ=DAILY;UNTIL=20260304T080000Z", datetime(2026, 3, 2, 9, tzinfo=BERLIN))
    assert len(year(master).instances) == 3


def test_floating_times_are_named_alike_for_everyone_and_placed_by_the_zone_given() -> None:
    master = series("FREQ=DAILY;COUNT=2", datetime(2026, 7, 1, 9))
    here, there = (expand([master], **YEAR, floating=zone).instances for zone in ("Europe/Berlin", "America/New_York"))
    assert [one.recurrence_id for one in here] == [one.recurrence_id for one in there]
    assert [one.start.hour for one in (here[0], there[0])] == [7, 13]


def test_a_cancelled_series_is_cancelled_in_all_its_instances() -> None:
    master = series("FREQ=DAILY;COUNT=3", datetime(2026, 3, 2, 9, tzinfo=UTC), status="cancelled")
    assert [one.cancelled for one in year(master).instances] == [True, True, True]


@pytest.mark.parametrize("rule", OLD_RULES)
def test_an_old_series_gives_what_counting_from_its_start_gives(rule: str) -> None:
    start = datetime(1931, 1, 31, 9)
    expected = rrulestr(f"FREQ={rule}", dtstart=start).between(datetime(2026, 1, 1), datetime(2029, 1, 1))
    window: dict[str, Any] = {"start": datetime(2026, 1, 1, tzinfo=UTC), "end": datetime(2029, 1, 1, tzinfo=UTC)}
    found = expand([series(f"FREQ={rule}", start.replace(tzinfo=UTC))], **window)
    assert [one.start.replace(tzinfo=None) for one in found.instances] == expected


@pytest.mark.timeout(20)
@pytest.mark.parametrize("rule", HOSTILE_RULES)
def test_a_rule_without_end_or_sense_takes_the_limit_and_not_the_worker(rule: str) -> None:
    found = year(series(rule, datetime(2020, 1, 1, 9, tzinfo=UTC)), steps=20_000)
    assert found.truncated and len(found.instances) <= 2000


def test_at_most_the_limit_is_given_and_the_rest_reported() -> None:
    found = year(series("FREQ=DAILY", datetime(2001, 1, 1, 9, tzinfo=UTC)), limit=10)
    assert len(found.instances) == 10 and found.truncated
    assert not year(series("FREQ=DAILY;COUNT=3", datetime(2026, 1, 1, 9, tzinfo=UTC))).truncated


@pytest.mark.parametrize("start", [date(2, 1, 1), datetime(2, 1, 1, 9, tzinfo=UTC), date(9998, 12, 30)])
def test_the_ends_of_time_are_survived(start: date) -> None:
    window: dict[str, Any] = {"start": datetime(1, 1, 2, tzinfo=UTC), "end": datetime(9999, 12, 30, tzinfo=UTC)}
    assert len(expand([series("FREQ=DAILY", start)], **window, limit=50).instances) <= 50


def event(start: datetime | date, **more: Any) -> CalendarEvent:
    """An event of an hour, or a day."""
    length = timedelta(hours=1) if isinstance(start, datetime) else timedelta(days=1)
    return CalendarEvent(uid="u", start=start, end=start + length, **more)


def series(rule: str, start: datetime | date, *lines: str, **more: Any) -> CalendarEvent:
    """The master of a series; its zone is that of the start."""
    zone = getattr(getattr(start, "tzinfo", None), "key", "UTC")
    return event(start, **{"zone": zone, "recurrence": (f"RRULE:{rule}", *lines) if rule else lines, **more})


def year(*events: CalendarEvent, **more: Any) -> Expansion:
    """The instances of 2026."""
    return expand(events, **YEAR, **more)
