"""DDL of the full-text index: FTS5 on SQLite, a tsvector column with GIN on PostgreSQL. Used by migrations; queries
live in ``crm.search``.

Subject and people are apart from the text, because a viewer may see the first without the second.
"""

from __future__ import annotations

SQLITE = (
    """CREATE VIRTUAL TABLE communication_fts USING fts5(
        subject, people, text, detail = 'column',
        tokenize = "unicode61 remove_diacritics 2 categories 'L* N* Co Mn Mc'")""",
)
POSTGRES = (
    """CREATE TABLE communication_fts (
        rowid BIGINT PRIMARY KEY REFERENCES communication(id) ON DELETE CASCADE,
        head TSVECTOR NOT NULL, body TSVECTOR NOT NULL)""",
    "CREATE INDEX ix_communication_fts_head ON communication_fts USING gin (head)",
    "CREATE INDEX ix_communication_fts_body ON communication_fts USING gin (body)",
)
