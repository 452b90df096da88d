"""Invented people and companies for the corpus: names in many scripts, with the address they would have. No real
persons."""

from __future__ import annotations

import random
import unicodedata

LATIN = ["Jane", "John", "Maria", "Peter", "Anna", "Thomas", "Laura", "Michael", "Sarah", "David", "Julia", "Daniel", "Sophie", "Robert", "Emma", "William", "Olivia", "James", "Katharina", "Stefan", "Ingrid", "Lars", "Freja", "Henrik", "Camille", "Étienne", "Chloé", "Benoît", "Lucía", "José", "Ángel", "Íñigo", "Giulia", "Matteo", "Beatriz", "João", "Inês", "Tomáš", "Jiří", "Zoë", "Łukasz", "Agnieszka", "Małgorzata", "László", "Ágnes", "Ștefan", "Ioana", "Søren", "Åsa", "Øyvind", "Þóra", "Mehmet", "Ayşe", "Nguyễn", "Linh", "Siobhán", "Pádraig", "Rhys", "Angharad", "Marko", "Jovana", "Eglė", "Jānis", "Mairi", "Björn", "Jürgen", "Jörg", "Käthe"]
SURNAMES = ["Doe", "Smith", "Brown", "Müller", "Schröder", "Weiß", "Becker", "O'Brien", "McCarthy", "van_Dijk", "de_Vries", "Lefèvre", "Dupont", "Girard", "García", "López", "Núñez", "Ibáñez", "Rossi", "Ferrari", "Conti", "Silva", "Araújo", "Gonçalves", "Novák", "Dvořák", "Kowalski", "Wiśniewski", "Nagy", "Szabó", "Popescu", "Ionescu", "Jensen", "Sørensen", "Ødegård", "Lindqvist", "Virtanen", "Yılmaz", "Öztürk", "Trần", "Phạm", "Fitzgerald", "Llewellyn", "Petrović", "Kazlauskas", "Bērziņš", "Macdonald", "Ångström", "Grüßner", "Bauer-Hartmann", "Saint-Clair", "Abernathy", "Whitcombe", "Ashdown", "Pemberton", "Castellano", "Delacroix"]
OTHER = {
    "cyrillic": (["Анна", "Иван", "Ольга", "Дмитрий", "Наталья", "Сергей"], ["Иванова", "Петров", "Смирнова", "Кузнецов", "Шевченко"]),
    "greek": (["Μαρία", "Γιώργος", "Ελένη", "Νίκος"], ["Παπαδόπουλος", "Ιωάννου", "Δημητρίου", "Οικονόμου"]),
    "han": (["伟", "芳", "娜", "秀英", "敏", "静"], ["王", "李", "张", "刘", "陈", "杨"]),
    "japanese": (["太郎", "花子", "健一", "美咲", "翔"], ["山田", "佐藤", "鈴木", "高橋", "田中"]),
    "hangul": (["민수", "지영", "서연", "현우"], ["김", "이", "박", "최", "정"]),
    "arabic": (["محمد", "فاطمة", "أحمد", "ليلى"], ["الحسن", "منصور", "حداد", "نجار"]),
    "hebrew": (["דוד", "רחל", "יוסף", "מרים"], ["כהן", "לוי", "מזרחי", "פרץ"]),
    "devanagari": (["राज", "प्रिया", "अमित", "सुनीता"], ["शर्मा", "वर्मा", "गुप्ता", "सिंह"]),
    "thai": (["สมชาย", "มาลี", "ประเสริฐ"], ["ใจดี", "ศรีสุข", "ทองคำ"]),
}
TITLES = (
    "Head of Purchasing", "Sales Manager", "Geschäftsführer", "Directrice commerciale", "Procurement Lead",
    "Software Engineer", "Office Manager", "Responsable achats", "Chief Operating Officer", "Einkäuferin",
)  # fmt: skip
WORDS = ["north", "bright", "clear", "stone", "river", "iron", "maple", "harbor", "summit", "cedar", "amber", "falcon", "delta", "orbit", "pixel", "quartz", "solar", "timber", "velvet", "willow", "zephyr", "anchor", "beacon", "copper", "drift", "ember", "fjord", "granite", "helix", "indigo", "jasper", "karst", "lumen", "meadow"]
TRADES = (
    ["works", "systems", "logistics", "foods", "labs", "energy", "textiles", "consulting", "media", "pharma", "tools", "robotics", "paper", "optics"]
)
SUFFIXES = ("example", "example", "example", "test", "co.uk", "com.au", "de", "fr", "com.br", "co.jp", "io")
FREEMAIL = (
    "gmail.com",
    "gmx.de",
    "outlook.com",
    "yahoo.co.uk",
    "web.de",
    "proton.me",
    "orange.fr",
    "qq.com",
    "mail.ru",
)


def name(rng: random.Random) -> tuple[str, str, str]:
    """First name, last name and script; four in five are Latin."""
    if rng.random() < 0.8:
        return rng.choice(LATIN), rng.choice(SURNAMES).replace("_", " "), "latin"
    script = rng.choice(sorted(OTHER))
    first, last = OTHER[script]
    return rng.choice(first), rng.choice(last), script


def full(first: str, last: str, script: str) -> str:
    """The name as its bearer writes it: family name first where that is the custom."""
    if script in ("han", "japanese", "hangul"):
        return f"{last}{first}" if script != "japanese" else f"{last} {first}"
    return f"{first} {last}"


def header_form(first: str, last: str, script: str, rng: random.Random) -> str:
    """The name as mail programs show it: plain, "Last, First", or with a title."""
    form = rng.random()
    if script != "latin" or form < 0.7:
        return full(first, last, script)
    if form < 0.85:
        return f"{last}, {first}"
    return f"{rng.choice(('Dr.', 'Prof.', 'Mr', 'Frau'))} {first} {last}"


def local_part(first: str, last: str, script: str, number: int, rng: random.Random) -> str:
    """A local part as companies make them; for scripts without ASCII letters a romanised stand-in."""
    plain = _ascii(first), _ascii(last)
    if script != "latin" or not all(plain):
        return f"user{number}"
    return rng.choice((f"{plain[0]}.{plain[1]}", f"{plain[0][0]}{plain[1]}", f"{plain[1]}.{plain[0]}"))


def _ascii(text: str) -> str:
    table = str.maketrans({"ß": "ss", "ø": "o", "Ø": "o", "ł": "l", "Ł": "l", "þ": "th", "Þ": "th", "ı": "i"})
    plain = unicodedata.normalize("NFKD", text.translate(table)).encode("ascii", "ignore").decode().lower()
    return "".join(char for char in plain if char.isalnum())


def company(rng: random.Random, number: int) -> tuple[str, str]:
    """A company's name and main domain, unique by number; one in thirty has an international domain."""
    one, two = rng.choice(WORDS), rng.choice(TRADES)
    if rng.random() < 0.03:
        return f"Müller & Söhne {number}", f"müller-{one}{number}.example"
    return f"{one.title()} {two.title()} {number}", f"{one}{two}{number}.{rng.choice(SUFFIXES)}"
