"""Facts for those who judge: marks of kind, classifying headers, forwarded originals, the fingerprint."""

from __future__ import annotations

import pytest

from connectors.mime import classify, parse_message
from connectors.types import RawMessage
from tests.connectors.mail_samples import mail, multipart, parsed, part


@pytest.mark.parametrize(
    ("fields", "marks"),
    [
        (("Subject: Hello",), set()),
        (("Auto-Submitted: auto-replied",), {"automatic"}),
        (("Auto-Submitted: auto-generated; owner=x",), {"automatic"}),
        (("Auto-Submitted: no",), set()),
        (("Return-Path: <>",), {"automatic"}),
        (("X-Autoreply: yes",), {"automatic"}),
        (("From: MAILER-DAEMON@x.example",), {"automatic"}),
        (("From: MAILER-DAEMON",), {"automatic"}),
        (("From: Mail Delivery System <postmaster@x.example>",), {"automatic"}),
        (("From: no-reply@x.example",), {"automatic"}),
        (("From: do_not_reply@x.example",), {"automatic"}),
        (("From: invoices.noreply@x.example",), {"automatic"}),
        (("From: noreply+123@x.example",), {"automatic"}),
        (("From: bounce+hash@x.example",), {"automatic"}),
        (("From: reply@x.example",), set()),
        (("From: nora.reply@x.example",), set()),
        (("From: noah@x.example",), set()),
        (("X-Auto-Response-Suppress: All",), set()),
        (("X-Auto-Response-Suppress: All", "Subject: Automatische Antwort: Angebot"), {"automatic"}),
        (("X-Auto-Response-Suppress: All", "Subject: Réponse automatique : offre"), {"automatic"}),
        (("Auto-Submitted: no", "X-Auto-Response-Suppress: OOF", "Subject: Автоответ: цена"), {"automatic"}),
        (("Subject: Out of office next week?",), set()),
        (("List-Id: <news.x.example>",), {"bulk"}),
        (("List-Unsubscribe: <https://x.example/u>",), {"bulk"}),
        (("Precedence: bulk",), {"bulk"}),
        (("Precedence: List",), {"bulk"}),
        (("Precedence: first-class",), set()),
        (("Sensitivity: Private",), {"private"}),
        (("Sensitivity: personal",), {"private"}),
        (("Sensitivity: Company-Confidential",), {"confidential"}),
        (("Sensitivity: Normal",), set()),
        (("Subject: Fwd: offer",), {"forward"}),
        (("Subject: WG: Angebot",), {"forward"}),
        (("Subject: TR : offre",), {"forward"}),
        (("Subject: RV: oferta",), {"forward"}),
        (("Subject: I: offerta",), {"forward"}),
        (("Subject: 转发：报价",), {"forward"}),
        (("Subject: Re: Fwd: offer",), set()),
        (("Subject: Internal: note",), set()),
    ],
)
def test_marks_follow_from_header_facts_alone(fields: tuple[str, ...], marks: set[str]) -> None:
    assert classify(parsed(*fields)) == marks


@pytest.mark.parametrize(
    ("method", "marks"),
    [
        ("REPLY", {"rsvp"}),
        ("REQUEST", {"invitation"}),
        ("CANCEL", {"invitation"}),
        ("COUNTER", {"invitation"}),
        ("", set()),
    ],
)
def test_a_calendar_part_is_an_answer_or_an_invitation_by_its_method(method: str, marks: set[str]) -> None:
    line = f"METHOD:{method}\r\n" if method else ""
    ics = f"BEGIN:VCALENDAR\r\n{line}BEGIN:VEVENT\r\nUID:1\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    field, body = multipart("alternative", part("text/plain", "x"), part(f"text/calendar; method={method}", ics))
    assert classify(parsed(field, body=body)) == marks


def test_a_delivery_report_is_automatic() -> None:
    field, body = multipart("report", part("text/plain", "x"), part("message/delivery-status", "Action: failed"))
    assert classify(parsed(field, body=body)) == {"automatic"}


def test_classifying_headers_are_kept_lower_cased_decoded_and_first() -> None:
    envelope = parsed(
        "List-ID: =?utf-8?q?N=C3=A4chstes?= <news.x.example>",
        "X-Secret: no",
        "Delivered-To: a@x.example",
        "Delivered-To: b@x.example",
    )
    assert envelope.headers == {"list-id": "Nächstes <news.x.example>", "delivered-to": "a@x.example"}


GMAIL = """Can you take this?

---------- Forwarded message ---------
From: {who}
Date: Mon, 5 Feb 2024 at 10:00
Subject: Anfrage
To: <us@own.example>

We would like an offer.
"""
OUTLOOK = """FYI

{mark}
{from_} {who}
{sent} Montag, 5. Februar 2024 10:00
{to} us@own.example
{subject} Anfrage

We would like an offer.
"""


@pytest.mark.parametrize(
    "who",
    [
        "Eva Müller <eva@kunde.example>",
        "*Eva Müller* <eva@kunde.example>",
        "<eva@kunde.example>",
        "eva@kunde.example",
        "Eva Müller [mailto:eva@kunde.example]",
        "Eva Müller <mailto:eva@kunde.example>",
        "Eva Müller <eva@kunde.example<mailto:eva@kunde.example>>",
        '"Müller, Eva" <eva@kunde.example>',
        "eva@kunde.example <eva@kunde.example>",
    ],
)
def test_a_gmail_forward_names_the_inner_sender(who: str) -> None:
    envelope = parsed("Subject: Fwd: Anfrage", body=GMAIL.format(who=who))
    assert [box.address for box in envelope.forwarded] == ["eva@kunde.example"]
    assert envelope.text == "Can you take this?"
    assert "We would like an offer." in envelope.quoted


@pytest.mark.parametrize(
    ("prefix", "from_", "sent", "to", "subject"),
    [
        ("FW", "From:", "Sent:", "To:", "Subject:"),
        ("WG", "Von:", "Gesendet:", "An:", "Betreff:"),
        ("TR", "De :", "Envoyé :", "À :", "Objet :"),
        ("RV", "De:", "Enviado el:", "Para:", "Asunto:"),
        ("I", "Da:", "Inviato:", "A:", "Oggetto:"),
        ("Doorst", "Van:", "Verzonden:", "Aan:", "Onderwerp:"),
        ("ENC", "De:", "Enviada em:", "Para:", "Assunto:"),
        ("VB", "Från:", "Skickat:", "Till:", "Ämne:"),
        ("VS", "Fra:", "Sendt:", "Til:", "Emne:"),
        ("PD", "Od:", "Wysłano:", "Do:", "Temat:"),
        ("FW", "Od:", "Odesláno:", "Komu:", "Předmět:"),
        ("FW", "От:", "Отправлено:", "Кому:", "Тема:"),
        ("FW", "差出人:", "送信日時:", "宛先:", "件名:"),
        ("转发", "发件人：", "发送时间：", "收件人：", "主题："),
        ("FW", "*From:*", "*Sent:*", "*To:*", "*Subject:*"),
    ],
)
@pytest.mark.parametrize("mark", ["", "_" * 32, "-----Original Message-----"])
def test_an_outlook_forward_names_the_inner_sender_in_any_language(
    prefix: str, from_: str, sent: str, to: str, subject: str, mark: str
) -> None:
    body = OUTLOOK.format(mark=mark, from_=from_, sent=sent, to=to, subject=subject, who="Eva <eva@kunde.example>")
    envelope = parsed(f"Subject: {prefix}: Anfrage", body=body)
    assert [box.address for box in envelope.forwarded] == ["eva@kunde.example"]
    assert envelope.text == "FYI"


@pytest.mark.parametrize(
    ("mark", "from_"),
    [
        ("Begin forwarded message:", "From:"),
        ("Anfang der weitergeleiteten Nachricht:", "Von:"),
        ("Début du message réexpédié :", "De :"),
        ("Inicio del mensaje reenviado:", "De:"),
        ("Inizio messaggio inoltrato:", "Da:"),
        ("Begin doorgestuurd bericht:", "Van:"),
        ("Início da mensagem encaminhada:", "De:"),
        ("Vidarebefordrat meddelande:", "Från:"),
        ("Videresendt besked:", "Fra:"),
        ("Początek przekazywanej wiadomości:", "Od:"),
        ("Začátek přeposlané zprávy:", "Od:"),
        ("Начало переадресованного сообщения:", "От:"),
        ("転送されたメッセージ:", "差出人:"),
        ("已转发邮件：", "发件人:"),
    ],
)
def test_an_apple_forward_is_known_by_its_mark_without_a_subject(mark: str, from_: str) -> None:
    original = f"> {from_} Eva <eva@kunde.example>\n> Subject: Anfrage\n> Date: 5 Feb 2024\n>\n> Hallo\n"
    body = f"siehe unten\n\n{mark}\n\n{original}"
    envelope = parsed("Subject: Anfrage", body=body)
    assert [box.address for box in envelope.forwarded] == ["eva@kunde.example"]
    assert envelope.text == "siehe unten"


def test_a_forward_of_a_forward_names_both_outermost_first() -> None:
    inner = GMAIL.format(who="Kunde <k@kunde.example>")
    body = GMAIL.format(who="Max <max@own.example>").replace("We would like an offer.", inner)
    envelope = parsed("Subject: Fwd: Fwd: Anfrage", body=body)
    assert [box.address for box in envelope.forwarded] == ["max@own.example", "k@kunde.example"]


@pytest.mark.parametrize(
    "body",
    [
        "Thanks!\n\nOn 5 Feb 2024, Eva <eva@kunde.example> wrote:\n> hello\n",
        "Thanks!\n\nFrom: Eva <eva@kunde.example>\nSent: Monday\nTo: us@own.example\nSubject: Anfrage\n\nhello\n",
    ],
)
def test_a_plain_reply_is_no_forward(body: str) -> None:
    assert parsed("Subject: Re: Anfrage", body=body).forwarded == ()


def test_a_reply_to_a_forward_is_no_forward() -> None:
    body = (
        "Ok!\n\nOn 5 Feb 2024, Max <max@own.example> wrote:\n> see below\n>\n> ---------- Forwarded message ---------\n"
        "> From: Eva <eva@kunde.example>\n> Subject: x\n"
    )
    assert parsed("Subject: Re: Fwd: Anfrage", body=body).forwarded == ()


def test_an_html_only_outlook_forward_names_the_inner_sender() -> None:
    html = (
        "<p>FYI</p><div style='border-top:solid #E1E1E1 1.0pt'><p><b>From:</b> Eva Müller &lt;<a href="
        "'mailto:eva@kunde.example'>eva@kunde.example</a>&gt;<br><b>Sent:</b> Monday<br><b>To:</b> us@own.example<br>"
        "<b>Subject:</b> Anfrage</p></div><p>offer?</p>"
    )
    envelope = parsed("Subject: FW: Anfrage", "Content-Type: text/html; charset=utf-8", body=html)
    assert [(box.address, box.name) for box in envelope.forwarded] == [("eva@kunde.example", "Eva Müller")]
    assert envelope.text == "FYI"


def test_the_fingerprint_outlives_folding_line_ends_and_transfer_encoding() -> None:
    fields = ("Subject: Offer for you", "Date: Mon, 5 Feb 2024 10:00:00 +0100")
    one = parsed(*fields, "Message-ID: <1@x>", body="Grüße aus\r\nKöln ")
    two = parse_message(
        RawMessage(
            source=mail(
                "Date: Mon, 5 Feb 2024 09:00:00 +0000",
                "Subject: Offer\r\n for you",
                "Content-Transfer-Encoding: quoted-printable",
                body="Gr=C3=BC=C3=9Fe aus K=C3=B6ln",
            ).replace(b"\r\n", b"\n")
        )
    )
    assert one.fingerprint == two.fingerprint
    assert len(one.fingerprint) == 64


@pytest.mark.parametrize(
    "other",
    [
        ("Subject: Offer two", "Date: Mon, 5 Feb 2024 10:00:00 +0100"),
        ("Subject: Offer", "Date: Mon, 5 Feb 2024 10:00:01 +0100"),
        ("Subject: Offer", "Date: Mon, 5 Feb 2024 10:00:00 +0100", "From: other@acme.example"),
    ],
)
def test_the_fingerprint_tells_sender_second_and_subject_apart(other: tuple[str, ...]) -> None:
    one = parsed("Subject: Offer", "Date: Mon, 5 Feb 2024 10:00:00 +0100")
    assert one.fingerprint != parsed(*other).fingerprint


def test_a_lotus_notes_forward_names_the_inner_sender() -> None:
    body = (
        "FYI\n\n----- Forwarded by Max/OWN on 02/05/2024 10:00 AM -----\n\n"
        '"Eva" <eva@kunde.example> on 02/04/2024 09:00:00 AM\nTo: us@own.example\ncc:\nSubject: Anfrage\n\noffer?'
    )
    envelope = parsed("Subject: Anfrage", body=body)
    assert [box.address for box in envelope.forwarded] == ["eva@kunde.example"]
    assert envelope.text == "FYI"
