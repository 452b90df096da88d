"""Decisions a second on one core, with 100,000 contacts in the directory: ``python -m tests.bench.matching``.

Reads nothing from the network; the clock is here because this is an entry point. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from pathlib import Path

from matching.correspondence import facts_of
from matching.decide import decide_all
from matching.directory import AddressEntry, CompanyRecord, ContactRecord, DomainEntry
from matching.memory import InMemoryDirectory
from sync.corpus import read_corpus
from tests.corpus.write import write


def measure(contacts: int, items: int, seed: int) -> dict[str, float | int]:
    """Generate, then time the facts and the decisions; building the directory is told apart."""
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), items, seed)
        corpus = read_corpus(Path(folder))
    records = corpus.records
    _fill(records.contacts, records.companies, contacts)
    began = time.process_time()
    directory = InMemoryDirectory(corpus.own, records.contacts, records.companies, records.deals)
    built = time.process_time()
    directory = directory.knowing(facts_of(corpus.items.values(), directory, corpus.rules))
    counted = time.process_time()
    decided = sum(1 for _ in decide_all(corpus.items.values(), directory, corpus.rules))
    done = time.process_time()
    return {
        "contacts": len(records.contacts),
        "items": decided,
        "directory_seconds": round(built - began, 2),
        "facts_seconds": round(counted - built, 2),
        "decide_seconds": round(done - counted, 2),
        "decisions_per_second": round(decided / (done - counted)),
        "decisions_per_second_with_facts": round(decided / (done - built)),
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def _fill(contacts: list[ContactRecord], companies: list[CompanyRecord], wanted: int) -> None:
    """Add companies of twenty people until the directory is as large as wanted."""
    at = len(contacts)
    while len(contacts) < wanted:
        company = len(companies) + 1
        host = f"filler{company}.example"
        companies.append(CompanyRecord(company, f"Filler {company}", (DomainEntry(host),)))
        for person in range(20):
            at += 1
            entry = AddressEntry(at, f"person{person}@{host}")
            contacts.append(ContactRecord(at, f"Person Number{at}", (entry,), company))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.bench.matching", description=__doc__)
    parser.add_argument("--contacts", type=int, default=100_000)
    parser.add_argument("--items", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=3)
    given = parser.parse_args()
    print(json.dumps(measure(given.contacts, given.items, given.seed)))
