"""The bench's mailbox: N mails in four folders, mixed sizes, one in ten with an attachment; seeded, so that every run
moves the same bytes."""

from __future__ import annotations

import base64
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

FOLDERS = ("INBOX", "Sent", "Customers", "Projects")
SHARES = (0.4, 0.25, 0.2, 0.15)
ADDRESS = "bench@ourco.example"
WORDS = "order delivery invoice meeting contract price offer change project week month team question answer".split()


def mails(count: int, seed: int = 7) -> Iterator[tuple[str, bytes]]:
    """(folder, message) pairs, oldest first."""
    draw = random.Random(seed)
    begin = datetime(2026, 11, 1, tzinfo=UTC) - timedelta(minutes=20 * count)
    for number in range(count):
        folder = draw.choices(FOLDERS, SHARES)[0]
        yield folder, _mail(draw, number, folder, begin + timedelta(minutes=20 * number))


def _mail(draw: random.Random, number: int, folder: str, at: datetime) -> bytes:
    person = draw.randrange(3000)
    customer = f"Person {person} <p{person}@c{person % 400}.example>"
    ours = f"Bench Rep <{ADDRESS}>"
    sender, reader = (ours, customer) if folder == "Sent" else (customer, ours)
    text = _text(draw, draw.choice((300, 800, 1500, 3000, 9000)))
    head = [
        f"From: {sender}",
        f"To: {reader}",
        f"Subject: {draw.choice(WORDS)} {draw.choice(WORDS)} {number // 3}",
        f"Date: {at:%a, %d %b %Y %H:%M:%S} +0000",
        f"Message-ID: <bench{number}@c{person % 400}.example>",
        "MIME-Version: 1.0",
        *(
            f"Received: from mx{n}.example (mx{n}.example [192.0.2.{n}]) by mail.example; {at:%a, %d %b %Y %H:%M:%S} +0000"
            for n in range(3)
        ),
    ]
    if number % 3:
        parent = f"<bench{number - number % 3}@c{person % 400}.example>"
        head += [f"In-Reply-To: {parent}", f"References: {parent}"]
    if draw.random() >= 0.1:
        body = _alternative(text) if draw.random() < 0.5 else ("Content-Type: text/plain; charset=utf-8\r\n\r\n" + text)
        return ("\r\n".join(head) + "\r\n" + body).encode()
    data = (
        base64.encodebytes(draw.randbytes(draw.choice((60_000, 150_000, 250_000, 400_000))))
        .decode()
        .replace("\n", "\r\n")
    )
    return (
        "\r\n".join(head) + '\r\nContent-Type: multipart/mixed; boundary="mix"\r\n\r\n--mix\r\n'
        f'Content-Type: text/plain; charset=utf-8\r\n\r\n{text}\r\n--mix\r\nContent-Type: application/pdf; name="f{number}.pdf"\r\n'
        f'Content-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename="f{number}.pdf"\r\n\r\n{data}\r\n--mix--\r\n'
    ).encode()


def _alternative(text: str) -> str:
    return (
        'Content-Type: multipart/alternative; boundary="alt"\r\n\r\n--alt\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n'
        f"{text}\r\n--alt\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<html><body><p>{text}</p></body></html>\r\n--alt--\r\n"
    )


def _text(draw: random.Random, size: int) -> str:
    lines = []
    while size > 0:
        line = " ".join(draw.choices(WORDS, k=11))
        lines.append(line)
        size -= len(line)
    return "\r\n".join(lines)
