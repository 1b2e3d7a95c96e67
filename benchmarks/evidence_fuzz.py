"""Mutated workbooks, PDFs, CSV and JSON through the readers of the evidence intake: a result or a refusal, in time.

Here: seeded mutations (flipped bits, cuts, parts and XML edited, numbers and texts swapped) of files built by the
tests' kit, and a count of what came of them. Any other exception, and any case slower than the bound, is a finding;
the processor's time is measured, nothing is killed. Run: `nice python benchmarks/evidence_fuzz.py [COUNT] [--seed N]`.
A sample of the same cases is among the tests (`tests/evidence/test_reading_fuzz.py`).
"""

from __future__ import annotations

import argparse
import datetime as dt
import random
import re
import sys
import time
import traceback
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "evidence"))

import signing_kit as kit
from reading_kit import DATE, FACTS, PERCENT, TCVN3, UNITS, C, assessment, book, framework, pack, pdf, scores

from dti_pipeline.evidence.model import Refused
from dti_pipeline.evidence.reading import check_evidence_file, read_report, sniff
from dti_pipeline.evidence.signatures.check import check_signatures
from dti_pipeline.evidence.signatures.registry import signers_of
from dti_pipeline.evidence.signatures.trust import trust_of

SEED = 20261122
ARRIVED = dt.datetime(2026, 11, 22, tzinfo=dt.timezone(dt.timedelta(hours=7)))
BOUND_SECONDS = 2.0
"""Of processor time; a case that takes longer is reported; the files are small, so a good reader needs milliseconds."""

VALUES: tuple[object, ...] = (
    "1.234", "1.234,56", "-1", "1e999", "NaN", "", " ", "\xa0", "0,5", "85 %", "9" * 400, "=1+1", "@SUM(A1)",
    "_x0000_", "_xD800_", "Đã ban hành", "Kh«ng cã", "Coâng ngheä", "\u202e", "../../x", "con",
    "a" * 40_000, 0, -1, 1e308, 1e-308,
    0.85, C("#DIV/0!", t="e"), C(None, formula="A1"), C(1, t="b"), C(46347, style=DATE), C(0.85, style=PERCENT),
    C("x", t="n"), C("7", t="s"), C("zz", style=TCVN3), C("1", t="d"), C("99999999", t="q"), C(2**70),
    C("1" * 5000, t="n"),
)  # fmt: skip
FRAGMENTS: tuple[bytes, ...] = (
    b"<!DOCTYPE x [<!ENTITY a 'b'>]>", b"&a;", b"&#0;", b"&#xD800;", b"<![CDATA[", b"-->", b"<", b">", b'"',
    b"\0", b"\xff\xfe", b"<c r='A1'>", b"</row>", b'<row r="1048576">', b'<mergeCell ref="A1:XFD1048576"/>',
    b"<f>[1]x!A1</f>",
    b"<v>1e99999</v>", b'encoding="utf-7"', b'<?xml version="1.0" encoding="utf-16"?>', b"/JavaScript",
    b"/Encrypt 1 0 R",
    b"/Kids [2 0 R 2 0 R]", b"99999999999999999999", b"-1", b"/Length 999999999", b"stream\n", b"endobj", b"%%EOF",
    b"startxref\n0\n", b"obj",
    b"/Pages", b"/Prev 0", b"/XRefStm 9", b"<< " * 3000, b"[" * 3000, b"/Filter /FlateDecode", b"R R R",
)  # fmt: skip


def base_pdfs() -> list[bytes]:
    """PDFs of one and of several pages, signed once and twice, with a form, with an action."""
    person = kit.issue({"CN": "Nguyễn Văn Thử"}, None, authority=True)
    signed = kit.sign(kit.plain_pdf(2), person, "Lanh_dao", ARRIVED)
    return [
        signed,
        kit.sign(signed, person, "Co_quan", ARRIVED),
        pdf(1),
        pdf(12),
        pdf(2, "/AcroForm << /Fields [] /SigFlags 3 >>"),
        pdf(2, "/OpenAction [3 0 R /Fit]"),
    ]


ENTRIES: tuple[str, ...] = (
    "", "/Kids [2 0 R]", "/Kids 5", "/Kids [1 2 (x)]", "/Type /Pages", "/Pages 3 0 R", "/Parent 1 0 R",
    "/OpenAction 1 0 R",
    "/AA << /O 1 0 R >>", "/AA << /O << /S /Launch >> >>", "/Names 3 0 R", "/Names [1]", "/Count -1", "/Kids << >>",
    "/AcroForm << /Fields [3 0 R] /SigFlags 3 >>", "/AcroForm 3 0 R", "/FT /Sig /V 1 0 R",
    "/FT /Sig /V << /Type /Sig >>",
    "/FT /Sig /T (a) /V << /Type /Sig /Filter /Adobe.PPKLite /ByteRange [0 9 9 9] /Contents <3000> >>",
    "/Annots [3 0 R]", "/Perms << /DocMDP 3 0 R >>", "/DSS 1 0 R", "/Extensions 9", "/Version (x)", "/Metadata 1 0 R",
)  # fmt: skip
"""Entries of a catalogue and of pages that say odd things."""


def _workbook(rng: random.Random) -> bytes:
    table = scores(v11a=200, v11b=150, v12p=85, v13o="Đã ban hành", v14x="1,5", v14_2x=2)
    for _ in range(rng.randrange(4)):
        row = rng.randrange(len(table))
        line = table[row]
        line += [None] * rng.randrange(4)
        for _ in range(rng.randrange(3)):
            if line:
                line[rng.randrange(len(line))] = rng.choice(VALUES)
    built = book(table)
    if rng.random() < 0.3:
        first, last = rng.randrange(1, 12), rng.randrange(1, 12)
        built.merged = (f"A{first}:K{last}", rng.choice(["F4:F5", "A1", "A1:", "Z9:A1", "A1:XFD1048576", "??"]))
    if rng.random() < 0.2:
        facts = [list(line) for line in FACTS]
        facts[rng.randrange(len(facts))].append(rng.choice(VALUES))
        built.sheets["Thông tin chung"] = (facts, rng.choice(["visible", "hidden", "x"]))
    parts = built.parts()
    for _ in range(rng.choice((0, 0, 1, 1, 2))):
        _edit_parts(parts, rng)
    return pack(parts, rng.choice([zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED]))


def _edit_parts(parts: dict[str, bytes], rng: random.Random) -> None:
    # The sheets most of all: what stops at the workbook's outline tells nothing about them.
    sheets = [name for name in parts if "sheet" in name or "Strings" in name]
    name = rng.choice(sheets if sheets and rng.random() < 0.6 else list(parts))
    content = parts[name]
    match rng.randrange(9):
        case 0 if rng.random() < 0.4:
            del parts[name]
            if not parts:
                parts["x"] = b""
        case 1:
            parts[name] = _bytes(content, rng)
        case 2:
            at = rng.randrange(len(content) + 1)
            parts[name] = content[:at] + rng.choice(FRAGMENTS) + content[at:]
        case 3:
            numbers = list(re.finditer(rb"[0-9]+", content))
            if numbers:
                found = rng.choice(numbers)
                new = rng.choice([b"0", b"-1", b"99999999", b"4294967296", b"1e5", b"x"])
                parts[name] = content[: found.start()] + new + content[found.end() :]
        case 4:
            elements = list(re.finditer(rb"<[^<>]+>", content))
            if elements:
                first, second = rng.choice(elements), rng.choice(elements)
                parts[name] = content[: first.start()] + second[0] + content[first.end() :]
        case 5 if rng.random() < 0.4:
            strange = [
                "../x",
                "/x",
                "C:x",
                "a\\b",
                "xl/vbaProject.bin",
                "xl/embeddings/o.bin",
                "xl/media/i.zip",
                "x" * 300,
            ]
            parts[rng.choice(strange)] = rng.choice([b"", b"PK\x03\x04", b"MZ", content])
        case 6:
            texts = list(re.finditer(rb">[^<>]+<", content))
            if texts:
                first, second = rng.choice(texts), rng.choice(texts)
                parts[name] = content[: first.start()] + second[0] + content[first.end() :]
        case 7:
            attributes = list(re.finditer(rb' [a-z:]+="[^"]*"', content))
            if attributes:
                found = rng.choice(attributes)
                parts[name] = content[: found.start()] + content[found.end() :]
        case _:
            other = rng.choice(list(parts))
            parts[name], parts[other] = parts[other], content


def _bytes(content: bytes, rng: random.Random) -> bytes:
    """Bits flipped, a cut, a piece taken out, doubled or moved."""
    data = bytearray(content)
    if not data:
        return bytes(data)
    match rng.randrange(5):
        case 0 | 1:
            for _ in range(rng.randrange(1, 12)):
                data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        case 2:
            del data[rng.randrange(len(data)) :]
        case 3:
            at = rng.randrange(len(data))
            del data[at : at + rng.randrange(1, 200)]
        case _:
            at, to = rng.randrange(len(data)), rng.randrange(len(data))
            data[to:to] = data[at : at + rng.randrange(1, 400)]
    return bytes(data)


def _pdf(rng: random.Random, bases: list[bytes]) -> bytes:
    if rng.random() < 0.4:
        # Odd objects behind a cross-reference table that fits them.
        content = pdf(rng.randrange(5), rng.choice(ENTRIES), rng.choice(ENTRIES))
    else:
        content = rng.choice(bases)
    for _ in range(rng.randrange(3)):
        choice = rng.random()
        if choice < 0.3:
            content = _bytes(content, rng)
        elif choice < 0.7:
            # In place, so that the table goes on fitting.
            numbers = list(re.finditer(rb"[0-9]+", content))
            if numbers:
                found = rng.choice(numbers)
                new = "".join(rng.choice("0123456789") for _ in found[0]).encode()
                content = content[: found.start()] + new + content[found.end() :]
        else:
            at = rng.randrange(len(content) + 1)
            content = content[:at] + rng.choice(FRAGMENTS) + content[at:]
    return content


_CSV = (
    "unit,unit_name,criterion,input,value,state,self_score,explanation,evidence,pages,not_applicable\n"
    'H00.01,Sở Một,1.1,a,200,reported,7.5,"Đủ, rõ",a.pdf,3,\nH00.01,Sở Một,1.1,b,150,reported,,,,,\n'
    "H00.02,Sở Hai,1.3,o,yes,reported,,,,,\n"
).encode()
_JSON = (
    '{"assessment": "thu-2026-h00", "reports": [{"unit": "H00.01", "cells": [{"criterion": "1.1", "inputs": {"a": '
    '"12", "b": 12}, "self_score": 7.5, "explanation": "x", "evidence": [{"file": "a.pdf", "pages": "3"}]}, '
    '{"criterion": "1.3", "inputs": {"o": {"state": "missing"}}, "not_applicable": "x"}], "facts": {"Địa chỉ": "1"}}]}'
).encode()


def cases(count: int, seed: int = SEED) -> Iterator[tuple[str, bytes]]:
    """(file name, bytes): six of ten workbooks, three PDFs, the rest CSV and JSON; the same for the same arguments."""
    bases = base_pdfs()
    for number in range(count):
        rng = random.Random(f"{seed}/{number}")
        kind = number % 10
        if kind < 6:
            body = _workbook(rng)
            if rng.random() < 0.15:
                body = _bytes(body, rng)  # mostly stopped by the container's sums
            yield f"bao-cao-{number}.xlsx", body
        elif kind < 9:
            yield f"minh-chung-{number}.pdf", _pdf(rng, bases)
        else:
            name, content = rng.choice([("csv", _CSV), ("json", _JSON)])
            for _ in range(rng.randrange(1, 4)):
                content = _bytes(content, rng)
            yield f"bao-cao-{number}.{name}", content


def readers() -> list[tuple[str, Callable[[str, bytes], str]]]:
    """What every case goes through: (name, function that gives the outcome in a word)."""

    def sniffed(name: str, body: bytes) -> str:
        return "report" if sniff(body, name).is_report_candidate else "evidence"

    def report(name: str, body: bytes) -> str:
        if name.endswith(".pdf"):
            return "-"
        found = read_report(body, name, assessment(), framework(), UNITS)
        repr(found).encode()  # nothing in it that cannot be stored
        return "problems" if any(item.is_error for item in found.problems) else "clean"

    def evidence(name: str, body: bytes) -> str:
        return check_evidence_file(body, name).media_type.rpartition("/")[2][-12:]

    def signatures(name: str, body: bytes) -> str:
        if not name.endswith(".pdf"):
            return "-"
        found = check_signatures(
            body,
            unit="H00.01",
            required=("leader", "organisation"),
            signers=signers,
            trust=trust,
            arrived_at=ARRIVED,
            deadline=None,
        )
        return found.verdict.value

    signers, trust = signers_of((), ()), trust_of()
    return [
        ("sniff", sniffed),
        ("read_report", report),
        ("check_evidence_file", evidence),
        ("check_signatures", signatures),
    ]


def run(count: int, seed: int = SEED) -> tuple[Counter[str], list[str], float]:
    """Outcomes by reader, findings in words, and the slowest case in seconds."""
    outcomes: Counter[str] = Counter()
    findings: list[str] = []
    slowest = 0.0
    for name, body in cases(count, seed):
        for label, reader in readers():
            start = time.process_time()
            try:
                outcome = reader(name, body)
            except Refused as refusal:
                outcome = "refused" if str(refusal).strip() else "refused without words"
            except Exception:  # noqa: BLE001 - finding them is what this is for
                outcome = "CRASH"
                findings.append(f"{name}, {label}: {traceback.format_exc(limit=-12)}")
            taken = time.process_time() - start
            slowest = max(slowest, taken)
            if taken > BOUND_SECONDS:
                findings.append(f"{name}, {label}: {taken:.1f} s")
            if outcome != "-":
                outcomes[f"{label}: {outcome}"] += 1
    return outcomes, findings, slowest


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("count", type=int, nargs="?", default=20_000)
    parser.add_argument("--seed", type=int, default=SEED)
    arguments = parser.parse_args()
    start = time.perf_counter()
    outcomes, findings, slowest = run(arguments.count, arguments.seed)
    for label, number in sorted(outcomes.items()):
        print(f"{number:8,}  {label}")
    print(f"{arguments.count:,} cases in {time.perf_counter() - start:.0f} s, the slowest {slowest * 1000:.0f} ms")
    for finding in findings[:20]:
        print(finding)
    print(f"{len(findings)} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    raise SystemExit(main())
