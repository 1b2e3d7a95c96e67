"""Practice twin of an X-Road security server: the fictional province's data platform.

Here: the metaservices, the parts of the management API that are asked for, and operational data as multipart SOAP, over
exchanges drawn from a seed. Not here: sockets (`sandbox/server.py`).

The server stands on the night of 15 October 2026 and forgets like a real one: days more than seven back are answered
with zeros, as if nothing had happened.
"""

from __future__ import annotations

import datetime as dt
import gzip
import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from dti_pipeline.sandbox.practice import SEED, SILENT_UNIT, draw, part_of, portal_units, profile, unit
from dti_pipeline.sandbox.twins import TwinAnswer, TwinRequest

INSTANCE, CLASS = "VN", "GOV"
ASKER = "VN/GOV/H00.11/GIAM-SAT"
KEY = "thuc-hanh-xroad-khong-co-gia-tri"
TODAY = dt.date(2026, 10, 16)
"""The server's clock: the day after the demo night."""
RETENTION = 7
PAGE = 10_000
FOREIGN = ("X99", "Tỉnh Láng Giềng (hư cấu)")
"""A member of the same network that is no unit of the province."""

_ZONE = dt.timezone(dt.timedelta(hours=7))
_SYSTEMS = ("MOT-CUA", "CSDL", "VAN-BAN")
_SERVICES = ("tra-cuu", "dong-bo", "danh-muc", "trang-thai", "cap-nhat", "thong-ke", "chi-tiet")


@cache
def systems(code: str) -> tuple[tuple[str, str], ...]:
    """(subsystem, status in the management API) of a unit; a unit may have none."""
    if code == SILENT_UNIT:
        return ()
    rng = draw(SEED, code, "xroad-systems")
    many = rng.randint(1, 3) if unit(code).level == "department" else rng.randint(0, 1)
    # One of the departments has a system that is still waiting for its registration.
    last = "REGISTRATION_IN_PROGRESS" if code == "H00.09" else "REGISTERED"
    names = [(name, "REGISTERED") for name in _SYSTEMS[:many]]
    return tuple(names if last == "REGISTERED" else [*names, ("THU-NGHIEM", last)])


@cache
def services(code: str, subsystem: str) -> tuple[tuple[str, str, bool], ...]:
    """(service, type, whether its description is disabled)."""
    rng = draw(SEED, code, "xroad-services", subsystem)
    return tuple(
        (name, rng.choice(("OPENAPI3", "OPENAPI3", "REST", "WSDL")), rng.randrange(8) == 0)
        for name in _SERVICES[: rng.randint(0, len(_SERVICES))]
    )


@cache
def exchanges(code: str, subsystem: str, side: str, day: dt.date) -> tuple[int, int]:
    """(succeeded, failed) of a day, as the side of the server logged them."""
    rng = draw(SEED, code, "xroad-exchanges", subsystem, side, day.isoformat())
    size = 5 + profile(code).monthly_dossiers // 10
    total = rng.randint(0, size) // (3 if day.weekday() >= 5 else 1)
    failed = total - part_of(rng, total, 970, 25)
    return total - failed, failed


class XRoadTwin:
    """See `Twin`."""

    environment: Mapping[str, str] = {"DTI_PRACTICE_XROAD_KEY": f"token={KEY}"}

    def sites(self, base_url: str, folder: Path) -> list[dict[str, Any]]:
        quick = {"min_interval_s": 0.0, "jitter_s": 0.0, "backoff_s": 0.0}
        common = {"connector": "xroad", "base_url": base_url, "province": "H00", "politeness": quick}
        return [
            common
            | {
                "name": "thuc-hanh-ket-noi",
                "options": {"interface": "metaservices", "instance": INSTANCE, "client": ASKER},
            },
            common
            | {
                "name": "thuc-hanh-giao-dich",
                "options": {"interface": "management", "instance": INSTANCE, "figures": ["exchanges"], "days": 2},
                "auth": {"kind": "bearer", "scheme": "X-Road-ApiKey", "token": "DTI_PRACTICE_XROAD_KEY"},
            },
        ]

    def answer(self, request: TwinRequest) -> TwinAnswer:
        parts = [unquote(part) for part in request.path.strip("/").split("/")]
        if parts[:2] == ["api", "v1"]:
            return self._management(parts[2:], request)
        if parts == ["listClients"] and request.method == "GET":
            return self._list_clients(request)
        if parts[0] == "r1" and request.method == "GET":
            return self._list_methods(parts[1:], request)
        if parts == [""] and request.method == "POST":
            if not request.headers.get("content-type", "").lower().startswith("text/xml"):
                return _fault("Client.InvalidContentType", "expected text/xml")
            return self._operational_data(request.body.decode("utf-8", "replace"))
        return _json({"status": 404, "error": {"code": "not_found"}}, 404)

    # --- metaservices ---

    def _list_clients(self, request: TwinRequest) -> TwinAnswer:
        if "json" not in request.headers.get("accept", ""):
            return TwinAnswer(b"<xroad:clientList xmlns:xroad='http://x-road.eu/xsd/xroad.xsd'/>", "text/xml")
        if request.params.get("xRoadInstance", INSTANCE) != INSTANCE:
            return _bus_error("Client.UnknownInstance", "instance is not known", 500)
        members: list[dict[str, Any]] = []
        for code, name, names in [*((c, unit(c).name, systems(c)) for c in _codes()), (*FOREIGN, (("LGSP", ""),))]:
            member = {"xroad_instance": INSTANCE, "member_class": CLASS, "member_code": code}
            members.append({"id": {"object_type": "MEMBER", **member}, "name": name})
            members += [
                {
                    "id": {"object_type": "SUBSYSTEM", **member, "subsystem_code": subsystem},
                    "name": name,
                    "subsystem_name": subsystem,
                }
                for subsystem, status in names
                if status != "REGISTRATION_IN_PROGRESS"  # the network's list knows registered ones only
            ]
        return _json({"member": members})

    def _list_methods(self, parts: list[str], request: TwinRequest) -> TwinAnswer:
        if not re.fullmatch(r"[^/\s]+(/[^/\s]+){3}", request.headers.get("x-road-client", "")):
            return _bus_error("Client.BadRequest", "X-Road-Client header is missing or malformed", 400)
        if len(parts) != 5 or parts[:2] != [INSTANCE, CLASS] or parts[4] != "listMethods":
            return _bus_error("Client.BadRequest", "no such metaservice", 400)
        code, subsystem = parts[2], parts[3]
        if code not in _codes() or (subsystem, "REGISTERED") not in systems(code):
            return _bus_error("Server.ServerProxy.UnknownMember", "client is not registered", 500)
        member = {"xroad_instance": INSTANCE, "member_class": CLASS, "member_code": code, "subsystem_code": subsystem}
        listed = [
            {
                "object_type": "SERVICE",
                **member,
                "service_code": name,
                "service_type": "OPENAPI" if kind == "OPENAPI3" else kind,
                "endpoint_list": [{"method": "GET", "path": f"/{name}"}],
            }
            for name, kind, is_disabled in services(code, subsystem)
            if kind != "WSDL" and not is_disabled
        ]
        return _json({"service": listed})

    # --- management API ---

    def _management(self, parts: list[str], request: TwinRequest) -> TwinAnswer:
        if request.headers.get("authorization") != f"X-Road-ApiKey token={KEY}":
            return _json({"status": 401, "error": {"code": "unauthorized"}}, 401)
        if parts == ["clients"]:
            return self._clients(request.params.get("show_members") != "false")
        if len(parts) == 3 and parts[0] == "clients" and parts[2] == "service-descriptions":
            return self._descriptions(parts[1])
        if parts == ["diagnostics", "operational-monitoring"]:
            return self._diagnostics(request.params)
        return _json({"status": 404, "error": {"code": "not_found"}}, 404)

    def _clients(self, shows_members: bool) -> TwinAnswer:
        found: list[dict[str, Any]] = []
        for code in _codes():
            member = {"member_name": unit(code).name, "member_class": CLASS, "member_code": code}
            if shows_members:
                owner = {"id": f"{INSTANCE}:{CLASS}:{code}", "subsystem_code": None, "owner": code == "H00.11"}
                found.append(member | owner | {"status": "REGISTERED"})
            found += [
                {
                    "id": f"{INSTANCE}:{CLASS}:{code}:{subsystem}",
                    **member,
                    "subsystem_code": subsystem,
                    "owner": False,
                    "has_valid_local_sign_cert": True,
                    "connection_type": "HTTPS",
                    "status": status,
                }
                for subsystem, status in systems(code)
            ]
        return _json(found)

    def _descriptions(self, client_id: str) -> TwinAnswer:
        names = client_id.split(":")
        if len(names) != 4 or names[2] not in _codes() or names[3] not in dict(systems(names[2])):
            return _json({"status": 404, "error": {"code": "client_not_found"}}, 404)
        return _json(
            [
                {
                    "id": str(number),
                    "url": f"https://{names[3].lower()}.h00.invalid/{name}",
                    "type": kind,
                    "disabled": is_disabled,
                    "disabled_notice": "",
                    "refreshed_at": "2026-10-01T00:00:00Z",
                    "services": [
                        {"id": f"{client_id}:{name}", "service_code": name, "full_service_code": f"{name}.v1"}
                    ],
                    "client_id": client_id,
                }
                for number, (name, kind, is_disabled) in enumerate(services(names[2], names[3]))
            ]
        )

    def _diagnostics(self, params: Mapping[str, str]) -> TwinAnswer:
        try:
            start, end = (dt.datetime.fromisoformat(params[name]) for name in ("records_from", "records_to"))
            step = dt.timedelta(minutes=int(params["interval"]))
        except (KeyError, ValueError):
            return _json({"status": 400, "error": {"code": "validation_failure", "validation_errors": {}}}, 400)
        names = params.get("member_id", "").split(":")
        sides = [params["security_server_type"]] if "security_server_type" in params else ["Client", "Producer"]
        intervals = []
        while start <= end:
            day = start.astimezone(_ZONE).date()
            counts = [(0, 0)]
            if TODAY - dt.timedelta(days=RETENTION) <= day < TODAY and len(names) == 4 and step == dt.timedelta(days=1):
                counts = [exchanges(names[2], names[3], side, day) for side in sides]
            intervals.append(
                {
                    "interval_start_time": start.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
                    "success_count": sum(done for done, _ in counts),
                    "failure_count": sum(failed for _, failed in counts),
                }
            )
            start += step
        return _json(intervals)

    # --- operational monitoring protocol ---

    def _operational_data(self, question: str) -> TwinAnswer:
        asked = {name: re.search(rf"<om:{name}>(\d+)</om:{name}>", question) for name in ("recordsFrom", "recordsTo")}
        begin, end = (int(found[1]) if found else None for found in asked.values())
        if begin is None or end is None:
            return _fault("Client.BadRequest", "searchCriteria is missing")
        fields = set(re.findall(r"<om:outputField>(\w+)</om:outputField>", question))
        oldest = int(dt.datetime.combine(TODAY - dt.timedelta(days=RETENTION), dt.time(0), _ZONE).timestamp())
        now = int(dt.datetime.combine(TODAY, dt.time(1), _ZONE).timestamp())
        following = now - 60 if end >= now - 60 else None
        records: list[dict[str, Any]] = []
        first_day = dt.datetime.fromtimestamp(max(begin, oldest), _ZONE).date()
        for number in range(RETENTION + 1):
            day = first_day + dt.timedelta(days=number)
            midnight = int(dt.datetime.combine(day, dt.time(0), _ZONE).timestamp())
            if day < TODAY and midnight <= end:
                records += [record for record in _records(day, midnight) if begin <= record["monitoringDataTs"] <= end]
        if len(records) > PAGE:
            following, records = records[PAGE]["monitoringDataTs"], records[:PAGE]
        chosen = [{k: v for k, v in record.items() if not fields or k in fields} for record in records]
        return multipart(chosen, following)


def _codes() -> tuple[str, ...]:
    """Members: the departments and the communes that have a system, and the silent department, a member without one."""
    return tuple(code for code in portal_units() if systems(code) or code == SILENT_UNIT)


@cache
def _records(day: dt.date, midnight: int) -> tuple[dict[str, Any], ...]:
    """Every record of a day in the order of time, both sides; a call between two of the servers' own is on both."""
    found = []
    for code in _codes()[:3]:
        for subsystem, _ in systems(code):
            for side in ("Client", "Producer"):
                done, failed = exchanges(code, subsystem, side, day)
                for number in range(done + failed):
                    second = midnight + 60 + 37 * number
                    own = {"XRoadInstance": INSTANCE, "MemberClass": CLASS, "MemberCode": code}
                    other = own | {"MemberCode": FOREIGN[0], "SubsystemCode": "LGSP"}
                    own["SubsystemCode"] = subsystem
                    client, service = (own, other) if side == "Client" else (other, own)
                    found.append(
                        {
                            "monitoringDataTs": second + 1,
                            "securityServerType": side,
                            "requestInTs": second * 1000 + 250,
                            **{f"client{name}": value for name, value in client.items()},
                            **{f"service{name}": value for name, value in service.items()},
                            "serviceCode": "tra-cuu",
                            "serviceType": "REST",
                            "messageId": f"{code}-{subsystem}-{side}-{day:%Y%m%d}-{number}",
                            "messageUserId": "H00-nguoi-dung-hu-cau",
                            "succeeded": number >= failed,
                            "statusCode": 200 if number >= failed else 500,
                        }
                    )
    return tuple(sorted(found, key=lambda record: (record["monitoringDataTs"], record["messageId"])))


def multipart(records: list[dict[str, Any]], following: int | None = None, total: int | None = None) -> TwinAnswer:
    """The answer of `getSecurityServerOperationalData`; `total` lies about the number of records."""
    boundary, name = "xroadThucHanh", "operational-monitoring-data.json.gz"
    more = "" if following is None else f"<om:nextRecordsFrom>{following}</om:nextRecordsFrom>"
    soap = (
        '<?xml version="1.0" encoding="utf-8"?><SOAP-ENV:Envelope '
        'xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/" xmlns:om="http://x-road.eu/xsd/op-monitoring.xsd">'
        "<SOAP-ENV:Header/><SOAP-ENV:Body><om:getSecurityServerOperationalDataResponse>"
        f"<om:recordsCount>{len(records) if total is None else total}</om:recordsCount>"
        f"<om:records>cid:{name}</om:records>{more}"
        "</om:getSecurityServerOperationalDataResponse></SOAP-ENV:Body></SOAP-ENV:Envelope>"
    )
    data = gzip.compress(json.dumps({"records": records}, ensure_ascii=False).encode(), mtime=0)
    head = f"--{boundary}\r\ncontent-type:text/xml\r\n\r\n{soap}\r\n--{boundary}\r\n"
    head += f"content-type:application/gzip\r\ncontent-transfer-encoding: binary\r\ncontent-id: <{name}>\r\n\r\n"
    body = head.encode() + data + f"\r\n--{boundary}--\r\n".encode()
    return TwinAnswer(body, f'multipart/related; type="text/xml"; charset=UTF-8; boundary={boundary}')


def _json(document: Any, status: int = 200) -> TwinAnswer:
    return TwinAnswer(json.dumps(document, ensure_ascii=False).encode(), status=status)


def _bus_error(code: str, message: str, status: int) -> TwinAnswer:
    body = json.dumps({"type": code, "message": message, "detail": "practice"}).encode()
    return TwinAnswer(body, status=status, headers={"X-Road-Error": code, "X-Road-Request-Id": "practice"})


def _fault(code: str, text: str) -> TwinAnswer:
    soap = "http://schemas.xmlsoap.org/soap/envelope/"
    body = (
        f'<s:Envelope xmlns:s="{soap}"><s:Body><s:Fault><faultcode>{code}</faultcode>'
        f"<faultstring>{text}</faultstring></s:Fault></s:Body></s:Envelope>"
    )
    return TwinAnswer(body.encode(), "text/xml; charset=UTF-8", 500)


TWIN = XRoadTwin()
