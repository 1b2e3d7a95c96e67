"""X-Road security servers: which systems are connected, which services they offer, which exchanges they made.

Here: requests (`plan`) and counting what the metaservices and the management API answer (`read`), both pure. Not here:
errors and JSON (`answers.py`), the multipart operational data (`operational_data.py`), fetching and logging in.

One unit may run several systems, and each is asked about by itself. The request about the last of them carries what the
earlier ones gave, so that its answer makes the unit's figure; where one of them failed there is none, never a part.
"""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple, NoReturn
from urllib.parse import quote, unquote

from connectors.xroad import operational_data
from connectors.xroad.answers import (
    as_list,
    as_object,
    context_of,
    count_of,
    fail,
    json_of,
    new_fields,
    refuse_errors,
    shown,
    with_context,
    words,
)
from connectors.xroad.retention import RETENTION, TIME_ZONE, first_whole_day, too_old
from dti_pipeline.harvest.model import (
    FailureKind,
    Observation,
    Plan,
    Quarantined,
    Reading,
    Redacted,
    Request,
    Site,
    Snapshot,
)
from dti_pipeline.scoring.periods import Period
from dti_pipeline.scoring.states import InputState

SYSTEMS, SERVICES = "xroad_systems_connected", "xroad_services_offered"
EXCHANGES = {
    "Client": ("xroad_exchanges_made", "xroad_exchanges_failed"),
    "Producer": ("xroad_exchanges_served", "xroad_exchanges_served_failed"),
}
"""Metrics of all and of failed exchanges, by the side of the server that logged them. One side never adds to the other:
an exchange between two systems of one server is logged on both."""

DIAGNOSTICS = "/api/v1/diagnostics/operational-monitoring"
FIGURES = ("systems", "services", "exchanges")
REGISTERED = "REGISTERED"

_OPTIONS = frozenset({"interface", "instance", "client", "server", "figures", "units", "hosted", "days"})
_CODE = re.compile(r"[A-Z]\d{2}(\.\d{2,3}){0,3}")
_PART = re.compile(r"[^/:\s\x00-\x1f]+")
_STATUSES = frozenset(
    {
        REGISTERED,
        "SAVED",
        "GLOBAL_ERROR",
        "REGISTRATION_IN_PROGRESS",
        "DELETION_IN_PROGRESS",
        "DISABLING_IN_PROGRESS",
        "DISABLED",
        "ENABLING_IN_PROGRESS",
    }
)
_LISTED = frozenset({"id", "name", "subsystem_name"})
_LISTED_ID = frozenset({"object_type", "xroad_instance", "member_class", "member_code", "subsystem_code"})
_CLIENT = frozenset(
    {
        *("id", "instance_id", "member_name", "subsystem_name", "member_class", "member_code", "subsystem_code"),
        *("owner", "has_valid_local_sign_cert", "connection_type", "status", "rename_status"),
    }
)
_METHOD = frozenset({*_LISTED_ID, "service_code", "service_version", "service_type", "endpoint_list"})
_METHOD_TYPES = frozenset({"OPENAPI", "OPENAPI3", "REST"})
_DESCRIPTION = frozenset({"id", "url", "type", "disabled", "disabled_notice", "refreshed_at", "services", "client_id"})
_DESCRIPTION_TYPES = frozenset({"WSDL", "OPENAPI3", "REST"})
_INTERVAL = frozenset({"interval_start_time", "success_count", "failure_count"})


class System(NamedTuple):
    """A subsystem, or a member as such where `subsystem` is empty."""

    instance: str
    member_class: str
    member: str
    subsystem: str
    name: str
    """Of the member."""

    def unit(self, units: Mapping[str, str]) -> tuple[str, str | None]:
        """(how observations name the unit, its identifier code): by the site's mapping, the subsystem's before the
        member's, else the member code where it is an identifier code itself."""
        member = f"{self.member_class}/{self.member}"
        code = units.get(f"{member}/{self.subsystem}") or units.get(member)
        if code is None and _CODE.fullmatch(self.member):
            code = self.member
        return (code, code) if code else (f"{self.instance}/{member}", None)

    @property
    def client_id(self) -> str:
        """As the management API writes it."""
        return f"{self.instance}:{self.member_class}:{self.member}:{self.subsystem}"


def _system(parts: Sequence[str]) -> System:
    """The system that a stored request is about, its member code for want of a name. Raises SourceFailure."""
    if len(parts) < 4:
        fail(FailureKind.WRONG_SHAPE, "yêu cầu phải nêu đủ mạng, lớp, thành viên và hệ thống")
    return System(parts[0], parts[1], parts[2], parts[3], parts[2])


class XRoad:
    """The connector; see `dti_pipeline.harvest.model.Connector`. Redacts: records of single exchanges keep the agreed
    fields only."""

    def plan(self, site: Site, window: Period) -> Plan:
        """The list of systems, then what each system of the province offers and exchanged.

        Exchanges are asked day by day, for the days of the window that the server still keeps whole on the night of the
        list's answer (`days` of them at most); by SOAP where the interface is metaservices. Raises ValueError, before
        the first request, for options that cannot be asked with.
        """
        options = _options(site)
        is_management = options["interface"] == "management"
        figures = set(options.get("figures", FIGURES if is_management else FIGURES[:2]))
        units: Mapping[str, str] = options.get("units", {})
        told = with_context(units=dict(units), province=site.province, systems="systems" in figures)
        if is_management:
            listing = yield Request(
                "GET", "/api/v1/clients", params={"show_members": "true", "internal_search": "true"}, headers=told
            )
        else:
            accept = {"Accept": "application/json"}
            listing = yield Request(
                "GET", "/listClients", params={"xRoadInstance": options["instance"]}, headers=told | accept
            )
        if listing is None:
            return
        by_unit = _systems_of_units(listing, units, site.province)
        for code, systems in by_unit.items():
            if "services" in figures:
                yield from _services_of(code, systems, options)
        if "exchanges" not in figures:
            return
        for day, is_final in _days(window, listing.night, options.get("days", RETENTION)):
            if not is_management:
                yield _operational_data(day, site.province, options, is_final=is_final)
                continue
            for code, systems in by_unit.items():
                for role in EXCHANGES:
                    yield from _exchanges_of(code, systems, role, day, is_final=is_final)

    def read(self, snapshot: Snapshot) -> Reading:
        """The observations of one answer. Raises SourceFailure: AUTH_FAILED, BLOCKED, UNSUPPORTED_PLATFORM,
        SOURCE_ERROR, HTTP_STATUS, TRUNCATED, NOT_JSON, UNREADABLE, WRONG_SHAPE, WRONG_ROOT."""
        path = snapshot.request.path.rstrip("/")
        if snapshot.request.method == "POST":
            operational_data.refuse_fault(snapshot)
            refuse_errors(snapshot)
            return _read_operational_data(snapshot)
        if path.endswith("/listMethods"):
            return _sum_of_services(snapshot, _methods(snapshot))
        if path.endswith("/service-descriptions"):
            return _sum_of_services(snapshot, _described(snapshot))
        if path.endswith(DIAGNOSTICS):
            return _read_exchanges(snapshot)
        if not path.endswith(("/listClients", "/clients")):
            fail(FailureKind.WRONG_SHAPE, f"đường dẫn «{path}» không phải điểm cuối đã biết của X-Road")
        return _read_systems(snapshot)

    def redact(self, snapshot: Snapshot) -> Redacted:
        """Operational data without the fields that nobody asked for, who sent the message above all. Other answers hold
        nothing personal. Raises SourceFailure like `read`."""
        if snapshot.request.method != "POST" or not 200 <= snapshot.status <= 299:
            return Redacted(snapshot.body, ())
        return operational_data.redact(snapshot)


CONNECTOR = XRoad()


# --- the site's options ---


def _options(site: Site) -> dict[str, Any]:
    """Raises ValueError saying which option of which site, and what it should be."""
    options = site.options

    def wrong(option: str, advice: str) -> NoReturn:
        now = f"is {options[option]!r}" if option in options else "is missing"
        raise ValueError(f"site {site.name}: option {option} {now}; {advice}")

    for option in sorted(options.keys() - _OPTIONS):
        wrong(option, f"this connector knows only {', '.join(sorted(_OPTIONS))}: correct or remove it")
    interface = options.get("interface")
    if interface not in ("metaservices", "management"):
        wrong("interface", "give metaservices (port 8080 or 8443) or management (port 4000)")
    if not isinstance(options.get("instance"), str) or not _PART.fullmatch(options["instance"]):
        wrong("instance", "give the identifier of the X-Road instance, such as VN")
    figures = options.get("figures", ["systems"])
    if not isinstance(figures, list | tuple) or not figures or len({*map(str, figures)} & {*FIGURES}) != len(figures):
        wrong("figures", f"give a list out of {', '.join(FIGURES)}, each once")
    by_soap = interface == "metaservices" and "exchanges" in figures
    for option, is_needed, what in (
        ("client", interface == "metaservices", "who asks, as INSTANCE/CLASS/MEMBER/SUBSYSTEM"),
        ("server", by_soap, "whose log is asked for, as INSTANCE/CLASS/MEMBER/SERVERCODE"),
    ):
        parts = str(options.get(option, "")).split("/")
        if (is_needed or option in options) and (len(parts) != 4 or not all(map(_PART.fullmatch, parts))):
            wrong(option, f"give {what}")
    days = options.get("days", RETENTION)
    if not isinstance(days, int) or not 1 <= days <= RETENTION:
        wrong("days", f"give how many days back exchanges are asked for, from 1 to {RETENTION}")
    hosted = options.get("hosted", [])
    if not isinstance(hosted, list | tuple) or not all(
        _CODE.fullmatch(str(code)) and _is_within(str(code), site.province) for code in hosted
    ):
        wrong("hosted", f"give a list of identifier codes of {site.province}, of units all of whose systems are there")
    units = options.get("units", {})
    if not isinstance(units, dict):
        wrong("units", "give CLASS/MEMBER or CLASS/MEMBER/SUBSYSTEM: identifier code")
    for key, code in units.items():
        parts = str(key).split("/")
        if len(parts) not in (2, 3) or not all(map(_PART.fullmatch, parts)) or not _CODE.fullmatch(str(code)):
            wrong("units", f"correct «{key}»: give CLASS/MEMBER or CLASS/MEMBER/SUBSYSTEM: identifier code")
    return options


# --- what to ask ---


def _systems_of_units(listing: Snapshot, units: Mapping[str, str], province: str) -> dict[str, list[System]]:
    """The connected systems of each unit of the province, in a fixed order."""
    found: dict[str, list[System]] = {}
    for system in sorted(entry.system for entry in _entries(listing) if isinstance(entry, _Entry) and entry.is_system):
        code = system.unit(units)[1]
        if code is not None and _is_within(code, province):
            found.setdefault(code, []).append(system)
    return dict(sorted(found.items()))


def _is_within(code: str, province: str) -> bool:
    return code == province or code.startswith(f"{province}.")


def _services_of(code: str, systems: list[System], options: Mapping[str, Any]) -> Plan:
    before = 0
    for position, system in enumerate(systems):
        told = with_context(unit=code, name=system.name, left=len(systems) - 1 - position, before=before)
        if options["interface"] == "management":
            path = f"/api/v1/clients/{quote(system.client_id, safe=':')}/service-descriptions"
            answer = yield Request("GET", path, headers=told)
        else:
            names = (system.instance, system.member_class, system.member, system.subsystem)
            path = f"/r1/{'/'.join(quote(name, safe='') for name in names)}/listMethods"
            headers = told | {"Accept": "application/json", "X-Road-Client": options["client"]}
            answer = yield Request("GET", path, headers=headers)
        if answer is None:
            return
        before += len((_described if options["interface"] == "management" else _methods)(answer).codes)


def _days(window: Period, night: dt.date | None, at_most: int) -> Iterator[tuple[dt.date, bool]]:
    """Days to ask for, oldest first, and whether an earlier night's answer about the day holds: the log of a day that
    is over grows no more. None where the window is over for longer than the server remembers."""
    if night is None:
        raise ValueError("exchanges can only be asked for on a night: the answer of the list carries none")
    first = max(window.start, first_whole_day(night), night - dt.timedelta(days=at_most - 1))
    for number in range((min(window.end, night) - first).days + 1):
        day = first + dt.timedelta(days=number)
        yield day, day < night


def _operational_data(day: dt.date, province: str, options: Mapping[str, Any], *, is_final: bool) -> Request:
    told = with_context(
        day=day.isoformat(),
        units=dict(options.get("units", {})),
        province=province,
        hosted=[*options.get("hosted", [])],
    )
    client, server = (tuple(options[name].split("/")) for name in ("client", "server"))
    return Request(
        "POST",
        "/",
        headers=told,
        content=operational_data.envelope(client, server, day, f"dti-{day:%Y%m%d}"),
        content_type="text/xml; charset=UTF-8",
        is_final=is_final,
    )


def _exchanges_of(
    code: str, systems: list[System], role: str, day: dt.date, *, is_final: bool
) -> Generator[Request, Snapshot | None, None]:
    before: dict[str, list[int] | None] = {}
    for position, system in enumerate(systems):
        answer = yield Request(
            "GET",
            DIAGNOSTICS,
            params={
                "records_from": _utc(day),
                "records_to": _utc(day + dt.timedelta(days=1), seconds=-1),
                "interval": "1440",
                "security_server_type": role,
                "member_id": system.client_id,
            },
            headers=with_context(unit=code, name=system.name, left=len(systems) - 1 - position, before=before),
            is_final=is_final,
        )
        if answer is None:
            return
        before = _added(before, _daily(answer))


def _utc(day: dt.date, seconds: int = 0) -> str:
    """Local midnight as a moment in UTC."""
    moment = dt.datetime.combine(day, dt.time(0), TIME_ZONE) + dt.timedelta(seconds=seconds)
    return moment.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


# --- systems ---


@dataclass(frozen=True, slots=True)
class _Entry:
    """An entry of either list of systems."""

    system: System
    is_system: bool
    """A connected subsystem; a bare member, or a subsystem that is not registered, is none."""
    at: str
    fields: Mapping[str, Any]


def _night(snapshot: Snapshot) -> dt.date:
    if snapshot.night is None:
        fail(FailureKind.WRONG_SHAPE, "số liệu theo thời điểm đọc: ảnh chụp phải kèm ngày của đêm đã đọc")
    return snapshot.night


def _unit_of(told: Mapping[str, Any]) -> operational_data.UnitOf:
    units = told.get("units", {})
    return lambda instance, kind, member, subsystem: System(instance, kind, member, subsystem, member).unit(units)


def _entries(snapshot: Snapshot) -> Iterator[_Entry | Quarantined]:
    """Raises SourceFailure where the list as a whole cannot be used."""
    document = json_of(snapshot)
    seen: set[System] = set()
    is_management = snapshot.request.path.rstrip("/").endswith("/clients")
    at_list = "" if is_management else "/member"
    if not is_management:
        document = as_object(document, "câu trả lời").get("member")
    for position, item in enumerate(as_list(document, at_list or "câu trả lời")):
        at = f"{at_list}/{position}"
        record = as_object(item, at)
        entry = _client(record, at) if is_management else _listed(record, at, snapshot)
        if isinstance(entry, _Entry):
            if entry.system in seen:
                entry = Quarantined(at, "hệ thống này đã có trong danh sách", shown(record))
            else:
                seen.add(entry.system)
        yield entry


def _listed(record: Mapping[str, Any], at: str, snapshot: Snapshot) -> _Entry | Quarantined:
    """An entry of `listClients`."""
    ids = as_object(record.get("id"), f"{at}/id")
    kind = ids.get("object_type")
    names = ("xroad_instance", "member_class", "member_code", *(("subsystem_code",) if kind == "SUBSYSTEM" else ()))
    reason = words(ids, *names)
    if kind not in ("MEMBER", "SUBSYSTEM"):
        reason = f"object_type {shown(kind)} chưa từng biết"
    if reason:
        return Quarantined(at, reason, shown(record))
    asked = snapshot.request.params.get("xRoadInstance", ids["xroad_instance"])
    if ids["xroad_instance"] != asked:
        fail(FailureKind.WRONG_ROOT, f"hỏi mạng {asked}, trả lời về {ids['xroad_instance']}")
    name = record.get("name") if isinstance(record.get("name"), str) else ids["member_code"]
    subsystem = ids["subsystem_code"] if kind == "SUBSYSTEM" else ""
    system = System(ids["xroad_instance"], ids["member_class"], ids["member_code"], subsystem, str(name))
    return _Entry(system, kind == "SUBSYSTEM", at, {**record, **ids})


def _client(record: Mapping[str, Any], at: str) -> _Entry | Quarantined:
    """An entry of the management API's `/clients`."""
    reason = words(record, "id", "member_class", "member_code")
    subsystem, status = record.get("subsystem_code"), record.get("status")
    if subsystem is not None and not isinstance(subsystem, str):
        reason = "subsystem_code không phải chuỗi"
    if subsystem and status not in _STATUSES:
        reason = f"status {shown(status)} chưa từng biết"
    if reason:
        return Quarantined(at, reason, shown(record))
    instance = str(record["id"]).split(":", 1)[0]
    name = record.get("member_name") if isinstance(record.get("member_name"), str) else record["member_code"]
    system = System(instance, record["member_class"], record["member_code"], subsystem or "", str(name))
    return _Entry(system, bool(subsystem) and status == REGISTERED, at, record)


def _read_systems(snapshot: Snapshot) -> Reading:
    told, night = context_of(snapshot), _night(snapshot)
    found = list(_entries(snapshot))
    entries = [entry for entry in found if isinstance(entry, _Entry)]
    known = _LISTED | _LISTED_ID if snapshot.request.path.rstrip("/").endswith("/listClients") else _CLIENT
    warnings = list(new_fields([entry.fields for entry in entries], known, snapshot.request.path))
    if not found:
        # A list that is really empty looks the same; that nobody is connected any more is for a person to confirm.
        warnings.append("danh sách hệ thống rỗng: không có số liệu, kể cả số 0")
    counts: Counter[tuple[str, str | None]] = Counter()
    first: dict[tuple[str, str | None], _Entry] = {}
    outside = 0
    for entry in entries:
        unit = entry.system.unit(told.get("units", {}))
        if "province" in told and not _is_within(unit[1] or "", told["province"]):
            outside += entry.is_system
            continue
        first.setdefault(unit, entry)
        counts[unit] += entry.is_system
    if outside:
        warnings.append(f"{outside} hệ thống của thành viên ngoài tỉnh hoặc chưa khai trong units, không tính")
    quarantined = tuple(entry for entry in found if isinstance(entry, Quarantined))
    if told.get("systems") is False:  # an answer without figures may put nothing aside: it would pass for a failed one
        return Reading((), (*warnings, *(f"{item.locator}: {item.reason}; không tính" for item in quarantined)))
    observations = tuple(
        Observation(
            SYSTEMS,
            unit,
            first[unit, code].system.name,
            Period(night, night),
            InputState.HARVESTED,
            first[unit, code].at,
            value=Decimal(count),
            unit_code=code,
        )
        for (unit, code), count in counts.items()
    )
    return Reading(observations, tuple(warnings), quarantined)


# --- services ---


@dataclass(frozen=True, slots=True)
class _Offered:
    """Services of one system."""

    owner: System
    codes: frozenset[str]
    at: str
    warnings: tuple[str, ...]
    quarantined: tuple[Quarantined, ...]


def _methods(snapshot: Snapshot) -> _Offered:
    """REST and OpenAPI services by `listMethods`; SOAP ones answer to another protocol and are not in it."""
    asked = [unquote(part) for part in snapshot.request.path.split("/r1/", 1)[-1].split("/")]
    owner = _system(asked)
    items = as_list(as_object(json_of(snapshot), "câu trả lời").get("service"), "/service")
    codes: set[str] = set()
    quarantined = []
    records = []
    for position, item in enumerate(items):
        at = f"/service/{position}"
        record = as_object(item, at)
        records.append(record)
        if reason := words(record, "member_code", "service_code"):
            quarantined.append(Quarantined(at, reason, shown(record)))
        elif record["member_code"] != owner.member or record.get("subsystem_code", "") != owner.subsystem:
            fail(FailureKind.WRONG_ROOT, f"{at}: hỏi hệ thống {owner.client_id}, trả lời về {record['member_code']}")
        elif not isinstance(record.get("service_type"), str) or record["service_type"] not in _METHOD_TYPES:
            reason = f"service_type {shown(record.get('service_type'))} chưa từng biết"
            quarantined.append(Quarantined(at, reason, shown(record)))
        else:
            codes.add(record["service_code"])
    warnings = new_fields(records, _METHOD, "listMethods")
    return _Offered(owner, frozenset(codes), "/service", warnings, tuple(quarantined))


def _described(snapshot: Snapshot) -> _Offered:
    """Services of every type in descriptions that are not disabled, by the management API."""
    asked = unquote(snapshot.request.path.rstrip("/").split("/")[-2]).split(":")
    owner = _system(asked)
    codes: set[str] = set()
    quarantined = []
    records = []
    for position, item in enumerate(as_list(json_of(snapshot), "câu trả lời")):
        at = f"/{position}"
        record = as_object(item, at)
        records.append(record)
        disabled = record.get("disabled")
        if record.get("type") not in _DESCRIPTION_TYPES or not isinstance(disabled, bool):
            reason = f"type {shown(record.get('type'))}, disabled {shown(disabled)} chưa từng biết"
            quarantined.append(Quarantined(at, reason, shown(record)))
            continue
        for number, service in enumerate(as_list(record.get("services"), f"{at}/services")):
            at_service = f"{at}/services/{number}"
            fields = as_object(service, at_service)
            if reason_code := words(fields, "service_code"):
                quarantined.append(Quarantined(at_service, reason_code, shown(fields)))
            elif not disabled:
                codes.add(fields["service_code"])
    warnings = new_fields(records, _DESCRIPTION, "service-descriptions")
    return _Offered(owner, frozenset(codes), "", warnings, tuple(quarantined))


def _sum_of_services(snapshot: Snapshot, offered: _Offered) -> Reading:
    """The unit's services where this is its last system; a system with a doubtful entry makes no sum at all."""
    told, night = context_of(snapshot), _night(snapshot)
    if offered.quarantined or told.get("left", 0):
        if offered.quarantined and told.get("left", 0):
            fail(FailureKind.WRONG_SHAPE, f"{offered.quarantined[0].locator}: {offered.quarantined[0].reason}")
        return Reading((), offered.warnings, offered.quarantined)
    unit, code = (told["unit"], told["unit"]) if "unit" in told else offered.owner.unit({})
    before = told.get("before", 0)
    observation = Observation(
        SERVICES,
        unit,
        told.get("name", offered.owner.name),
        Period(night, night),
        InputState.HARVESTED,
        offered.at,
        value=Decimal(before + len(offered.codes)),
        unit_code=code,
    )
    return Reading((observation,), offered.warnings)


# --- exchanges ---


@dataclass(frozen=True, slots=True)
class _Day:
    """One day of diagnostics: (successes, failures), or None with the reason."""

    counts: tuple[int, int] | None
    at: str
    reason: str | None = None


def _daily(snapshot: Snapshot) -> dict[dt.date, _Day]:
    """Every day that was asked for. A day that the server does not name, or no longer keeps whole, has no counts.

    Raises SourceFailure where intervals are not the local days that were asked for.
    """
    params = snapshot.request.params
    try:
        first = _moment(params["records_from"]).date()
        last = _moment(params["records_to"]).date()
    except (KeyError, ValueError):
        fail(FailureKind.WRONG_SHAPE, "yêu cầu phải được lưu kèm records_from và records_to")
    night = snapshot.night or last
    days: dict[dt.date, _Day] = {}
    for position, item in enumerate(as_list(json_of(snapshot), "câu trả lời")):
        at = f"/{position}"
        record = as_object(item, at)
        try:
            start = _moment(record.get("interval_start_time"))
        except ValueError:
            fail(FailureKind.WRONG_SHAPE, f"{at}/interval_start_time không phải thời điểm có múi giờ")
        if start.time() != dt.time(0):
            fail(FailureKind.WRONG_SHAPE, f"{at}: khoảng bắt đầu lúc {start:%H:%M} giờ Việt Nam, không phải đầu ngày")
        if start.date() in days:
            fail(FailureKind.WRONG_SHAPE, f"{at}: ngày {start:%d/%m/%Y} xuất hiện hai lần")
        if not first <= start.date() <= last:
            fail(FailureKind.WRONG_ROOT, f"{at}: ngày {start:%d/%m/%Y} không được hỏi")
        made, failed = (count_of(record.get(name)) for name in ("success_count", "failure_count"))
        if made is None or failed is None:
            fail(FailureKind.WRONG_SHAPE, f"{at}: success_count, failure_count phải là số đếm: {shown(record)[:120]}")
        days[start.date()] = _Day((int(made), int(failed)), at)
    for number in range((last - first).days + 1):
        day = first + dt.timedelta(days=number)
        if day < first_whole_day(night):
            days[day] = _Day(None, "", too_old(day, night))
        elif day not in days:
            days[day] = _Day(None, "", f"máy chủ không trả số liệu của ngày {day:%d/%m/%Y}")
    return days


def _moment(text: object) -> dt.datetime:
    """In local time. Raises ValueError for anything but a moment with its time zone."""
    if not isinstance(text, str):
        raise ValueError("no text")
    moment = dt.datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("no time zone")
    return moment.astimezone(TIME_ZONE)


def _added(before: Mapping[str, list[int] | None], days: Mapping[dt.date, _Day]) -> dict[str, list[int] | None]:
    """Sums by day; None for a day that any system could not give."""
    total: dict[str, list[int] | None] = {}
    for day, item in sorted(days.items()):
        carried = before.get(day.isoformat(), [0, 0])
        if item.counts is None or carried is None:
            total[day.isoformat()] = None
        else:
            total[day.isoformat()] = [carried[0] + item.counts[0], carried[1] + item.counts[1]]
    return total


def _read_exchanges(snapshot: Snapshot) -> Reading:
    params, told = snapshot.request.params, context_of(snapshot)
    role = params.get("security_server_type", "")
    if role not in EXCHANGES:  # both sides at once would count one exchange twice
        fail(FailureKind.WRONG_SHAPE, "yêu cầu phải nêu security_server_type là Client hoặc Producer")
    days = _daily(snapshot)
    records = [item for item in json_of(snapshot) if isinstance(item, dict)]
    warnings = new_fields(records, _INTERVAL, "operational-monitoring")
    if told.get("left", 0):
        return Reading((), warnings)
    asked = params.get("member_id", "").split(":")
    owner = _system(asked)
    unit, code = (told["unit"], told["unit"]) if "unit" in told else owner.unit({})
    before = told.get("before", {})
    observations = []
    made, failed = EXCHANGES[role]
    for text, counts in _added(before, days).items():
        day = dt.date.fromisoformat(text)
        item = days[day]
        figures: dict[str, tuple[Decimal | None, str]] = {made: (None, item.at), failed: (None, item.at)}
        if counts is not None:
            figures = {made: (Decimal(sum(counts)), item.at), failed: (Decimal(counts[1]), f"{item.at}/failure_count")}
        for metric, (value, at) in figures.items():
            observations.append(
                Observation(
                    metric,
                    unit,
                    told.get("name", owner.name),
                    Period(day, day),
                    InputState.UNAVAILABLE if value is None else InputState.HARVESTED,
                    at,
                    value=value,
                    unit_code=code,
                    reason=item.reason or ("một hệ thống của đơn vị thiếu ngày này" if value is None else None),
                )
            )
    return Reading(tuple(observations), warnings)


def _read_operational_data(snapshot: Snapshot) -> Reading:
    """One day of the server's log. A unit of the province has a figure where a record names it; one that is `hosted`
    also has the 0 of a day without records."""
    told = context_of(snapshot)
    day = dt.date.fromisoformat(told["day"]) if "day" in told else _night(snapshot)
    reading = operational_data.read(snapshot, day, EXCHANGES, _unit_of(told))
    if "province" not in told:
        return reading
    own = [item for item in reading.observations if _is_within(item.unit_code or "", told["province"])]
    warnings = list(reading.warnings)
    if outside := {item.unit for item in reading.observations} - {item.unit for item in own}:
        warnings.append(f"{len(outside)} thành viên ngoài tỉnh hoặc chưa khai trong units, không tính")
    if not reading.quarantined:  # a record that could not be read may be anybody's
        there = {(item.metric, item.unit) for item in own}
        own += [
            Observation(
                metric, code, code, Period(day, day), InputState.HARVESTED, "/records", Decimal(0), unit_code=code
            )
            for code in told.get("hosted", [])
            for metrics in EXCHANGES.values()
            for metric in metrics
            if (metric, code) not in there
        ]
    return Reading(tuple(own), tuple(warnings), reading.quarantined)
