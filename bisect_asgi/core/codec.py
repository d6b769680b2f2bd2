"""Encode values as JSON, and decode them.

An event has its class name in the field `event`, so that each line of a log names its event. An event of a
stage has the number of the stage in an additional field.
"""

from __future__ import annotations

import hashlib
from typing import TypeVar, get_args

import msgspec

from bisect_asgi.core.events import Event, StageEvent, unstaged

T = TypeVar("T")

_EVENTS = {kind.__name__: kind for kind in get_args(Event) if kind is not StageEvent}


_TOO_DEEP = "it is nested too deeply"


class Unreadable(ValueError):
    """The input is malformed; the message has the place."""


def to_json(value: object) -> bytes:
    """Return a value as compact JSON, with keys in the order of the fields."""
    return msgspec.json.encode(value)


def from_json(text: bytes | str, kind: type[T]) -> T:
    """Return the value of type `kind` in a JSON text.

    Raises:
        Unreadable: `text` is not JSON, or not a `kind`.
    """
    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Unreadable(str(error)) from error
    except RecursionError as error:
        raise Unreadable(_TOO_DEEP) from error


def from_toml(text: str) -> dict[str, object]:
    """Return the table that a TOML document is.

    Raises:
        Unreadable: `text` is not TOML, or has a number that Python does not read.
    """
    import tomllib  # most commands read no TOML

    try:
        return tomllib.loads(text)
    except ValueError as error:
        raise Unreadable(str(error)) from error
    except RecursionError as error:
        raise Unreadable(_TOO_DEEP) from error


def convert(value: object, kind: type[T]) -> T:
    """Return dicts, lists and strings, as a TOML file gives them, as a value of type `kind`.

    Raises:
        Unreadable: `value` is not a `kind`; the message names the place and both types.
    """
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise Unreadable(str(error)) from error


def event_to_json(event: Event) -> bytes:
    """Return an event as one line of JSON, without the end of the line."""
    stage = {"stage": event.stage} if isinstance(event, StageEvent) else {}
    inner = unstaged(event)
    return msgspec.json.encode({"event": type(inner).__name__, **stage, **msgspec.to_builtins(inner)})


def event_from_json(line: bytes | str) -> Event:
    """Return the event in a line of a log.

    Raises:
        Unreadable: the line is cut off, or was written by a version with other events.
    """
    fields = from_json(line, dict[str, object])
    kind = _EVENTS.get(str(fields.pop("event", None)))
    if kind is None:
        raise Unreadable("unknown event")
    stage = fields.pop("stage", None)
    event: Event = convert(fields, kind)
    return event if stage is None else StageEvent(stage=convert(stage, int), event=event)


def digest(*parts: object) -> str:
    """Return 32 hexadecimal digits that are the same for equal parts."""
    return hashlib.blake2b(msgspec.json.encode(parts, order="deterministic"), digest_size=16).hexdigest()
