"""Landing files of rows good and bad, mangled at random."""

import random

from ingestor_files import columns, file, row

from libs.entities import ENTITIES, contract_of

TEXTS = [
    "", "0", "-0", "-0.0", "00", "1", "-1", "1.5", "1.50", "01.5", "1.2345", "1.23456", "-0.01", "0.0", "1e3", "+1",
    "1_0",
    " 1", "99999999999999.9999", "100000000000000", "9223372036854775807", "9223372036854775808", "true", "True",
    "2025-11-15T09:30:00Z", "2025-11-15T09:30:00.5Z", "2025-11-15T09:30:00.500000Z", "2025-11-15T09:30:00.000000Z",
    "2025-11-15T10:30:00+01:00", "2025-11-15T09:30:00", "2025-02-29T00:00:00Z", "2024-02-29T00:00:00Z",
    "2025-11-16T23:59:59Z", "2025-11-17T00:00:00Z", "1900-01-01T00:00:00Z", "2199-12-31T23:59:59Z", "EUR", "JPY", "KWD",
    "CLF", "XXX", "DE", "ZZ", "sale", "return", "adjustment", "payment", "created", "settled", "card", "A1", "a,b",
    'a"b',
    '"', "a\nb", "a\rb", "a\r\nb", " x", "é", "٣", "\ufeffx", "NULL", "x" * 129, "#c", "'", "\t", "\u2028", "1970",
]  # fmt: skip
BYTES = [
    b"", b"\n", b"\r", b"\r\n", b'"', b'""', b",", b",,", b"\0", b"\xff", b"\xc3", "é€".encode(), b" ", b"-", b"0",
    b"#",
    b"9", b"1e3", b"\xef\xbb\xbf", b'"a\nb"', b'"x"', b"Z", b".", b"x" * 200, b'",\n"', b'\n"', b"\r\r\n", b"\n\n",
    b"\\",
]  # fmt: skip


def random_rows(entity: str, rng: random.Random, count: int) -> list[dict[str, str]]:
    names, key = columns(entity), contract_of(entity).key[0]
    rows = []
    for _ in range(count):
        changes = {rng.choice(names): rng.choice(TEXTS) for _ in range(rng.choice([0, 0, 0, 1, 1, 2]))}
        rows.append(row(entity, **{key: f"K{rng.randrange(2 * count)}"} | changes))
    return rows


def random_file(rng: random.Random, entity: str = "") -> tuple[str, bytes]:
    """A file of rows good and bad, its header and its bytes mangled at random."""
    entity = entity or rng.choice(sorted(ENTITIES))
    names = columns(entity)
    rows = random_rows(entity, rng, rng.choice([0, 1, 5, 40]))
    match rng.randrange(8):
        case 0:
            rng.shuffle(names)
        case 1:
            names.insert(rng.randrange(len(names)), "extra")
            rows = [{**one, "extra": rng.choice(TEXTS)} for one in rows]
        case 2:
            names.remove(rng.choice(names))
    data = file(entity, *rows, names=names)
    if rng.random() < 0.3:
        data = data.replace(b"\n", rng.choice([b"\r\n", b"\r", b"\n\n"]))
    if rng.random() < 0.2:
        data = b"\xef\xbb\xbf" + data
    mangled = bytearray(data)
    begin = 0 if rng.random() < 0.1 else data.find(b"\n") + 1
    for _ in range(rng.choice([0, 0, 1, 2, 5])):
        at = rng.randint(begin, len(mangled))
        mangled[at : at + rng.randrange(4)] = rng.choice(BYTES)
    return entity, bytes(mangled[: rng.choice([None, None, None, -1, -2])])
