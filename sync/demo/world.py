"""The demo's world: the team, its companies, people and deals. Values only, drawn from one seeded generator."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

SEED = 20_260_301
OWN = "harbourline.example"
PASSWORD = "harbour-demo-2026"  # noqa: S105 - the demo's sign-in, printed at its start

COMPANIES = (
    ("Nordhavn AB", "nordhavn.example", "SE"), ("Brightwell Ltd", "brightwell.example", "GB"),
    ("Kitayama", "kitayama.example", "JP"), ("Telfa Ltd", "telfa.example", "GB"), ("Solmar", "solmar.example", "PT"),
    ("Vinhas", "vinhas.example", "PT"), ("Agência Sol", "agencia-sol.example", "PT"), ("Ferrox GmbH", "ferrox.example", "DE"),
    ("Lumière & Fils", "lumiere.example", "FR"), ("Oakridge Foods", "oakridge.example", "GB"),
    ("Aurora Shipping", "aurora-shipping.example", "NO"), ("Delta Optics", "delta-optics.example", "US"),
    ("Bergmann Technik", "bergmann.example", "DE"), ("Casa Verde", "casaverde.example", "ES"),
    ("Polaris Labs", "polaris.example", "FI"), ("Tideway Marine", "tideway.example", "GB"),
    ("Kovač d.o.o.", "kovac.example", "HR"), ("Nile Textiles", "nile-textiles.example", "EG"),
    ("Sapphire Hotels", "sapphire-hotels.example", "GR"), ("Quanta Freight", "quanta.example", "NL"),
    ("Meridian Health", "meridian.example", "IE"), ("Silva Papers", "silva-papers.example", "BR"),
    ("Hansen Møbler", "hansen.example", "DK"), ("Altai Mining", "altai.example", "KZ"), ("Bluefin Bank", "bluefin.example", "GB"),
    ("Cedar Clinics", "cedar.example", "GB"), ("Drava Energy", "drava.example", "SI"), ("Emberly", "emberly.example", "GB"),
    ("Fjord Dairy", "fjord-dairy.example", "NO"), ("Gulmohar Steel", "gulmohar.example", "IN"),
    ("Halcyon Travel", "halcyon.example", "GB"), ("Indigo Print", "indigo-print.example", "GB"),
    ("Jasper Law", "jasper-law.example", "GB"), ("Kestrel Air", "kestrel.example", "IE"), ("Lotus Tea", "lotus-tea.example", "LK"),
    ("Marble Arch Media", "marble-arch.example", "GB"), ("Nimbus Cloud", "nimbus.example", "US"),
    ("Orchard Schools", "orchard.example", "GB"), ("Pinewood Homes", "pinewood.example", "GB"), ("Rowan Garden", "rowan.example", "GB"),
)  # fmt: skip
NAMES = (
    "Erik Dahl", "Sofia Berg", "山田 太郎", "佐藤 花子", "Marc Oyelaran", "Priscila Duarte", "João Ferreira", "Hanna Schäfer",
    "Élodie Martin", "Tom Ackroyd", "Ingrid Solheim", "Grace Whitfield", "Jürgen Vogt", "Lucía Navarro", "Aino Korhonen",
    "Peter Marsh", "Ivana Horvat", "أحمد منصور", "Ελένη Παπαδοπούλου", "Daan de Vries", "Niamh Byrne", "Rafael Silva",
    "Mette Sørensen", "Алексей Ким", "Olivia Hart", "Samuel Okafor", "Maja Zupan", "Chloe Bennett", "Lars Nilsen", "आनंद राव",
    "Helen Frost", "Rhys Morgan", "Amelia Stone", "Conor Walsh", "Dilani Perera", "Victor Lane", "Kim Park", "Ruth Adler",
    "George Penn", "Isla Reid", "Anna Keller", "Ben Carter", "Clara Weiss", "David Osei", "Eva Lind", "Frank Moore", "Gina Rossi",
    "Hugo Blanc", "Iris Wong", "Jack Turner", "Katarzyna Nowak", "Leo Fischer", "Maria Costa", "Noah Evans", "Olga Petrova",
    "Paul Jensen", "Quinn Doyle", "Rosa Marín", "Stefan Krüger", "Tara Singh", "Uwe Brandt", "Vera Novak", "Will Harper",
    "Yuki Mori", "Zoe Clark", "Adam Price", "Beth Ellis", "Carl Strand", "Diana Popescu", "Edward Knight", "Fatima Zahra",
    "Gustav Holm", "Hilda Krog", "Ian Mercer", "Julia Bauer", "Kofi Mensah", "Laura Bianchi", "Max Richter", "Nora Quist", "Omar Haddad",
)  # fmt: skip
TITLES = ("Head of Operations", "Managing Director", "Buyer", "Finance Lead", "IT Manager", "Project Manager")
SOURCES = ("fair", "website", "referral", "website", "cold call")
STAGES = ("Lead", "Qualified", "Proposal", "Negotiation")


@dataclass(frozen=True, slots=True)
class Rep:
    """One of the team."""

    name: str
    address: str
    role: str = "rep"
    aliases: tuple[str, ...] = ()


TEAM = (
    Rep("Priya Raman", f"priya@{OWN}", "rep", (f"p.raman@{OWN}",)),
    Rep("Jonas Weber", f"jonas@{OWN}"),
    Rep("Mia Clarke", f"mia@{OWN}"),
    Rep("Alex Morgan", f"alex@{OWN}", "manager"),
)
REPS = TEAM[:3]
ADMIN = Rep("Dana Fox", f"dana@{OWN}", "admin")
DROPBOX = f"log@{OWN}"


@dataclass(frozen=True, slots=True)
class Person:
    """A contact of the demo's directory, or (``known`` False) somebody review should ask about."""

    name: str
    address: str
    company: str
    domain: str
    rep: Rep
    title: str
    phone: str
    others: tuple[str, ...] = ()
    known: bool = True


@dataclass(frozen=True, slots=True)
class DemoDeal:
    """An open or closed deal; ``age`` and ``closed`` in days before today."""

    title: str
    company: str
    domain: str
    people: tuple[Person, ...]
    stage: str
    value: int
    rep: Rep
    age: int
    closed: int | None = None
    number: str = ""
    currency: str = "GBP"
    source: str = "fair"


@dataclass(slots=True)
class World:
    """All of it. ``random`` goes on being drawn from by whoever writes the mails."""

    random: random.Random
    people: list[Person] = field(default_factory=list)
    deals: list[DemoDeal] = field(default_factory=list)

    def at(self, domain: str, *, known: bool = True) -> list[Person]:
        """The people of one company."""
        return [p for p in self.people if p.domain == domain and p.known is known]


def local(name: str, index: int) -> str:
    """The part before the @ for a name in any script."""
    plain = "".join(c for c in name.lower().replace(" ", ".") if c.isascii() and (c.isalnum() or c == "."))
    return plain.strip(".") if len(plain.strip(".")) > 3 else f"contact{index}"


def build() -> World:
    """The same world at every call."""
    draw = random.Random(SEED)  # noqa: S311 - a demo, not a secret
    world = World(draw)
    for index, (company, domain, _) in enumerate(COMPANIES):
        rep = REPS[index % 3]
        for n in range(2):
            i = index * 2 + n
            name = NAMES[i % len(NAMES)]
            phone = f"+44 20 7946 0{i:03d}"
            title = TITLES[i % len(TITLES)]
            world.people.append(Person(name, f"{local(name, i)}@{domain}", company, domain, rep, title, phone))
        if index % 4 == 0:
            name = f"{draw.choice(('Anna', 'Liam', 'Sara', 'Viktor', 'Nadia'))} {draw.choice(('Lindqvist', 'Moss', 'Vale', 'Crane'))}"
            world.people.append(
                Person(name, f"{local(name, 900 + index)}{index}@{domain}", company, domain, rep, "Assistant", "", known=False)
            )
    _deals(world)
    return world


def _deals(world: World) -> None:
    """Twelve in Proposal worth £90,000 together; others around them; one won lately, two companies with two open."""
    proposal = [18_000, 12_000, 9_000, 7_500, 7_000, 6_500, 6_000, 6_000, 5_500, 5_000, 4_500, 3_000]
    for index, value in enumerate(proposal):
        _deal(world, index, f"{COMPANIES[index][0]} pilot", "Proposal", value, age=60 + index)
    for index in range(12, 30):
        stage = STAGES[index % 4 if index % 4 != 2 else 3]
        _deal(world, index, f"{COMPANIES[index][0]} rollout", stage, 1_000 * (index % 9 + 2), age=40 + index)
    _deal(world, 0, "Nordhavn renewal", "Negotiation", 22_000, age=50)
    _deal(world, 7, "Ferrox spare parts", "Qualified", 4_200, age=45)
    _deal(world, 30, "Halcyon tours", "Won", 11_000, age=120, closed=6)
    _deal(world, 31, "Indigo folding line", "Lost", 8_000, age=140, closed=50)
    _past(world)


def _past(world: World) -> None:
    """A year of deals that came to an end: two won a month, one lost, some in euro, some customers again and again."""
    for month in range(12):
        for n in range(3):
            index = 31 + (month * 5 + n * 3) % 9
            closed = 30 * month + 9 + 7 * n
            title = f"{COMPANIES[index][0]} {('starter', 'extension', 'service year', 'second site')[(month + n) % 4]}, {month + 1}"
            value = 1_500 + 700 * ((month * 7 + n * 5) % 11)
            stage, currency = "Lost" if n == 2 else "Won", "EUR" if index % 4 == 0 else "GBP"
            _deal(world, index, title, stage, value, age=closed + 25 + 6 * ((month + 2 * n) % 7), closed=closed, currency=currency)


def _deal(
    world: World, index: int, title: str, stage: str, value: int, *, age: int, closed: int | None = None, currency: str = "GBP"
) -> None:
    company, domain, _ = COMPANIES[index]
    people = tuple(world.at(domain)[:1])
    number = f"D-{2000 + len(world.deals)}"
    source = SOURCES[len(world.deals) % len(SOURCES)]
    world.deals.append(DemoDeal(title, company, domain, people, stage, value, REPS[index % 3], age, closed, number, currency, source))
