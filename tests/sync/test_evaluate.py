"""Evaluation: the hand-labelled set has no disagreement, a small generated corpus meets the goals, the report is
whole."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from sync.evaluate import evaluate
from sync.scores import Report
from tests.corpus.write import write

HAND = Path(__file__).parents[1] / "corpus" / "hand"


def test_the_hand_labelled_set_has_no_disagreement() -> None:
    told = evaluate(HAND).as_dict()
    assert told["disagreements"] == []
    assert (told["missing"]["count"], told["unreadable"]) == (0, 0)
    assert sum(sum(row.values()) for row in told["status"].values()) >= 60


def test_the_hand_labelled_set_asks_the_right_first_suggestion() -> None:
    told = evaluate(HAND).as_dict()["suggestions"]
    assert (told["top1"], told.get("wrong", 0)) == (1.0, 0)


def test_a_generated_corpus_meets_the_goals(generated: Report) -> None:
    told = generated.as_dict()
    assert told["items"] >= 1500
    assert told["contact"]["precision"] >= 0.99
    assert told["contact"]["recall"] >= 0.97
    assert told["company"]["precision"] >= 0.99
    assert told["company"]["recall"] >= 0.98
    assert told["deal"]["precision"] >= 0.98
    assert told["suggestions"]["top1"] >= 0.9


def test_every_baseline_is_worse(generated: Report) -> None:
    for scores in generated.baselines.values():
        for kind, ours in generated.scores.items():
            assert scores[kind].fp + scores[kind].fn > ours.fp + ours.fn


def test_the_report_is_json_with_the_promised_keys_and_lines_for_people(generated: Report) -> None:
    told = json.loads(json.dumps(generated.as_dict()))
    assert {"contact", "company", "deal", "status", "suggestions", "items", "seconds", "disagreements"} <= set(told)
    assert set(told["deal"]) == {"precision", "recall", "tp", "fp", "fn"}
    text = "\n".join(generated.lines())
    assert "this matcher" in text
    assert "exact address, first row wins" in text


def test_a_wrong_label_is_reported_with_its_evidence(tmp_path: Path) -> None:
    folder = tmp_path / "corpus"
    shutil.copytree(HAND, folder)
    rows = [json.loads(line) for line in (folder / "truth.jsonl").read_text(encoding="utf-8").splitlines()]
    rows[0]["contacts"], rows[0]["status"] = ["john@acme.example"], "review"
    (folder / "truth.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    (found,) = evaluate(folder).as_dict()["disagreements"]
    assert found["differences"]["contact"] == {"missing": ["john@acme.example"], "extra": ["jane@acme.example"]}
    assert found["status"] == {"wanted": "review", "found": "linked"}
    assert "exact address jane@acme.example" in found["evidence"][0]["says"]


def test_truth_without_its_item_counts_as_missing(tmp_path: Path) -> None:
    folder = tmp_path / "corpus"
    shutil.copytree(HAND, folder)
    (folder / "mail" / "h01.eml").unlink()
    told = evaluate(folder).as_dict()
    assert told["missing"] == {"count": 1, "first": ["mail <h01@hand.example>"]}
    assert told["contact"]["fn"] >= 1


def test_an_unreadable_file_is_counted_and_costs_no_other(tmp_path: Path) -> None:
    folder = tmp_path / "corpus"
    shutil.copytree(HAND, folder)
    (folder / "mail" / "broken.eml").write_bytes(b"\x00\x01")
    (folder / "events" / "broken.ics").write_bytes(b"no calendar")
    told = evaluate(folder).as_dict()
    assert told["unreadable"] == 2
    assert told["disagreements"] == []


@pytest.mark.parametrize("name", ["truth.jsonl", "accounts.json"])
def test_a_malformed_corpus_names_the_file(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "corpus"
    shutil.copytree(HAND, folder)
    (folder / name).write_text("{", encoding="utf-8")
    with pytest.raises(ValueError, match=name):
        evaluate(folder)


def test_a_corpus_is_a_function_of_its_seed(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write(tmp_path / name, 60, 5)
    one, two = (
        {p.relative_to(tmp_path / n): p.read_bytes() for p in sorted((tmp_path / n).rglob("*.*"))} for n in "ab"
    )
    assert one == two
    write(tmp_path / "c", 60, 6)
    assert (tmp_path / "c" / "truth.jsonl").read_bytes() != (tmp_path / "a" / "truth.jsonl").read_bytes()


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Report:
    folder = tmp_path_factory.mktemp("generated")
    write(folder, 1500, 77)
    return evaluate(folder, baselines=True)
