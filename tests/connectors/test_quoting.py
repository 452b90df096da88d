"""What the writer wrote, apart from history and signature: own cases in many languages, then the reply corpora.

``reply_labels.json`` holds, per corpus file, what a person judged each non-blank line to be (N new, Q quoted,
S signature, with run lengths), so that the corpora are read where they lie.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mailparser_reply import EmailReplyParser

from connectors.mailparse.htmltext import text_of
from connectors.mime import parse_message
from connectors.quoting import marked, split
from connectors.types import RawMessage
from tests.connectors.mail_samples import CORPORA, needs_corpora

LABELS: dict[str, str] = json.loads((Path(__file__).parent / "reply_labels.json").read_text())
TALON = CORPORA / "talon" / "tests" / "fixtures"
FLOORS = {"crisp": (87, 88), "github": (22, 22), "willdurand": (43, 44), "zapier": (24, 24)}
"""Files in which every line is judged as the person did, of all files, per corpus: reached now, not to be lost."""
LANGUAGES = ["cs", "da", "de", "en", "es", "fi", "fr", "it", "ja", "ko", "nl", "no", "pl", "pt", "sv", "tr", "zh"]


@pytest.mark.parametrize(
    "attribution",
    [
        "On Mon, 5 Feb 2024 at 10:00, Jane Doe <jane@acme.example> wrote:",
        "On Mon, 5 Feb 2024 at 10:00, Jane Doe <\njane@acme.example> wrote:",
        "On Mon, 5 Feb 2024\nat 10:00, Jane Doe\n<jane@acme.example>\nwrote:",
        "On 05/02/2024 10:00, Jane wrote:",
        "Am 05.02.2024 um 10:00 schrieb Jane Doe <jane@acme.example>:",
        "Am Mo., 5. Feb. 2024 um 10:00 Uhr schrieb Jane:",
        "Le lun. 5 févr. 2024 à 10:00, Jane <jane@acme.example> a écrit :",
        "El lun, 5 feb 2024 a las 10:00, Jane (<jane@acme.example>) escribió:",
        "Il giorno lun 5 feb 2024 alle ore 10:00 Jane <jane@acme.example> ha scritto:",
        "Op ma 5 feb 2024 om 10:00 schreef Jane <jane@acme.example>:",
        "Em seg., 5 de fev. de 2024 às 10:00, Jane <jane@acme.example> escreveu:",
        "Den mån 5 feb. 2024 kl 10:00 skrev Jane <jane@acme.example>:",
        "Den man. 5. feb. 2024 kl. 10.00 skrev Jane <jane@acme.example>:",
        "man. 5. feb. 2024 kl. 10:00 skrev Jane <jane@acme.example>:",
        "pon., 5 lut 2024 o 10:00 Jane <jane@acme.example> napisał(a):",
        "po 5. 2. 2024 v 10:00 odesílatel Jane <jane@acme.example> napsal:",
        "пн, 5 февр. 2024 г. в 10:00, Jane <jane@acme.example>:",
        "5 февраля 2024 г., 10:00, Jane <jane@acme.example> написал(а):",
        "2024年2月5日(月) 10:00 Jane <jane@acme.example>:",
        "Jane <jane@acme.example> 于2024年2月5日周一 10:00写道：",
        "2024년 2월 5일 (월) 오전 10:00, Jane <jane@acme.example>님이 작성:",
        "ma 5. helmik. 2024 klo 10.00 Jane (jane@acme.example) kirjoitti:",
        "5 Şub 2024 Pzt, 10:00 tarihinde Jane <jane@acme.example> şunu yazdı:",
        "---- On Mon, 05 Feb 2024 10:00:00 +0100 jane@acme.example wrote ----",
        "-----Original Message-----",
        "-----Ursprüngliche Nachricht-----",
        "-------- Message d'origine --------",
        "---------- Forwarded message ---------",
        "From: Jane <jane@acme.example>\nSent: Monday\nTo: us@own.example\nSubject: x",
        "*Von:* Jane\n*Gesendet:* Montag\n*An:* uns\n*Betreff:* x",
        "________________________________\nDe: Jane\nEnviado: lunes\nPara: us\nAsunto: x",
        "From: Jane Doe\n  <jane@acme.example>\nDate: Monday\nTo: us\nSubject: x",
        "Jane Doe@ACME\n05/02/2024 10:00 AM\nTo: us@OWN\ncc:\nSubject: x",
    ],
)
def test_history_below_any_clients_mark_is_quoted(attribution: str) -> None:
    result = split(f"Yes, please.\n\n{attribution}\n\nold words\n\nmore old words\n")
    assert "old words" not in result.new
    assert result.new.startswith("Yes, please.")
    assert result.new.count("\n") <= 3
    assert "more old words" in result.quoted


def test_lotus_notes_sender_line_goes_with_the_history() -> None:
    history = "Jane Doe@ACME\n05/02/2024 10:00 AM\nTo: us@OWN\ncc:\nSubject: x\n\nold words"
    assert split(f"Yes.\n\n{history}").quoted == history
    history = '"Jane Doe" <jane@acme.example> on 05/02/2024 10:00:00 AM\nTo: us@OWN\ncc:\nSubject: x\n\nold words'
    assert split(f"Yes.\n\n{history}").quoted == history


@pytest.mark.parametrize(
    "text",
    [
        "I spoke to Jane on Monday. She wrote:\nplease call.\n",
        "On Thursday:\nlunch\n\nOn Friday:\ndinner\n",
        "From: the office\nwith love\n",
        "The agenda is:\n- one\n- two\nTo: be decided\n",
        "Prices:\n-----\n100 EUR\n-----\n200 EUR\n",
        "From here to there: 5 km. Date: open.\n",
        "Note: see 2024: a year\n",
        "He said: no.\nShe said: yes.\n",
    ],
)
def test_text_that_only_looks_like_a_mark_stays_new(text: str) -> None:
    result = split(text)
    assert result.new == text.strip()
    assert result.quoted == ""


def test_answers_between_quotes_keep_their_order() -> None:
    text = "On 5 Feb 2024, Jane <j@x.example> wrote:\n> one?\n\nYes to one.\n\n> two?\n\nNo to two.\n\n> bye\n"
    assert split(text).new == "Yes to one.\n\nNo to two."


def test_an_answer_below_the_quote_is_new() -> None:
    text = "On 5 Feb 2024, Jane wrote:\n> one?\n> two?\n\nBoth, please.\n\n-- \nBob\n"
    result = split(text)
    assert (result.new, result.signature) == ("Both, please.", "-- \nBob".replace("-- ", "--"))


@pytest.mark.parametrize(
    "signature",
    [
        "-- \nJane Doe\nAcme GmbH\n+49 30 1234567",
        "--\nJane",
        "__\nJane",
        "—\nJane\nCEO",
        "Best regards,\nJane",
        "Mit freundlichen Grüßen\n\nEva Müller\nAcme GmbH",
        "Viele Grüße\nEva",
        "Cordialement,\nÈve",
        "Saludos,\nEva",
        "Cordiali saluti\nEva",
        "Met vriendelijke groet,\nEva",
        "Atenciosamente,\nEva",
        "Med vänliga hälsningar\nEva",
        "Med venlig hilsen\nEva",
        "Vennlig hilsen\nEva",
        "Pozdrawiam\nEwa",
        "S pozdravem\nEva",
        "С уважением,\nЕва",
        "よろしくお願いいたします。\n山田",
        "此致\n王",
        "Thanks,\nJane",
        "Cheers\nJ.",
        "Sent from my iPhone",
        "Von meinem iPhone gesendet",
        "Envoyé de mon iPhone",
        "Enviado desde mi iPhone",
        "Inviato da iPhone",
        "Verstuurd vanaf mijn iPhone",
        "Sendt fra min iPhone",
        "Skickat från min iPhone",
        "Wysłane z iPhone'a",
        "Odesláno z iPhonu",
        "Отправлено с iPhone",
        "iPhoneから送信",
        "发自我的 iPhone",
        "Get Outlook for iOS<https://aka.ms/o0ukef>",
        "Gesendet von Outlook für Android<https://aka.ms/x>",
        "Jane Doe\njane@acme.example\n+49 30 1234567",
        "Jane Doe\nHead of Sales\nTel: +49 (30) 123-4567\nwww.acme.example",
    ],
)
def test_a_signature_is_cut_whatever_starts_it(signature: str) -> None:
    result = split(
        f"Here is the offer we spoke of.\n\n{signature}\n\nOn 5 Feb 2024, Bob <b@x.example> wrote:\n> hi\n"
    )
    assert result.new == "Here is the offer we spoke of."
    assert [line for line in result.signature.split("\n") if line] == [
        line.rstrip() for line in signature.split("\n") if line
    ]


@pytest.mark.parametrize(
    "text",
    [
        "Thanks\nCould you also send the contract to Bob before Friday?",
        "Sent from my desk, it is easier.",
        "Best\nprice is 100 EUR, can we do that for the whole year and next?",
        "Thanks,\nJane",
        "Many thanks",
        "- one\n- two\n- three",
        "Options:\n\n-- a --\n\nb",
    ],
)
def test_what_is_no_signature_stays(text: str) -> None:
    assert split(text).new == text


def test_a_legal_notice_goes_with_the_signature() -> None:
    notice = (
        "This e-mail and any attachment are confidential and intended solely for the addressee. If you are not the "
        "intended recipient, delete it and tell us at once."
    )
    result = split(f"See you at ten.\n\nBest regards,\nJane\n\n{notice}\n")
    assert result.new == "See you at ten."
    assert notice in result.signature


def test_an_empty_text_has_three_empty_parts() -> None:
    assert split("") == split("\n\n") == split("\r\n")
    assert split("").new == split("").quoted == split("").signature == ""


@given(
    st.lists(
        st.sampled_from(
            [
                "",
                "> q",
                "hello",
                "On 5 Feb 2024, J <a@b.example> wrote:",
                "-- ",
                "From: a@b.example",
                "To: c",
                "Subject: d",
                "____________",
                "Best regards,",
                "Sent from my iPhone",
                "x" * 120,
                "\t",
                " > z",
                "Jane",
                "wrote:",
                "---- Original Message ----",
            ]
        ),
        max_size=30,
    )
)
@settings(max_examples=150, deadline=None)
def test_no_line_is_ever_lost_or_invented(lines: list[str]) -> None:
    result = split("\n".join(lines))
    kept = Counter(
        line.strip() for piece in (result.new, result.quoted, result.signature) for line in piece.split("\n")
    )
    wanted = Counter(line.strip() for line in lines)
    del kept[""], wanted[""]
    assert kept == wanted


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "text",
    [
        "On " * 300_000,
        "wrote:\n" * 50_000,
        ">" * 900_000,
        "> \n" * 200_000,
        "From:\n" * 100_000,
        "-" * 900_000,
        "a:\n" * 200_000,
        "On 1 a@b.c <\n" * 50_000,
        "____\n" * 100_000,
        ("> " + "x" * 70 + "\ny\n") * 10_000,
        "\n" * 900_000,
        "Thanks,\n" * 100_000,
    ],
)
def test_hostile_text_is_split_in_bounded_time(text: str) -> None:
    result = split(text)
    assert len(result.new) + len(result.quoted) + len(result.signature) <= len(text)


@needs_corpora
@pytest.mark.parametrize("corpus", sorted(FLOORS))
def test_the_reply_corpora_are_split_as_a_person_would(corpus: str) -> None:
    ours, theirs = evaluated(corpus, our_new), evaluated(corpus, library_new)
    print(
        f"\n{corpus:12} files {ours['files']:3}  ours: all lines {ours['marks']:.3f} new exact {ours['exact']:.3f} "
        f"line F1 {ours['f1']:.3f}   mail-parser-reply: new exact {theirs['exact']:.3f} line F1 {theirs['f1']:.3f}"
    )
    right, files = FLOORS[corpus]
    assert ours["files"] == files
    assert ours["marks"] * files >= right - 1e-6
    assert ours["exact"] >= theirs["exact"]
    assert ours["f1"] >= theirs["f1"]


@needs_corpora
@pytest.mark.parametrize(
    "name", sorted(path.name for path in (TALON / "standard_replies").glob("*.eml")) or ["absent"]
)
def test_talons_replies_of_every_client_give_the_reply(name: str) -> None:
    path = TALON / "standard_replies" / name
    envelope = parse_message(RawMessage(source=path.read_bytes()))
    expected = path.with_name(name.replace(".eml", "_reply_text"))
    wanted = expected.read_text() if expected.exists() else "Hello"
    assert f"{envelope.text}\n\n{envelope.signature}".split() == wanted.split()


@needs_corpora
@pytest.mark.parametrize("name", sorted(path.name for path in (TALON / "html_replies").glob("*.html")) or ["absent"])
def test_talons_html_replies_of_every_client_give_the_reply(name: str) -> None:
    result = split(text_of((TALON / "html_replies" / name).read_text(errors="replace")))
    assert f"{result.new} {result.signature}".split() == ["Hi.", "I", "am", "fine.", "Thanks,", "Alex"]


@needs_corpora
@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("camel_case", True),
        ("long", True),
        ("short_url", True),
        ("jeff", False),  # a name and "via mobile", without any mark
        ("johndoeexamplecom", False),  # every line prefixed by the corpus' own label
        ("sparse", False),  # one line per paragraph
    ],
)
def test_talons_signatures(name: str, known: bool) -> None:
    folder = TALON / "signature" / "emails" / "stripped"
    found = split((folder / f"{name}_body").read_text()).signature
    assert (found.split() == (folder / f"{name}_signature").read_text().split()) is known


def our_new(text: str) -> list[str]:
    return words_by_line(split(text).new)


def library_new(text: str) -> list[str]:
    replies = EmailReplyParser(languages=LANGUAGES).read(text).replies
    return words_by_line(replies[0].body or "") if replies else []


def words_by_line(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.split("\n") if line.strip()]


def evaluated(corpus: str, new_of: object) -> dict[str, float]:
    """Shares over one corpus: files with every line judged right, with exactly the new lines, and the lines' F1."""
    files = marks_right = exact = right = given_lines = wanted_lines = 0
    for path, label in LABELS.items():
        if not path.startswith(f"email-reply-parser-{corpus}/"):
            continue
        text = (CORPORA / path).read_bytes().decode("utf-8", "replace").replace("\r\n", "\n")
        label = "".join(kind * int(count) for kind, count in re.findall(r"([NQS])(\d+)", label))
        lines = [line for line in text.split("\n") if line.strip()]
        wanted = [" ".join(line.split()) for line, mark in zip(lines, label, strict=True) if mark == "N"]
        found = new_of(text)  # type: ignore[operator]
        files += 1
        exact += found == wanted
        all_lines = text.split("\n")
        mine = "".join(m for m, line in zip(marked(all_lines), all_lines, strict=True) if line.strip())
        marks_right += mine == label
        right += sum((Counter(found) & Counter(wanted)).values())
        given_lines, wanted_lines = given_lines + len(found), wanted_lines + len(wanted)
    f1 = 2 * right / (given_lines + wanted_lines)
    return {"files": files, "exact": exact / files, "f1": f1, "marks": marks_right / files}
