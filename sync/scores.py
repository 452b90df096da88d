"""The figures of an evaluation: what was counted, as JSON and as lines for people. Counts only; decides nothing."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

KINDS = ("contact", "company", "deal")
WORST = 10


@dataclass(slots=True)
class Score:
    """True positives, false positives and false negatives of one kind of link."""

    tp: int = 0
    fp: int = 0
    fn: int = 0

    def add(self, wanted: set[str], found: set[str]) -> None:
        """Count one item."""
        self.tp += len(wanted & found)
        self.fp += len(found - wanted)
        self.fn += len(wanted - found)

    def as_dict(self) -> dict[str, float | int | None]:
        """With precision and recall, None where nothing was counted."""
        precision = round(self.tp / (self.tp + self.fp), 5) if self.tp + self.fp else None
        recall = round(self.tp / (self.tp + self.fn), 5) if self.tp + self.fn else None
        return {"precision": precision, "recall": recall, "tp": self.tp, "fp": self.fp, "fn": self.fn}


@dataclass(slots=True)
class Report:
    """What an evaluation found; ``as_dict`` is the JSON of ``crm-sync evaluate --json``."""

    scores: dict[str, Score] = field(default_factory=lambda: {kind: Score() for kind in KINDS})
    status: Counter[tuple[str, str]] = field(default_factory=Counter)
    top: Counter[str] = field(default_factory=Counter)
    traps: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    disagreements: list[dict[str, Any]] = field(default_factory=list)
    baselines: dict[str, dict[str, Score]] = field(default_factory=dict)
    items: int = 0
    missing: list[str] = field(default_factory=list)
    unreadable: int = 0
    seconds: dict[str, float] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        asked = self.top["right"] + self.top["wrong"]
        confusion: dict[str, dict[str, int]] = defaultdict(dict)
        for (wanted, found), count in sorted(self.status.items()):
            confusion[wanted][found] = count
        worst = _varied(self.disagreements)
        return {
            **{kind: score.as_dict() for kind, score in self.scores.items()},
            "status": dict(confusion),
            "suggestions": {"top1": round(self.top["right"] / asked, 5) if asked else None, **self.top},
            "items": self.items,
            "missing": {"count": len(self.missing), "first": self.missing[:WORST]},
            "unreadable": self.unreadable,
            "seconds": {name: round(value, 3) for name, value in self.seconds.items()},
            "decisions_per_second": round(self.items / self.seconds["decide"]) if self.seconds.get("decide") else None,
            "traps": {trap: dict(counts) for trap, counts in sorted(self.traps.items())},
            "baselines": {n: {k: s.as_dict() for k, s in scores.items()} for n, scores in self.baselines.items()},
            "disagreements": worst[:WORST],
            "disagreements_total": len(self.disagreements),
        }

    def lines(self) -> Iterator[str]:
        """The report for a terminal."""
        told = self.as_dict()
        yield f"{self.items} items, {self.unreadable} unreadable, {len(self.missing)} of truth not found"
        yield from _table({"this matcher": self.scores, **self.baselines})
        top = told["suggestions"]["top1"]
        yield f"top suggestion right: {_percent(top)} ({self.top['right']} of {self.top['right'] + self.top['wrong']})"
        yield "status, as labelled and as found:"
        for wanted, row in told["status"].items():
            yield f"  {wanted:<10} " + ", ".join(f"{found} {count}" for found, count in row.items())
        for worst in told["disagreements"]:
            yield f"{worst['item']} ({worst['trap']}): {worst['differences'] or worst['status']}"
            yield from (
                f"    {link['target']} {link['score']}: {'; '.join(link['says'])}" for link in worst["evidence"]
            )
        yield f"{len(self.disagreements)} disagreements; {told['decisions_per_second']} decisions a second"


def _varied(disagreements: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The worst of each trap first, then the second worst of each: ten of one kind would tell little."""
    rank: Counter[str] = Counter()
    ranked: list[tuple[int, float, dict[str, Any]]] = []
    for one in sorted(disagreements, key=lambda d: -d["weight"]):
        ranked.append((rank[one["trap"]], -one["weight"], one))
        rank[one["trap"]] += 1
    return [one for _, _, one in sorted(ranked, key=lambda row: row[:2])]


def _table(ways: dict[str, dict[str, Score]]) -> Iterator[str]:
    """Precision and recall of each way, one row each."""
    yield f"{'':<32}" + "".join(f"{kind:>22}" for kind in KINDS)
    for name, scores in ways.items():
        cells = (scores[kind].as_dict() for kind in KINDS)
        yield f"{name:<32}" + "".join(f"{_percent(c['precision']) + ' / ' + _percent(c['recall']):>22}" for c in cells)


def _percent(value: float | int | None) -> str:
    return "-" if value is None else f"{value:.2%}"
