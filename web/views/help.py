"""Every key on one page, by place."""

from __future__ import annotations

from flask import Blueprint, render_template

blueprint = Blueprint("help", __name__, url_prefix="/help")

KEYS = (
    ("Everywhere", (
        ("/", "search"), ("Ctrl K", "go to any page"), ("?", "this page"), ("z", "undo what was just done"),
        ("g h", "today"), ("g l", "log"), ("g r", "review"), ("g p", "pipeline"), ("g t", "tasks"), ("g n", "notices"),
        ("g c", "contacts"),
        ("g o", "companies"), ("g e", "reports"), ("g a", "accounts"), ("Esc", "leave a field"),
    )),
    ("Lists", (("j k", "next, previous"), ("Enter", "open"), ("n", "new"))),
    ("Review", (
        ("Enter", "accept the first answer"), ("1 – 5", "choose a candidate"), ("s", "someone else"), ("c",
        "create a contact"),
        ("l", "create a lead"), ("d", "pick a deal"), ("n", "not a contact"), ("Shift N", "ignore the whole domain"),
        ("Shift A", "one answer for everybody of the domain"),
        ("p", "private"), ("h", "snooze"), ("a", "assign to a teammate"), ("x", "select"), ("Shift X",
        "select up to here"),
        ("* a", "select all"), ("u", "back to the list"),
    )),
    ("Pipeline", (
        ("arrows", "from card to card, stage to stage"), ("Enter", "open beside the board"),
        ("m", "move, then the number of a stage"),
        ("e", "edit the value"), ("n", "new deal"), ("x", "select in the list"), ("Esc", "close"),
    )),
    ("Tasks", (
        ("w", "work through what is due"), ("e", "done; with ticked ones: complete them"),
        ("h", "snooze, then 1, 3 or 7"), ("s", "skip"), ("r", "reassign"), ("o", "open"), ("x", "tick"),
        ("t", "make a task of a message"),
    )),
    ("A record", (("c", "log a call"), ("n", "write a note"), ("t", "add a task"), ("e", "edit"))),
)  # fmt: skip


@blueprint.get("/keys")
def page() -> str:
    """The table of keys; every one of them is a button somewhere too."""
    return render_template("help/keys.html", keys=KEYS)
