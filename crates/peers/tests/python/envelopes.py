"""Reads records, one in base64 a line, with gzip and json of the standard library; prints what each holds as JSON.

What the decoder says of odd values (a number where a text belongs, a time written as text) is said here again.
"""

import base64
import gzip
import json
import re
import sys

INTEGER = re.compile(r"[+-]?[0-9]+", re.ASCII)
FLOAT = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", re.ASCII)


class Number(str):
    """A number as it stands in the JSON."""


def no_constant(name):
    raise ValueError(f"{name} is no JSON")


class Rejected(ValueError):
    pass


decoder = json.JSONDecoder(parse_int=Number, parse_float=Number, parse_constant=no_constant)


def objects(text):
    """The JSON objects of a text, back to back."""
    at = 0
    while True:
        while at < len(text) and text[at] in " \t\r\n":
            at += 1
        if at == len(text):
            return
        value, at = decoder.raw_decode(text, at)
        if not isinstance(value, dict):
            raise Rejected("no object")
        yield value


def as_json(value):
    """Compact JSON, in which numbers are as they stood."""
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{as_json(name)}:{as_json(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(as_json, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def is_text(value):
    return isinstance(value, str) and not isinstance(value, Number)


def as_text(value):
    if value is None or is_text(value):
        return value
    return as_json(value)


def as_timestamp(value):
    if isinstance(value, str):
        if INTEGER.fullmatch(value) and -(2**63) <= int(value) < 2**63:
            return int(value)
        if FLOAT.fullmatch(value) and abs(float(value)) < 2**63:
            return int(float(value))
    return None


def as_field(value):
    if value is None:
        return None
    return ["text" if is_text(value) else "json", as_text(value)]


def as_event(envelope, event):
    if not isinstance(event, dict):
        raise Rejected("an event that is no object")
    fields = event.get("extractedFields")
    filters = envelope.get("subscriptionFilters")
    return {
        "id": as_text(event.get("id")),
        "timestamp": as_timestamp(event.get("timestamp")),
        "message": as_text(event.get("message")) or "",
        "owner": as_text(envelope.get("owner")),
        "logGroup": as_text(envelope.get("logGroup")),
        "logStream": as_text(envelope.get("logStream")),
        "policyLevel": as_text(envelope.get("policyLevel")),
        "filters": [name for name in filters if is_text(name)] if isinstance(filters, list) else [],
        "fields": {name: as_field(value) for name, value in fields.items()} if isinstance(fields, dict) else None,
    }


def read(data):
    if data.startswith(b"\x1f\x8b"):
        data = gzip.decompress(data)
    found = {"events": [], "controlMessages": 0}
    for envelope in objects(data.decode("utf-8")):
        kind = as_text(envelope.get("messageType"))
        events = envelope.get("logEvents")
        if not isinstance(events, list) and events is not None:
            raise Rejected("logEvents is no array")
        events = [as_event(envelope, event) for event in events or []]
        if kind == "CONTROL_MESSAGE":
            found["controlMessages"] += 1
        elif kind == "DATA_MESSAGE" or (kind is None and "logEvents" in envelope):
            found["events"] += events
        else:
            raise Rejected(f"messageType {kind}")
    # Half a character, which Python's texts may hold.
    json.dumps(found, ensure_ascii=False).encode("utf-8")
    return found


for line in sys.stdin:
    try:
        answer = read(base64.b64decode(line))
    except (ValueError, EOFError, OSError, gzip.zlib.error, RecursionError) as error:
        answer = {"rejected": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer))
