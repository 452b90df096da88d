"""Deals as the reports need them: the conditions of a scope, sums by currency in the workspace's money, the rows behind
a number. Deals are the team's, so there is no private one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, case, func, select
from sqlalchemy.orm import Session

from crm import currencies, workspace
from crm.currencies import Rates, Sum
from crm.errors import NotFound
from crm.forecast import weighted
from crm.models import Company, Deal, Stage, User
from crm.reports.shape import ROWS_MAX, Bucket, Column, Line, Scope, Table

PENNY = Decimal("0.01")
MONEY = ("value", "weighted")
COLUMNS = (
    Column("company", "Company", "text"), Column("stage", "Stage", "text"), Column("owner", "Owner", "text"),
    Column("value", "Value", "money"), Column("weighted", "Weighted", "money"), Column("opened", "Opened", "moment"),
    Column("closes", "Closes", "day"), Column("closed", "Closed", "moment"),
)  # fmt: skip


def of_scope(scope: Scope) -> list[ColumnElement[bool]]:
    """Conditions on ``Deal``: not deleted, and of the scope's owner and pipeline."""
    found: list[ColumnElement[bool]] = [Deal.deleted_at.is_(None)]
    if scope.owner_id is not None:
        found.append(Deal.owner_id == scope.owner_id)
    if scope.pipeline_id is not None:
        found.append(Deal.pipeline_id == scope.pipeline_id)
    return found


def won_in(first: datetime, end: datetime) -> list[ColumnElement[bool]]:
    """Conditions on ``Deal``: won from ``first`` until before ``end``."""
    return [Deal.status == "won", Deal.closed_at >= first, Deal.closed_at < end]


def chance() -> ColumnElement[int]:
    """A deal's probability in percent: its own, else its stage's. Needs ``Stage`` joined."""
    return func.coalesce(Deal.probability, Stage.probability)


def bucket_of(column: Any, buckets: Sequence[Bucket]) -> ColumnElement[Any]:
    """The number of the bucket a moment is in, None outside."""
    inside = [((column >= b.first) & (column < b.end), n) for n, b in enumerate(buckets)]
    return case(*inside, else_=None)


def rates_on(session: Session, days: Iterable[date]) -> dict[date, Rates]:
    """The rates in force on each of these days, in one statement however many there are."""
    rows, base = currencies.entered(session), str(workspace.get(session, "currency"))
    found: dict[date, Rates] = {}
    for day in days:
        values: dict[str, Decimal] = {}
        for row in rows:  # by code, the newest first
            if row.valid_from <= day:
                values.setdefault(row.currency, row.rate)
        found[day] = Rates(base, day, values)
    return found


def exact(amount: Any) -> Decimal:
    """A sum of money from the database, to the penny (SQLite adds in floating point)."""
    return Decimal(0) if amount is None else Decimal(str(amount)).quantize(PENNY)


def add(sums: Iterable[Sum], base: str) -> Sum:
    """Several sums, each converted at its own rates, as one; a currency converted at several shows their mean."""
    total, parts = Decimal(0), dict[str, currencies.Part]()
    for each in sums:
        total += each.total
        for part in each.parts:
            before = parts.get(part.currency)
            if before is None:
                parts[part.currency] = part
                continue
            known = None if before.converted is None or part.converted is None else before.converted + part.converted
            amount = before.amount + part.amount
            mean = (known / amount).quantize(Decimal("0.0001")) if known is not None and amount else before.rate
            rate = part.rate if part.rate == before.rate else mean
            parts[part.currency] = currencies.Part(part.currency, amount, rate, known)
    return Sum(base, total, tuple(parts.values()))


def rows(session: Session, where: Iterable[ColumnElement[bool]], rates: Callable[[Deal], Rates]) -> Table:
    """The deals that fulfil ``where``, the largest first, each at the rates that ``rates`` gives for it, and their sum.
    At most ``ROWS_MAX``, said so."""
    query = (
        select(Deal, Stage.name, Company.name, User.name, chance())
        .join(Stage, Stage.id == Deal.stage_id)
        .outerjoin(Company, Company.id == Deal.company_id)
        .outerjoin(User, User.id == Deal.owner_id)
        .where(*where)
        .order_by(Deal.value.is_(None), Deal.value.desc(), Deal.id)
        .limit(ROWS_MAX + 1)
    )
    found = session.execute(query).all()
    lines = tuple(_line(*row, rates(row[0])) for row in found[:ROWS_MAX])
    said = (f"The first {ROWS_MAX:,} of them.",) if len(found) > ROWS_MAX else ()
    base = rates(found[0][0]).base if found else ""
    sums = {name: add([s for line in lines if isinstance(s := line.cells[name], Sum)], base) for name in MONEY}
    return Table("Deal", COLUMNS, lines, Line("total", f"{len(lines)} deals", sums) if lines else None, said)


def _line(deal: Deal, stage: str, company: str | None, owner: str | None, percent: int, rates: Rates) -> Line:
    likely = None if deal.value is None else weighted(deal.value, percent)
    return Line(
        str(deal.id), deal.title,
        {
            "company": company or "", "stage": stage, "owner": owner or "nobody",
            "value": rates.sum([(deal.currency, deal.value)]) if deal.value is not None else None,
            "weighted": rates.sum([(deal.currency, likely)]) if likely is not None else None,
            "opened": deal.created_at, "closes": deal.expected_close, "closed": deal.closed_at,
        },
        target=("deal", deal.id),
    )  # fmt: skip


def bucket_named(buckets: Iterable[Bucket], key: str) -> Bucket:
    """The bucket of that key. Raises NotFound."""
    found = next((b for b in buckets if b.key == key), None)
    if found is None:
        raise NotFound("There is no such line in this report.")
    return found


def number_of(key: str) -> int:
    """An id in a line's key. Raises NotFound for anything else."""
    if not key.isdecimal() or len(key) > 18:
        raise NotFound("There is no such line in this report.")
    return int(key)
