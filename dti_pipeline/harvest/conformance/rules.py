"""The rules: a fault thrown at a connector, and what makes its answer to it good enough. No socket is opened.

Here: one function per rule, over recorded cases and planned requests. Good enough is what an operator can see: a
failure, a quarantined record, a warning, a figure in state `unavailable`. Not good enough is silence, a made-up figure,
and an exception of another kind. Not here: loading (`cases.py`), editing documents (`documents.py`), the kit's own
faults and the report (`__init__.py`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cached_property
from typing import Any, Literal

from dti_pipeline.harvest import invariants
from dti_pipeline.harvest.codes import todays_code
from dti_pipeline.harvest.conformance import documents as d
from dti_pipeline.harvest.conformance.cases import DEFAULT_NIGHT, Case, is_expected
from dti_pipeline.harvest.model import (
    Connector,
    FailureKind,
    Manifest,
    Observation,
    Reading,
    Redacts,
    Request,
    Site,
    Snapshot,
    SourceFailure,
)
from dti_pipeline.scoring.periods import window_on
from dti_pipeline.scoring.states import InputState

BLOCK_PAGE = (
    b"<html><head><title>Request Rejected</title></head><body>The requested URL was rejected. Please consult with your "
    b"administrator.<br><br>Your support ID is: 0</body></html>"
)
LOGIN_PAGE = (
    "<html><head><title>Đăng nhập</title></head><body><form method='post' action='/login'><input name='username'>"
    "<input type='password' name='password'><button>Đăng nhập</button></form></body></html>"
).encode()
HTML = {"Content-Type": "text/html; charset=utf-8"}
JSON = {"Content-Type": "application/json; charset=utf-8"}
ERROR_BODIES = (
    {"result": "error", "message": "Lỗi hệ thống"},
    {"error": {"code": 500, "message": "Lỗi hệ thống"}},
    {"success": False, "error": {"__type": "Internal Error", "message": "Lỗi hệ thống"}},
)
UNPARSABLE = "không rõ"
NEW_FIELD = "truong_chua_tung_co"
MOST_REQUESTS = 10_000
FIRST_YEAR = 2000
_CODE = re.compile(r"[A-Z]\d{2}(\.\d{2,3}){1,2}", re.ASCII)
_SECRET_NAME = re.compile(
    r"authorization|cookie|(^|[_-])(token|password|passwd|secret|api-?_?key)($|[_-])|access_?token", re.IGNORECASE
)
_SECRET_TEXT = re.compile(r"(token\w*|password|secret|api_?key)\s*[=:]\s*\S{6,}|bearer\s+\S{10,}", re.IGNORECASE)

Status = Literal["held", "failed", "not_applicable", "kit"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """One rule about one connector."""

    rule: str
    fault: str
    """Vietnamese: what is thrown at it."""
    status: Status
    sees: str
    """What the operator sees where the rule holds; otherwise what is wrong, or why the rule does not apply."""


@dataclass(frozen=True)
class Outcome:
    """What reading some bytes came to: exactly one of the three is set."""

    reading: Reading | None = None
    failure: SourceFailure | None = None
    crash: Exception | None = None

    @property
    def said(self) -> tuple[Any, ...]:
        """Everything that can be told from outside: equal means that nobody could tell the two apart."""
        if self.failure is not None:
            return ("failure", self.failure.kind, self.failure.message)
        if self.crash is not None:
            return ("crash", type(self.crash), str(self.crash))
        reading = self.reading or Reading()
        return ("reading", reading.observations, reading.warnings, reading.quarantined)


@dataclass(frozen=True)
class Subject:
    """What is being checked."""

    connector: Connector
    manifest: Manifest
    cases: tuple[Case, ...]
    sites: tuple[Site, ...]

    @cached_property
    def good(self) -> tuple[tuple[Case, Reading], ...]:
        """Cases whose bytes give figures, with their readings."""
        read = [(case, attempt(self.connector, case.snapshot).reading) for case in self.cases if case.failure is None]
        return tuple((case, reading) for case, reading in read if reading is not None and reading.observations)


Probe = Callable[[Subject, Case, Reading], tuple[str | None, str]]
"""(what is wrong or None, what the operator sees)."""
Applies = Callable[[Case], str | None]
"""Why the rule does not apply to a case, or None."""


def attempt(connector: Connector, snapshot: Snapshot) -> Outcome:
    """Read as the runner would: redacted first where the connector redacts."""
    try:
        if isinstance(connector, Redacts):
            snapshot = replace(snapshot, body=connector.redact(snapshot).body)
        return Outcome(reading=connector.read(snapshot))
    except SourceFailure as failure:
        return Outcome(failure=failure)
    except Exception as error:  # noqa: BLE001 - whatever else a connector raises is the finding
        return Outcome(crash=error)


# --- words and judgements that the rules share ---


def sees(manifest: Manifest, outcome: Outcome, base: Reading | None = None) -> str:
    """An outcome in the operator's words."""
    if outcome.failure is not None:
        kind = outcome.failure.kind
        return f"{kind.value}: {outcome.failure.message[:120]} → {manifest.words(kind).vi.split('. ')[0]}"
    if outcome.crash is not None:
        return f"bộ đọc dừng vì {type(outcome.crash).__name__}: {outcome.crash}"
    reading = outcome.reading or Reading()
    before = base or Reading()
    if len(reading.quarantined) > len(before.quarantined):
        return f"cách ly: {reading.quarantined[-1].reason[:160]}"
    if new := [text for text in reading.warnings if text not in before.warnings]:
        return f"cảnh báo: {new[0][:160]}"
    if silent := [item for item in reading.observations if not item.state.has_value]:
        return f"{silent[0].state.value}: {silent[0].reason or silent[0].metric}"
    return f"{len(reading.observations)} số liệu như thường"


def is_loud(outcome: Outcome, base: Reading) -> bool:
    """Whether something is said that was not said of the recorded bytes."""
    if outcome.reading is None:
        return outcome.failure is not None
    reading = outcome.reading
    return len(reading.quarantined) > len(base.quarantined) or bool(set(reading.warnings) - set(base.warnings))


def is_refusal(outcome: Outcome) -> bool:
    """A failure, or figures that are all `unavailable` with a reason."""
    if outcome.reading is None:
        return outcome.failure is not None
    found = outcome.reading.observations
    return bool(found) and all(item.state is InputState.UNAVAILABLE and item.reason for item in found)


def _is_same(outcome: Outcome, base: Reading) -> bool:
    return outcome.reading is not None and outcome.reading.observations == base.observations


def _kept(connector: Connector, snapshot: Snapshot) -> bytes:
    """The bytes that `read` is given."""
    return connector.redact(snapshot).body if isinstance(connector, Redacts) else snapshot.body


def _per_case(subject: Subject, rule: str, fault: str, applies: Applies, probe: Probe) -> Verdict:
    reasons, seen = [], None
    for case, reading in subject.good:
        if why := (case.declared.not_applicable.get(rule) or applies(case)):
            reasons.append(why)
            continue
        problem, said = probe(subject, case, reading)
        if problem is not None:
            return Verdict(rule, fault, "failed", f"{case.name}: {problem}")
        seen = seen or said
    if seen:
        return Verdict(rule, fault, "held", seen)
    for case in subject.cases:
        if rule in case.declared.proves:
            return Verdict(rule, fault, "held", f"{case.name}: {case.declared.proves[rule]}")
    why = next((text for text in reasons if text), "không có câu trả lời mẫu nào cho ra số liệu")
    return Verdict(rule, fault, "not_applicable", why)


def _over_http(case: Case) -> str | None:
    return None if case.is_http else f"không hỏi qua HTTP ({case.snapshot.request.kind})"


def _from_source(case: Case) -> str | None:
    return "câu trả lời do bộ thu tự ghi" if case.is_made_by_kit else None


def _in_json(case: Case) -> str | None:
    if case.is_made_by_kit:
        return "câu trả lời do bộ thu tự ghi"
    try:
        is_document = isinstance(d.parse(case.snapshot.body), dict | list)
    except ValueError:
        is_document = False
    return None if is_document else "thân câu trả lời không phải JSON"


def _http_json(case: Case) -> str | None:
    return _over_http(case) or _in_json(case)


def _in_json_object(case: Case) -> str | None:
    return _in_json(case) or (
        None if isinstance(d.parse(case.snapshot.body), dict) else "câu trả lời của nguồn là một danh sách"
    )


def _with(case: Case, document: Any) -> Snapshot:
    return replace(case.snapshot, body=d.dump(document))


def _figure_paths(case: Case, reading: Reading) -> dict[d.Path, Observation]:
    """Where the figures stand in a JSON body: path of the locator -> the first figure there, one per kind of place."""
    document, found, seen = d.parse(case.snapshot.body), {}, set[tuple[Any, ...]]()
    for item in reading.observations:
        try:
            path = d.path_of(document, item.locator)
        except d.NoSuchPlace:
            continue
        if (pattern := tuple("*" if isinstance(step, int) else step for step in path)) not in seen:
            seen.add(pattern)
            found[path] = item
    return found


def _number_paths(case: Case, reading: Reading) -> Iterator[tuple[d.Path, Observation]]:
    """Numbers that figures are read from: the one at the locator, or those of the object at the locator."""
    document = d.parse(case.snapshot.body)
    for path, item in _figure_paths(case, reading).items():
        there = d.get(document, path)
        if d.is_figure(there) and path and isinstance(path[-1], str):
            yield path, item
        elif isinstance(there, dict):
            yield from (((*path, key), item) for key, value in there.items() if d.is_number(value))


def _key_paths(case: Case, reading: Reading) -> list[d.Path]:
    """Keys of the objects and lists that figures stand in."""
    document = d.parse(case.snapshot.body)
    found: dict[tuple[Any, ...], d.Path] = {}
    for path in _figure_paths(case, reading):
        for end in range(1, len(path) + 1):
            part = path[:end]
            if isinstance(part[-1], str) and isinstance(d.get(document, part), dict | list):
                found.setdefault(tuple("*" if isinstance(step, int) else step for step in part), part)
    return list(found.values())


# --- recorded cases ---


def recorded_cases(subject: Subject) -> Verdict:
    rule, fault = "expected", "câu trả lời mẫu đọc ra đúng số liệu đã kiểm bằng tay"
    if not subject.cases:
        return Verdict(rule, fault, "failed", "chưa có câu trả lời mẫu nào trong recorded/")
    for case in subject.cases:
        outcome = attempt(subject.connector, case.snapshot)
        if case.failure is not None:
            if outcome.failure is None or outcome.failure.kind is not case.failure:
                told = sees(subject.manifest, outcome)
                return Verdict(rule, fault, "failed", f"{case.name}: cần {case.failure.value}, được: {told}")
            continue
        if outcome.reading is None:
            return Verdict(rule, fault, "failed", f"{case.name}: {sees(subject.manifest, outcome)}")
        left = list(outcome.reading.observations)
        for wanted in case.expected:
            match = next((item for item in left if is_expected(item, wanted)), None)
            if match is None:
                told = f"{wanted.get('metric')} của {wanted.get('unit')} tại {wanted.get('locator')}"
                return Verdict(rule, fault, "failed", f"{case.name}: không có số liệu chờ đợi: {told}")
            left.remove(match)
        if left:
            told = f"{left[0].metric} của {left[0].unit} tại {left[0].locator}"
            return Verdict(rule, fault, "failed", f"{case.name}: thừa {len(left)} số liệu, đầu tiên: {told}")
    return Verdict(rule, fault, "held", f"{len(subject.cases)} câu trả lời mẫu, đúng từng số liệu")


def purity(subject: Subject) -> Verdict:
    rule, fault = "pure", "đọc hai lần, xuôi rồi ngược thứ tự"
    first = {case.name: attempt(subject.connector, case.snapshot).said for case in subject.cases}
    for case in reversed(subject.cases):
        if attempt(subject.connector, case.snapshot).said != first[case.name]:
            return Verdict(rule, fault, "failed", f"{case.name}: lần đọc thứ hai khác lần đầu")
    return Verdict(rule, fault, "held", "hai lần như một") if first else _nothing(rule, fault)


def _nothing(rule: str, fault: str) -> Verdict:
    return Verdict(rule, fault, "not_applicable", "không có câu trả lời mẫu nào")


def locators(subject: Subject) -> Verdict:
    def probe(subject: Subject, case: Case, reading: Reading) -> tuple[str | None, str]:
        document = d.parse_exactly(_kept(subject.connector, case.snapshot))
        for item in reading.observations:
            try:
                there = d.get(document, d.path_of(document, item.locator))
            except d.NoSuchPlace:
                return f"{item.metric}: «{item.locator}» không chỉ vào đâu trong câu trả lời", ""
            if isinstance(there, list | dict) or item.value is None:
                continue
            if isinstance(there, Decimal) and there not in (item.value, item.numerator, item.denominator):
                return f"{item.metric}: tại «{item.locator}» là {there}, số liệu lại là {item.value:f}", ""
        return None, "vị trí của mọi số liệu có thật trong câu trả lời"

    return _per_case(subject, "locators", "vị trí (JSON Pointer) của từng số liệu", _without_pointers, probe)


def _without_pointers(case: Case) -> str | None:
    try:
        d.parse(case.snapshot.body)
    except ValueError:
        return "thân câu trả lời không phải JSON; vị trí được so trong expected.json"
    return None


def bounds(subject: Subject) -> Verdict:
    """Recorded figures keep the manifest's own rules, or the rules would hold back good figures every night."""

    def probe(subject: Subject, case: Case, reading: Reading) -> tuple[str | None, str]:
        if strange := {item.metric for item in reading.observations} - set(subject.manifest.metrics):
            return f"chỉ số không có trong manifest: {', '.join(sorted(strange))}", ""
        held = invariants.check(reading, subject.manifest, case.snapshot.night or DEFAULT_NIGHT).held
        if held:
            return f"{held[0].observation.metric} tại {held[0].observation.locator}: {held[0].reason}", ""
        return None, "mọi số liệu mẫu nằm trong giới hạn và điều kiện của manifest"

    return _per_case(subject, "bounds", "giới hạn và điều kiện của manifest trên số liệu mẫu", lambda _: None, probe)


def manifest_note(subject: Subject) -> Verdict:
    rule, fault = "evidence", "manifest nói giao diện biết từ đâu và chắc đến mức nào"
    note = subject.manifest.evidence_note.strip()
    if len(note) < 20:
        return Verdict(rule, fault, "failed", f"evidence_note quá ngắn: «{note}»")
    return Verdict(rule, fault, "held", f"{subject.manifest.evidence_strength}: {' '.join(note.split())[:120]}")


# --- answers that are none ---


def _refused_bodies(
    rule: str,
    fault: str,
    applies: Applies,
    bodies: Sequence[tuple[bytes, Mapping[str, str], int]],
    kinds: frozenset[FailureKind] | None = None,
    *,
    is_retryable: bool | None = None,
) -> Callable[[Subject], Verdict]:
    """A rule that throws whole answers: each must be refused, by one of `kinds`, and asked again or not as said."""

    def probe(subject: Subject, case: Case, reading: Reading) -> tuple[str | None, str]:
        said = ""
        for body, headers, status in bodies:
            outcome = attempt(subject.connector, replace(case.snapshot, body=body, headers=headers, status=status))
            told = sees(subject.manifest, outcome, reading)
            if not is_refusal(outcome):
                return f"không bị từ chối mà thành: {told}", ""
            if outcome.failure is not None:
                if kinds is not None and outcome.failure.kind not in kinds:
                    return f"cần {' hoặc '.join(sorted(kinds))}, được: {told}", ""
                if is_retryable is not None and outcome.failure.retryable is not is_retryable:
                    return f"{'phải' if is_retryable else 'không được'} thử lại: {told}", ""
            said = said or told
        return None, said

    return lambda subject: _per_case(subject, rule, fault, applies, probe)


def _json_bytes(*documents: Any) -> list[tuple[bytes, Mapping[str, str], int]]:
    return [(d.dump(document), JSON, 200) for document in documents]


def auth_refused(subject: Subject) -> Verdict:
    kinds = {FailureKind.AUTH_FAILED, FailureKind.BLOCKED}
    unauthorised = kinds if subject.manifest.auth != "none" else kinds | {FailureKind.HTTP_STATUS}
    body = d.dump({"message": "Unauthorized"})
    rule, fault = "auth_refused", "nguồn không chấp nhận đăng nhập (401, 403, 429)"
    first = _refused_bodies(rule, fault, _over_http, [(body, JSON, 401)], frozenset(unauthorised), is_retryable=False)
    others = [(body, JSON, 403), (body, JSON, 429)]
    second = _refused_bodies(rule, fault, _over_http, others, frozenset(kinds), is_retryable=False)
    verdict = first(subject)
    return verdict if verdict.status == "failed" else max(verdict, second(subject), key=lambda v: v.status == "failed")


def created(subject: Subject) -> Verdict:
    def probe(subject: Subject, case: Case, reading: Reading) -> tuple[str | None, str]:
        outcome = attempt(subject.connector, replace(case.snapshot, status=201))
        told = sees(subject.manifest, outcome, reading)
        return (None if is_refusal(outcome) or _is_same(outcome, reading) else f"HTTP 201 thành: {told}"), told

    return _per_case(subject, "created", "thành công với mã HTTP 201", _over_http, probe)


def content_type(subject: Subject) -> Verdict:
    def probe(subject: Subject, case: Case, reading: Reading) -> tuple[str | None, str]:
        outcome = attempt(subject.connector, replace(case.snapshot, headers=HTML))
        told = sees(subject.manifest, outcome, reading)
        return (None if is_refusal(outcome) or _is_same(outcome, reading) else f"thành: {told}"), told

    return _per_case(subject, "content_type", "JSON mà Content-Type ghi là trang web", _http_json, probe)


def truncated(subject: Subject) -> Verdict:
    def applies(case: Case) -> str | None:
        start = case.snapshot.body.lstrip()[:1]
        has_end = _in_json(case) is None or b"<?xml" in case.snapshot.body[:200] or start == b"P"
        return _from_source(case) or (None if has_end else "định dạng không có dấu kết thúc; bộ thu giữ bằng độ dài")

    def probe(subject: Subject, case: Case, reading: Reading) -> tuple[str | None, str]:
        body, said = case.snapshot.body.rstrip(), ""
        for end in (len(body) // 2, len(body) - 1):
            outcome = attempt(subject.connector, replace(case.snapshot, body=body[:end]))
            said = sees(subject.manifest, outcome, reading)
            if outcome.failure is None:
                return f"cắt còn {end} trên {len(body)} byte mà thành: {said}", ""
        return None, said

    return _per_case(subject, "truncated", "câu trả lời bị cắt giữa chừng", applies, probe)


def empty_list(subject: Subject) -> Verdict:
    def probe(subject: Subject, case: Case, reading: Reading) -> tuple[str | None, str]:
        outcome = attempt(subject.connector, replace(case.snapshot, body=b"[]"))
        told = sees(subject.manifest, outcome, reading)
        if outcome.crash is not None:
            return told, ""
        found = outcome.reading.observations if outcome.reading else ()
        has_said = bool(found) or is_loud(outcome, reading)
        is_made_up = any(item.state.has_value for item in found)
        return (None if has_said and not is_made_up else f"«[]» thành: {told}"), told

    return _per_case(subject, "empty_list", "«[]» ở chỗ phải là một đối tượng", _in_json_object, probe)


def empty_feed(subject: Subject) -> Verdict:
    def probe(subject: Subject, case: Case, reading: Reading) -> tuple[str | None, str]:
        document = d.parse(case.snapshot.body)
        said = ""
        for path in _lists(case, reading):
            outcome = attempt(subject.connector, _with(case, d.replaced(document, path, [])))
            said = sees(subject.manifest, outcome, reading)
            left = {item.metric for item in outcome.reading.observations} if outcome.reading else set()
            if outcome.crash is not None:
                return said, ""
            if not is_loud(outcome, reading) and left != {item.metric for item in reading.observations}:
                return f"danh sách {d.pointer_of(path) or '(gốc)'} rỗng thành: {said}", ""
        return None, said

    return _per_case(subject, "empty_feed", "câu trả lời hợp lệ nhưng danh sách rỗng", _in_json, probe)


def _lists(case: Case, reading: Reading) -> list[d.Path]:
    """The outermost lists that figures stand in."""
    document = d.parse(case.snapshot.body)
    found: dict[d.Path, None] = {}
    for path in _figure_paths(case, reading):
        first = next((end for end in range(len(path)) if isinstance(d.get(document, path[:end]), list)), None)
        if first is not None:
            found[path[:first]] = None
    return list(found)


# --- numbers ---


def null_zero_missing(subject: Subject) -> Verdict:
    def probe(subject: Subject, case: Case, reading: Reading) -> tuple[str | None, str]:
        document, said = d.parse(case.snapshot.body), ""
        for path, _ in _number_paths(case, reading):
            zero: Any = "0" if isinstance(d.get(document, path), str) else 0
            outcomes = {
                "null": attempt(subject.connector, _with(case, d.replaced(document, path, None))),
                "0": attempt(subject.connector, _with(case, d.replaced(document, path, zero))),
                "thiếu trường": attempt(subject.connector, _with(case, d.without(document, path))),
            }
            where = d.pointer_of(path)
            for name, outcome in outcomes.items():
                if outcome.crash is not None:
                    return f"{where} là {name}: {sees(subject.manifest, outcome)}", ""
            same = Outcome(reading=reading).said
            if all(outcome.said == same for outcome in outcomes.values()):
                continue  # beside a figure, and never read
            names = list(outcomes)
            for one, other in ((names[0], names[1]), (names[0], names[2]), (names[1], names[2])):
                if outcomes[one].said == outcomes[other].said and not is_loud(outcomes[one], reading):
                    return f"{where}: {one} và {other} không phân biệt được", ""
            said = said or (
                f"null: {sees(subject.manifest, outcomes['null'], reading)}; "
                f"thiếu trường: {sees(subject.manifest, outcomes['thiếu trường'], reading)}"
            )
        return None, said

    return _per_case(subject, "null_zero_missing", "null, 0 và thiếu trường là ba điều", _in_json, probe)


def text_numbers(subject: Subject) -> Verdict:
    def probe(subject: Subject, case: Case, reading: Reading) -> tuple[str | None, str]:
        document, said = d.parse(case.snapshot.body), ""
        for path, _ in _number_paths(case, reading):
            text = str(d.get(document, path))
            outcome = attempt(subject.connector, _with(case, d.replaced(document, path, text)))
            told = sees(subject.manifest, outcome, reading)
            if outcome.crash is not None or not (is_loud(outcome, reading) or _is_same(outcome, reading)):
                return f"{d.pointer_of(path)} là chuỗi «{text}» thành: {told}", ""
            said = said or told
        return None, said

    return _per_case(subject, "text_numbers", "số viết thành chuỗi («12»)", _in_json, probe)


def swallowed(subject: Subject) -> Verdict:
    def probe(subject: Subject, case: Case, reading: Reading) -> tuple[str | None, str]:
        document, said = d.parse(case.snapshot.body), ""
        for path, item in _number_paths(case, reading):
            outcome = attempt(subject.connector, _with(case, d.replaced(document, path, UNPARSABLE)))
            told = sees(subject.manifest, outcome, reading)
            if outcome.crash is not None:
                return f"{d.pointer_of(path)} là «{UNPARSABLE}»: {told}", ""
            if not is_loud(outcome, reading):
                there = [
                    other
                    for other in (outcome.reading or Reading()).observations
                    if (other.metric, other.unit, other.period) == (item.metric, item.unit, item.period)
                ]
                if not there or any(other.state.has_value for other in there):
                    return f"{d.pointer_of(path)} là «{UNPARSABLE}» mà không ai hay: {told}", ""
            said = said or told
        return None, said

    return _per_case(subject, "swallowed", "số không đọc được (0 giả do nuốt lỗi)", _in_json, probe)


# --- shape ---


def shape(subject: Subject) -> Verdict:
    def probe(subject: Subject, case: Case, reading: Reading) -> tuple[str | None, str]:
        document, said = d.parse(case.snapshot.body), ""
        for path in _key_paths(case, reading):
            outcome = attempt(subject.connector, _with(case, d.renamed(document, path, f"{path[-1]}_v2")))
            told = sees(subject.manifest, outcome, reading)
            if not is_loud(outcome, reading):
                return f"{d.pointer_of(path)} đổi tên thành: {told}", ""
            said = said or told
        return None, said

    return _per_case(subject, "shape", "cấu trúc đổi giữa hai phiên bản của nguồn", _in_json, probe)


def identifier_case(subject: Subject) -> Verdict:
    def probe(subject: Subject, case: Case, reading: Reading) -> tuple[str | None, str]:
        document, said = d.parse(case.snapshot.body), ""
        for path in [*_key_paths(case, reading), *(path for path, _ in _number_paths(case, reading))]:
            key = str(path[-1])
            other = key.upper() if key != key.upper() else key.lower()
            if other == key or other in d.get(document, path[:-1]):
                continue
            outcome = attempt(subject.connector, _with(case, d.renamed(document, path, other)))
            told = sees(subject.manifest, outcome, reading)
            if outcome.crash is not None or not (is_loud(outcome, reading) or _is_same(outcome, reading)):
                return f"{d.pointer_of(path)} viết thành «{other}»: {told}", ""
            said = said or told
        return None, said

    return _per_case(subject, "identifier_case", "tên trường đổi chữ hoa, chữ thường", _in_json, probe)


def new_field(subject: Subject) -> Verdict:
    def probe(subject: Subject, case: Case, reading: Reading) -> tuple[str | None, str]:
        said = ""
        for path in _record_paths(case, reading):
            document = d.parse(case.snapshot.body)
            records = [d.get(document, path)]
            if path and isinstance(path[-1], int):
                records = [item for item in d.get(document, path[:-1]) if isinstance(item, dict)]
            for record in records:
                record[NEW_FIELD] = "x"
            outcome = attempt(subject.connector, _with(case, document))
            told = sees(subject.manifest, outcome, reading)
            if outcome.failure is not None:
                said = said or told
                continue
            if not _is_same(outcome, reading):
                return f"trường mới trong {d.pointer_of(path) or '(gốc)'} đổi số liệu: {told}", ""
            new = set((outcome.reading or Reading()).warnings) - set(reading.warnings)
            if len(new) != 1:
                return f"trường mới trong {d.pointer_of(path) or '(gốc)'} được báo {len(new)} lần, cần một lần", ""
            said = said or told
        return None, said

    return _per_case(subject, "new_field", "trường chưa từng có", _in_json, probe)


def _record_paths(case: Case, reading: Reading) -> list[d.Path]:
    """Objects that numbers of figures stand in, one per kind of place."""
    found: dict[tuple[Any, ...], d.Path] = {}
    for path, _ in _number_paths(case, reading):
        found.setdefault(tuple("*" if isinstance(step, int) else step for step in path[:-1]), path[:-1])
    return list(found.values())


def page_cap(subject: Subject) -> Verdict:
    def applies(case: Case) -> str | None:
        if case.declared.total is None or case.declared.rows is None:
            return "câu trả lời mẫu không khai tổng số dòng (faults.json: total, rows)"
        return _in_json(case)

    def probe(subject: Subject, case: Case, reading: Reading) -> tuple[str | None, str]:
        document = d.parse(case.snapshot.body)
        try:
            total = d.get(document, d.path_of(document, case.declared.total or ""))
            rows = d.path_of(document, case.declared.rows or "")
        except d.NoSuchPlace as error:
            return f"faults.json chỉ vào chỗ không có: {error}", ""
        items = d.get(document, rows)
        if not items or not d.is_number(total):
            return "faults.json phải chỉ vào một số và một danh sách có dòng", ""
        outcome = attempt(subject.connector, _with(case, d.replaced(document, rows, items[:-1])))
        told = sees(subject.manifest, outcome, reading)
        return (None if is_loud(outcome, reading) else f"khai {total}, chỉ đến {len(items) - 1}: {told}"), told

    return _per_case(subject, "page_cap", "nguồn cắt bớt trang mà không nói", applies, probe)


def _extra_row(rule: str, fault: str, field: Literal["parent_row", "other_side"]) -> Callable[[Subject], Verdict]:
    """A row that says again what others say: the figures there are stay as they are, or something is said."""

    def applies(case: Case) -> str | None:
        if case.declared.rows is None or getattr(case.declared, field) is None:
            return f"câu trả lời mẫu không khai dòng như vậy (faults.json: rows, {field})"
        return _in_json(case)

    def probe(subject: Subject, case: Case, reading: Reading) -> tuple[str | None, str]:
        document = d.parse(case.snapshot.body)
        rows = d.path_of(document, case.declared.rows or "")
        items = [*d.get(document, rows), getattr(case.declared, field)]
        document = d.replaced(document, rows, items)
        if case.declared.total is not None:
            total = d.path_of(document, case.declared.total)
            document = d.replaced(document, total, d.get(document, total) + 1)
        outcome = attempt(subject.connector, _with(case, document))
        told = sees(subject.manifest, outcome, reading)
        if is_loud(outcome, reading):
            return None, told
        after = _figures((outcome.reading or Reading()).observations)
        is_kept = outcome.crash is None and all(
            after.get(at) == said for at, said in _figures(reading.observations).items()
        )
        return (None if is_kept else f"số liệu đổi khi thêm dòng ấy: {told}"), told

    return lambda subject: _per_case(subject, rule, fault, applies, probe)


def _figures(items: Sequence[Observation]) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    return {
        (item.metric, item.unit, item.period): (item.state, item.value, item.numerator, item.denominator)
        for item in items
    }


# --- codes and moments ---


def code_spelling(subject: Subject) -> Verdict:
    def codes(case: Case) -> list[tuple[d.Path, str]]:
        found = [(path, text) for path, text in d.leaves(d.parse(case.snapshot.body)) if isinstance(text, str)]
        return [(path, text) for path, text in found if _CODE.fullmatch(text)]

    def applies(case: Case) -> str | None:
        return _in_json(case) or (None if codes(case) else "câu trả lời mẫu không mang mã định danh")

    def probe(subject: Subject, case: Case, reading: Reading) -> tuple[str | None, str]:
        document = d.parse(case.snapshot.body)
        for path, code in codes(case):
            document = d.replaced(document, path, _older(code))
        outcome = attempt(subject.connector, _with(case, document))
        told = sees(subject.manifest, outcome, reading)
        if outcome.crash is not None:
            return told, ""
        if is_loud(outcome, reading):
            return None, told
        base = {_who(item) for item in reading.observations}
        found = (outcome.reading or Reading()).observations
        if all(_who(item) in base for item in found if item.unit_code):
            is_known = all(item.unit_code for item in found)
            return None, "000.00.01.H00 đọc như H00.01" if is_known else "cách ly: không biết mã định danh của đơn vị"
        return f"000.00.01.H00 không đọc như H00.01: {told}", ""

    return _per_case(subject, "code_spelling", "hai cách viết mã định danh", applies, probe)


def _who(item: Observation) -> tuple[str, str, str]:
    """A figure and its unit as the runner will name it."""
    unit = item.unit_code or item.unit
    return item.metric, todays_code(unit) or unit, str(item.value)


def _older(code: str) -> str:
    top, *parts = code.split(".")
    return ".".join([*(["000", "00", "00"][: 3 - len(parts)]), *reversed(parts), top])


def moments(subject: Subject) -> Verdict:
    """Epoch numbers in the other of seconds and milliseconds: no figure may end up in another age."""

    def epochs(case: Case) -> list[tuple[d.Path, int]]:
        found = [(path, value) for path, value in d.leaves(d.parse(case.snapshot.body)) if type(value) is int]
        return [(path, value) for path, value in found if 10**9 <= value < 10**10 or 10**12 <= value < 10**13]

    def applies(case: Case) -> str | None:
        return _in_json(case) or (None if epochs(case) else "câu trả lời mẫu không có mốc thời gian dạng số")

    def probe(subject: Subject, case: Case, reading: Reading) -> tuple[str | None, str]:
        document = d.parse(case.snapshot.body)
        for path, value in epochs(case):
            document = d.replaced(document, path, value * 1000 if value < 10**10 else value // 1000)
        outcome = attempt(subject.connector, _with(case, document))
        told = sees(subject.manifest, outcome, reading)
        if outcome.crash is not None:
            return told, ""
        if is_loud(outcome, reading) or _is_same(outcome, reading):
            return None, told
        checked = invariants.check(outcome.reading or Reading(), subject.manifest, case.snapshot.night or DEFAULT_NIGHT)
        if checked.held:
            return None, f"cách ly: {checked.held[0].reason}"
        return f"giây và mili giây lẫn nhau mà không ai hay: {told}", ""

    return _per_case(subject, "moments", "giây lẫn mili giây, ngày ở tương lai", applies, probe)


def proven(rule: str, fault: str) -> Callable[[Subject], Verdict]:
    """Faults that only a recorded case can hold: its author names it, and `expected` holds it to its figures."""
    return lambda subject: _per_case(
        subject, rule, fault, lambda _: f"không câu trả lời mẫu nào khai lỗi này (faults.json: proves.{rule})", _never
    )


def _never(subject: Subject, case: Case, reading: Reading) -> tuple[str | None, str]:
    raise AssertionError("a proven rule throws nothing by itself")


# --- plans ---


def _planned(subject: Subject, site: Site) -> list[Request]:
    """Every request of a plan whose requests all fail. Raises what the plan raises, ValueError above all."""
    plan = subject.connector.plan(site, window_on(site.windows[0], DEFAULT_NIGHT))
    found: list[Request] = []
    for request in plan:
        found.append(request)
        if len(found) >= MOST_REQUESTS:
            raise ValueError(f"kế hoạch dài hơn {MOST_REQUESTS} yêu cầu")
    return found


def _per_site(
    subject: Subject, rule: str, fault: str, probe: Callable[[Subject, Site], tuple[str | None, str]]
) -> Verdict:
    said = ""
    for site in subject.sites:
        try:
            problem, seen = probe(subject, site)
        except Exception as error:  # noqa: BLE001 - whatever a plan raises is the finding
            problem, seen = f"{type(error).__name__}: {error}", ""
        if problem is not None:
            return Verdict(rule, fault, "failed", f"{site.name}: {problem}")
        said = said or seen
    if said:
        return Verdict(rule, fault, "held", said)
    return Verdict(
        rule, fault, "not_applicable", "không có điểm thu nào: cần recorded/site.json hoặc hệ thống thực hành"
    )


def plan_pure(subject: Subject) -> Verdict:
    def probe(subject: Subject, site: Site) -> tuple[str | None, str]:
        one, other = ([item.canonical() for item in _planned(subject, site)] for _ in range(2))
        if not one:
            return "kế hoạch không có yêu cầu nào", ""
        if one != other:
            return "hai lần lập kế hoạch cho hai dãy yêu cầu khác nhau", ""
        return None, f"{len(one)} yêu cầu, lần nào cũng vậy"

    return _per_site(subject, "plan_pure", "lập kế hoạch hai lần, yêu cầu nào cũng hỏng", probe)


def plan_options(subject: Subject) -> Verdict:
    def probe(subject: Subject, site: Site) -> tuple[str | None, str]:
        said = ""
        for option in ["tuy_chon_la", *site.options]:
            wrong = site.model_copy(update={"options": {**site.options, option: {"khong": ["hop", "le"]}}})
            try:
                next(subject.connector.plan(wrong, window_on(site.windows[0], DEFAULT_NIGHT)))
            except ValueError as error:
                if option not in str(error):
                    return f"tùy chọn {option} bị từ chối mà không được nêu tên: {error}", ""
                said = said or f"ValueError: {str(error)[:140]}"
            except StopIteration:
                return f"tùy chọn {option} sai mà chỉ cho kế hoạch rỗng", ""
            else:
                return f"tùy chọn {option} sai mà vẫn gửi yêu cầu", ""
        return None, said

    return _per_site(subject, "plan_options", "tùy chọn của điểm thu bị sai hoặc lạ", probe)


def plan_paths(subject: Subject) -> Verdict:
    def probe(subject: Subject, site: Site) -> tuple[str | None, str]:
        for request in _planned(subject, site):
            path = request.path
            if any(sign <= " " or sign in "?#\\" for sign in path) or "://" in path or ".." in path.split("/"):
                return f"đường dẫn «{path}» có dấu cách, «?», «#», «..» hoặc cả địa chỉ", ""
        return None, "đường dẫn tương đối, tham số nằm riêng"

    return _per_site(subject, "plan_paths", "tham số nằm trong đường dẫn", probe)


def secrets(subject: Subject) -> Verdict:
    rule, fault = "secrets", "mã truy cập trong yêu cầu, địa chỉ, lời nhắc hoặc câu trả lời mẫu"
    asked = [(case.name, case.snapshot.request) for case in subject.cases]
    for site in subject.sites:
        try:
            asked += [(site.name, request) for request in _planned(subject, site)]
        except Exception:  # noqa: BLE001, S112 - said by the rules about plans
            continue
    for where, request in asked:
        names = [*request.params, *request.headers, *(request.data or {}), *_keys(request.json)]
        if bad := next((name for name in names if _SECRET_NAME.search(name)), None):
            return Verdict(rule, fault, "failed", f"{where}: yêu cầu mang «{bad}»; đăng nhập là việc của auth")
        if _SECRET_TEXT.search(request.path):
            return Verdict(rule, fault, "failed", f"{where}: đường dẫn mang mã truy cập")
        if _SECRET_TEXT.search(request.content or ""):
            return Verdict(rule, fault, "failed", f"{where}: nội dung gửi đi mang mã truy cập")
    for case in subject.cases:
        outcome = attempt(subject.connector, case.snapshot)
        told = [outcome.failure.message] if outcome.failure else list((outcome.reading or Reading()).warnings)
        if any(_SECRET_TEXT.search(text) for text in told):
            return Verdict(rule, fault, "failed", f"{case.name}: lời nhắc nêu mã truy cập")
        if _SECRET_TEXT.search(_kept(subject.connector, case.snapshot).decode("utf-8", "replace")):
            return Verdict(rule, fault, "failed", f"{case.name}: câu trả lời mẫu mang mã truy cập")
    return Verdict(rule, fault, "held", "không có; bộ thu thêm đăng nhập khi gửi") if asked else _nothing(rule, fault)


def _keys(value: Any) -> Iterator[str]:
    for path, _ in d.leaves(value):
        yield from (str(step) for step in path if isinstance(step, str))


RULES: tuple[Callable[[Subject], Verdict], ...] = (
    recorded_cases,
    purity,
    locators,
    bounds,
    manifest_note,
    _refused_bodies("error_body", "HTTP 200 với nội dung báo lỗi", _over_http, _json_bytes(*ERROR_BODIES)),
    _refused_bodies(
        "block_page",
        "HTTP 200 với trang chặn «Request Rejected»",
        _over_http,
        [(BLOCK_PAGE, HTML, 200)],
        frozenset({FailureKind.BLOCKED}),
        is_retryable=False,
    ),
    _refused_bodies(
        "login_page", "HTTP 200 với trang đăng nhập", _over_http, [(LOGIN_PAGE, HTML, 200)], is_retryable=False
    ),
    created,
    _refused_bodies("json_string", "thân là một chuỗi JSON", _in_json, _json_bytes("Bad request")),
    empty_list,
    null_zero_missing,
    text_numbers,
    swallowed,
    shape,
    new_field,
    identifier_case,
    page_cap,
    proven("retention", "nguồn giữ nhật ký ngắn hơn khoảng cách hai lần thu"),
    _extra_row("both_sides", "một sự kiện ghi ở cả hai phía", "other_side"),
    moments,
    auth_refused,
    _refused_bodies(
        "server_error",
        "máy chủ nguồn hỏng (500, 503)",
        _over_http,
        [(b"", {}, 500), (b"", {}, 503)],
        frozenset({FailureKind.HTTP_STATUS}),
        is_retryable=True,
    ),
    secrets,
    _extra_row("parent_child", "đơn vị cha và con cùng được đếm", "parent_row"),
    code_spelling,
    empty_feed,
    content_type,
    truncated,
    _refused_bodies("empty_body", "thân rỗng", _from_source, [(b"", JSON, 200)]),
    plan_pure,
    plan_options,
    plan_paths,
)
