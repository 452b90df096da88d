"""How right is matching: precision, recall and confusion on a labelled corpus (docs/matching.md, "Measure"). Reads
files, writes nothing.

The same parse, the same translation and the same ``decide`` as in the sync flow; only the directory is held in
memory. The baselines show what simpler ways would have done with the same input.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from matching.addresses import canonical, one_domain
from matching.correspondence import facts_of
from matching.decide import decide_all
from matching.memory import InMemoryDirectory
from matching.types import Candidate, Decision, Item
from sync.baselines import WAYS
from sync.corpus import Corpus, Key, read_corpus
from sync.scores import KINDS, Report, Score

PLURAL = {"contact": "contacts", "company": "companies", "deal": "deals"}


def evaluate(corpus_dir: Path, *, baselines: bool = False, clock: Callable[[], float] = time.perf_counter) -> Report:
    """Decide every item of the corpus and compare with its truth. Raises ValueError for a malformed corpus."""
    report = Report()
    started = clock()
    corpus = read_corpus(corpus_dir)
    report.seconds["read"] = clock() - started
    directory = directory_of(corpus)
    started = clock()
    directory = directory.knowing(facts_of(corpus.items.values(), directory, corpus.rules))
    decisions = {d.item: d for d in decide_all(corpus.items.values(), directory, corpus.rules)}
    report.seconds["decide"] = clock() - started
    report.items, report.unreadable = len(corpus.items), len(corpus.unreadable)
    names = Names(corpus)
    for key, row in corpus.truth.items():
        _compare(report, key, row, corpus.items.get(key), decisions, names)
    if baselines:
        report.baselines = _baselines(corpus, directory, names)
    return report


def directory_of(corpus: Corpus) -> InMemoryDirectory:
    """The corpus's records as a Directory, without facts about strangers."""
    records = corpus.records
    return InMemoryDirectory(corpus.own, records.contacts, records.companies, records.deals)


class Names:
    """Names of records as truth writes them, in one form on both sides."""

    def __init__(self, corpus: Corpus) -> None:
        self._labels = {key: _plain(key[0], label) for key, label in corpus.records.labels.items()}

    def of(self, kind: str, candidates: Iterable[Candidate]) -> list[str]:
        """The names of the candidates of one kind, in their order."""
        return [self._labels[kind, c.target.id] for c in candidates if c.target.kind == kind]

    def of_ids(self, kind: str, ids: Iterable[int]) -> set[str]:
        """The names of records by id."""
        return {self._labels[kind, found] for found in ids}

    @staticmethod
    def wanted(row: Mapping[str, Any], kind: str) -> set[str]:
        """The names that truth gives for one kind."""
        return {_plain(kind, str(name)) for name in row.get(PLURAL[kind]) or ()}

    @staticmethod
    def about(row: Mapping[str, Any], kind: str) -> set[str]:
        """The names a right suggestion may have: what is true, though the directory can't be certain of it."""
        told = (row.get("about") or {}).get(PLURAL[kind]) or ()
        return Names.wanted(row, kind) | {_plain(kind, str(name)) for name in told}


def _plain(kind: str, name: str) -> str:
    if name.startswith("name:") or kind == "deal":
        return name.strip()
    return canonical(name) if kind == "contact" else one_domain(name)


def _compare(
    report: Report, key: Key, row: Mapping[str, Any], item: Item | None, decisions: Mapping[int, Decision], names: Names
) -> None:
    """Count one row of truth against our answer."""
    decision = decisions.get(item.id) if item is not None else None
    trap = str(row.get("trap") or "unnamed")
    report.traps[trap]["items"] += 1
    if decision is None:
        report.missing.append(" ".join(key).strip())
    links = decision.links if decision else ()
    wrong: dict[str, Any] = {}
    for kind in KINDS:
        wanted, found = names.wanted(row, kind), set(names.of(kind, links))
        report.scores[kind].add(wanted, found)
        if wanted != found:
            wrong[kind] = {"missing": sorted(wanted - found), "extra": sorted(found - wanted)}
            report.traps[trap][kind] += 1
    status = str(decision.status) if decision else "missing"
    report.status[str(row.get("status")), status] += 1
    if status != row.get("status"):
        report.traps[trap]["status"] += 1
    if decision is not None:
        _count_suggestions(report, row, decision, names)
    if wrong or status != row.get("status"):
        report.disagreements.append(_disagreement(key, row, item, decision, wrong, trap))


def _count_suggestions(report: Report, row: Mapping[str, Any], decision: Decision, names: Names) -> None:
    """Is the first suggestion of each kind right, where there is a right one that was not linked?"""
    for kind in KINDS:
        offered = names.of(kind, decision.suggestions)
        open_ = names.about(row, kind) - set(names.of(kind, decision.links))
        if offered and open_:
            report.top["right" if offered[0] in open_ else "wrong"] += 1
        elif offered:
            report.top["needless"] += 1
        elif open_:
            report.top["none_offered"] += 1


def _disagreement(
    key: Key, row: Mapping[str, Any], item: Item | None, decision: Decision | None, wrong: Mapping[str, Any], trap: str
) -> dict[str, Any]:
    """One difference with its evidence; wrong links weigh more than missing ones, missing ones more than a status."""
    extra = sum(len(part["extra"]) for part in wrong.values())
    absent = sum(len(part["missing"]) for part in wrong.values())
    score = max((link.score for link in decision.links), default=0.0) if decision and extra else 0.0
    return {
        "item": " ".join(key).strip(),
        "trap": trap,
        "weight": round(3 * extra + absent + score + 0.5, 3),
        "subject": item.subject if item else "",
        "status": {"wanted": row.get("status"), "found": str(decision.status) if decision else "missing"},
        "reason": decision.reason if decision else "no such item in the corpus",
        "differences": dict(wrong),
        "evidence": _evidence(decision.links if decision else ()),
        "suggestions": _evidence(decision.suggestions if decision else ()),
        "questions": [f"{q.kind}: {q.reason}" for q in decision.questions] if decision else [],
    }


def _evidence(candidates: Sequence[Candidate]) -> list[dict[str, Any]]:
    return [
        {"target": f"{c.target.kind}:{c.target.id}", "score": c.score, "says": [e.says for e in c.evidence]}
        for c in candidates[:6]
    ]


def _baselines(corpus: Corpus, directory: InMemoryDirectory, names: Names) -> dict[str, dict[str, Score]]:
    """The scores of the simpler ways on the same truth."""
    result: dict[str, dict[str, Score]] = {}
    for name, way in WAYS.items():
        scores = result[name] = {kind: Score() for kind in KINDS}
        for key, row in corpus.truth.items():
            item = corpus.items.get(key)
            found = way(item, directory) if item is not None else {}
            for kind in KINDS:
                scores[kind].add(names.wanted(row, kind), names.of_ids(kind, found.get(kind, ())))
    return result
