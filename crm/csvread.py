"""Reads a CSV file row by row, whatever its encoding and delimiter, within limits. Knows nothing of contacts or
deals.

Encodings: a byte order mark decides; else UTF-8 if the file is valid UTF-8, else Windows-1252. The delimiter is the
one the header has most of: comma, semicolon, tab or bar. Facts: RFC 4180; docs.python.org "csv".
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

BYTES_MAX = 200 * 1024 * 1024
ROWS_MAX = 1_000_000
COLUMNS_MAX = 200
FIELD_MAX = 100_000
DELIMITERS = ",;\t|"
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"),
)  # fmt: skip


class BadFile(Exception):
    """The file as a whole can't be read. ``str()`` is one sentence."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row: the line it starts on (the header is line 1) and its values by header; or, when ``error`` is set, why
    it can't be read."""

    line: int
    values: dict[str, str]
    error: str = ""


class Table:
    """An open CSV file. ``headers`` are as written, blanks trimmed; ``rows`` can be walked once."""

    def __init__(self, source: Path | str | bytes) -> None:
        """``source``: a path, or the file's content as text or bytes. Raises BadFile."""
        self._stream = _open(source)
        sample = self._stream.read(64 * 1024)
        self._stream.seek(0)
        first = next((line for line in sample.splitlines() if line.strip()), "")
        if not first:
            raise BadFile("The file is empty.")
        self._reader = csv.reader(_clean(self._stream), delimiter=max(DELIMITERS, key=first.count))
        self.headers = self._header()

    def _header(self) -> list[str]:
        try:
            found = next((row for row in self._reader if any(cell.strip() for cell in row)), [])
        except csv.Error as error:
            raise BadFile(f"The header can't be read: {error}.") from error
        headers = [" ".join(cell.split()) for cell in found]
        if len(headers) > COLUMNS_MAX:
            raise BadFile(f"The file has {len(headers)} columns; at most {COLUMNS_MAX} are read.")
        named = [h.lower() for h in headers if h]
        if double := next((h for h in named if named.count(h) > 1), None):
            raise BadFile(f"The header names the column {double!r} twice.")
        return headers

    def rows(self) -> Iterator[Row]:
        """Rows that hold anything, in order. Raises BadFile when there are too many."""
        count = 0
        while True:
            line = self._reader.line_num + 1
            try:
                cells = next(self._reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield Row(line, {}, f"can't be read ({error})")
                continue
            if not any(cell.strip() for cell in cells):
                continue
            count += 1
            if count > ROWS_MAX:
                raise BadFile(f"The file has more than {ROWS_MAX} rows; cut it into several.")
            yield self._row(line, cells)

    def _row(self, line: int, cells: list[str]) -> Row:
        if any(cell.strip() for cell in cells[len(self.headers) :]):
            return Row(line, {}, f"has {len(cells)} values for {len(self.headers)} columns; a quote may be missing")
        if any(len(cell) > FIELD_MAX for cell in cells):
            return Row(line, {}, f"has a value of more than {FIELD_MAX} characters")
        values = {header: cell.strip() for header, cell in zip(self.headers, cells, strict=False) if header}
        return Row(line, values)


def _open(source: Path | str | bytes) -> io.TextIOBase:
    if isinstance(source, str):
        if len(source) > BYTES_MAX:
            raise BadFile(_too_big())
        return io.StringIO(source.removeprefix("\ufeff"), newline="")
    if isinstance(source, bytes):
        raw: io.BytesIO | io.BufferedReader = io.BytesIO(source)
        size = len(source)
    else:
        try:
            raw = source.open("rb")
            size = source.stat().st_size
        except OSError as error:
            raise BadFile(f"The file can't be read: {error.strerror}.") from error
    if size > BYTES_MAX:
        raise BadFile(_too_big())
    encoding = _encoding(raw)
    raw.seek(0)
    return io.TextIOWrapper(raw, encoding=encoding, errors="replace", newline="")


def _too_big() -> str:
    return f"The file is larger than {BYTES_MAX // 2**20} MB."


def _encoding(raw: io.BytesIO | io.BufferedReader) -> str:
    head = raw.read(4)
    raw.seek(0)
    for mark, name in _BOMS:
        if head.startswith(mark):
            return name
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        while block := raw.read(1 << 20):
            decoder.decode(block)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


def _clean(stream: io.TextIOBase) -> Iterator[str]:
    """Lines without NUL, and none longer than the limit of a whole row: a lost quote can't swallow the file."""
    limit = FIELD_MAX * 10
    while line := stream.readline(limit):
        yield line.replace("\0", "")
