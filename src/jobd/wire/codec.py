"""Bytes ⇄ message: checked, bounded, versioned. Nothing here trusts what it reads.

A request is [PROTOCOL, verb, [field, …]]; a reply [PROTOCOL, "ok", [field, …]] or [PROTOCOL, "error", [name, text]].
A peer of another release may send fewer or more fields: missing ones take their defaults, surplus ones are ignored.
Text travels as UTF-8; bytes of a command line that are none travel as Python's surrogate escapes and come back exact.
"""

import types
from collections.abc import Collection
from itertools import chain
from types import NoneType
from typing import Any, NamedTuple, get_args, get_origin

import msgpack

from jobd.errors import JobdError, WireError, from_name
from jobd.limits import ENVIRONMENT_BYTES_MAX, LIST_ITEMS_MAX, SCRIPT_BYTES_MAX, TEXT_CHARS_MAX
from jobd.wire.verbs import VERB_OF, VERBS

PROTOCOL = 1
_SNDMORE = 2  # ZMQ_SNDMORE
BYTES_MAX = max(SCRIPT_BYTES_MAX, ENVIRONMENT_BYTES_MAX)
_TEXTS = (str, list[str])  # what a long list may have that needs no conversion
PAGE_ROWS_MIN = 8  # rows from which on it pays to check a list by its columns


def pack(value: Any) -> bytes:
    """msgpack bytes of plain data."""
    return msgpack.packb(value, unicode_errors="surrogateescape")  # type: ignore[no-any-return]


def unpack(data: bytes | memoryview) -> Any:
    """Plain data of msgpack bytes.

    Raises:
        WireError: not msgpack, or too deep or long for its own length.
    """
    try:
        return msgpack.unpackb(data, unicode_errors="surrogateescape", strict_map_key=False)
    except (ValueError, TypeError, RecursionError, msgpack.UnpackException) as error:
        raise WireError(f"not msgpack: {type(error).__name__}") from error


def encode_request(request: Any) -> bytes:
    """The bytes of a request.

    Raises:
        WireError: it holds a number beyond 64 bits, which no field of ours needs.
    """
    try:
        return pack([PROTOCOL, VERB_OF[type(request)], request])
    except OverflowError as error:
        raise WireError("a number is too large") from error


def decode_request(data: bytes | memoryview) -> tuple[str, Any]:
    """(verb, request) of bytes from anybody.

    Raises:
        WireError: anything but a request that this server understands.
    """
    name, fields = _envelope(data)
    verb = VERBS.get(name)
    if verb is None:
        raise WireError(f"no verb {name[:40]!r} (is the client newer than the server?)")
    return name, build(verb.request, fields)


def encode_reply(reply: Any) -> bytes:
    """The bytes of a reply."""
    return pack([PROTOCOL, "ok", reply])


def encode_error(error: JobdError) -> bytes:
    """The bytes of a refusal."""
    return pack([PROTOCOL, "error", [error.name, str(error)]])


def decode_reply(verb: str, data: bytes | memoryview) -> Any:
    """The reply to `verb`.

    Raises:
        JobdError: what the server refused with, as the class it named.
        WireError: the bytes are no reply.
    """
    name, fields = _envelope(data)
    if name == "error":
        if len(fields) < 2 or not all(type(field) is str for field in fields[:2]):
            raise WireError("an error reply without its text")
        raise from_name(fields[0], fields[1])
    if name != "ok":
        raise WireError(f"neither ok nor error: {name[:40]!r}")
    return build(VERBS[verb].reply, fields)


def encode_named(table: dict[str, type[Any]], message: Any) -> bytes:
    """The bytes of a message between server and agent."""
    for name, cls in table.items():
        if cls is type(message):
            return pack([PROTOCOL, name, message])
    raise AssertionError(f"{type(message).__name__} is not in the table")


def decode_named(table: dict[str, type[Any]], data: bytes | memoryview) -> Any:
    """A message between server and agent.

    Raises:
        WireError: it is not in the table, or malformed.
    """
    name, fields = _envelope(data)
    cls = table.get(name)
    if cls is None:
        raise WireError(f"unknown message {name[:40]!r}")
    return build(cls, fields)


def send_frames(socket: Any, frames: list[bytes]) -> None:
    """One message of many frames: send_multipart(), but for the flags, which as an enum cost more than the frames themselves."""
    for frame in frames[:-1]:
        socket.send(frame, _SNDMORE)
    socket.send(frames[-1], 0)


def build(cls: type[Any], fields: list[Any]) -> Any:
    """A message of class `cls` from plain fields, each checked against its annotation.

    Raises:
        WireError: a field is missing, or is not of its type.
    """
    known = _fields_of(cls)
    values = []
    for value, field in zip(fields, known, strict=False):  # surplus ones are a newer peer's
        kind = type(value)
        if (
            kind is field.plain
            or (kind is str and field.kind is str and len(value) <= TEXT_CHARS_MAX)
            or (value is None and field.is_optional)
        ):
            values.append(value)
        else:
            values.append(_checked(value, field.annotation, cls, field.name))
    if len(values) < len(known) and known[len(values)].name not in cls._field_defaults:
        raise WireError(f"{cls.__name__}.{known[len(values)].name} is missing")
    return cls(*values)


class _Field(NamedTuple):
    """What is to be known of a message's field to check values of it quickly."""

    name: str
    annotation: Any
    kind: Any  # of a value that is not None: int, str, float, bool, bytes, list, or a message's class
    item: Any  # of a list's elements
    is_optional: bool
    plain: Any  # the type of values that need no further look: int or bool


_known_fields: dict[type[Any], tuple[_Field, ...]] = {}


def _fields_of(cls: type[Any]) -> tuple[_Field, ...]:
    known = _known_fields.get(cls)
    if known is not None:
        return known
    fields = []
    for name in cls._fields:
        annotation: Any = cls.__annotations__[name]
        kind = annotation
        is_optional = isinstance(annotation, types.UnionType)
        if is_optional:
            (kind,) = (option for option in get_args(annotation) if option is not type(None))
        item = None
        origin: Any = get_origin(kind)
        if origin is list:
            (item,) = get_args(kind)
            kind = list
        plain = kind if kind in (int, bool) else None
        fields.append(_Field(name, annotation, kind, item, is_optional, plain))
    _known_fields[cls] = tuple(fields)
    return _known_fields[cls]


def _envelope(data: bytes | memoryview) -> tuple[str, list[Any]]:
    message = unpack(data)
    if type(message) is not list or len(message) != 3:
        raise WireError("no message of jobd")
    protocol, name, fields = message
    if type(protocol) is not int or type(name) is not str or type(fields) is not list:
        raise WireError("no message of jobd")
    if protocol != PROTOCOL:
        raise WireError(f"protocol {protocol}, here {PROTOCOL} (upgrade the older side)")
    return name, fields


def _checked(value: Any, annotation: Any, cls: type[Any], name: str) -> Any:
    """The value of the field `name` of `cls`, if it is one."""
    kind = type(value)
    if annotation is kind:
        if kind is str and len(value) > TEXT_CHARS_MAX:
            raise WireError(
                f"{cls.__name__}.{name}: text of {len(value)} characters, at most {TEXT_CHARS_MAX}"
            )
        if kind is float and value != value:
            raise WireError(f"{cls.__name__}.{name}: not a number")
        if kind is bytes and len(value) > BYTES_MAX:
            raise WireError(f"{cls.__name__}.{name}: {len(value)} bytes, at most {BYTES_MAX}")
        return value
    if annotation is float and kind is int:
        return float(value)  # msgpack has no integer that is beyond all floats
    if isinstance(annotation, types.UnionType):
        if value is None:
            return None
        for option in get_args(annotation):
            if option is not type(None):
                return _checked(value, option, cls, name)
    if get_origin(annotation) is list and kind is list:
        if len(value) > LIST_ITEMS_MAX:
            raise WireError(f"{cls.__name__}.{name}: list of {len(value)} items, at most {LIST_ITEMS_MAX}")
        (item,) = get_args(annotation)
        if len(value) >= PAGE_ROWS_MIN and hasattr(item, "_fields") and _is_page(item, value):
            return _page(item, value)
        if len(value) >= PAGE_ROWS_MIN and item in _TEXTS and _is_column([value], list, item, False):
            return value
        return [_checked(element, item, cls, name) for element in value]
    if hasattr(annotation, "_fields") and kind is list:
        return build(annotation, value)
    raise WireError(f"{cls.__name__}.{name}: {kind.__name__} where {annotation} is due")


# ---- pages: a list of 100,000 jobs must be read in a second, so rows are checked column by column
def _is_page(cls: type[Any], rows: list[Any]) -> bool:
    """Whether each of these rows is just what `build` would accept and leave as it is.

    What is out of the ordinary (a peer of another release, whole numbers for times, anything wrong) is not said to be a page;
    it goes the careful way, which knows defaults and has the words for what is wrong.
    """
    fields = _fields_of(cls)
    if set(map(type, rows)) != {list} or set(map(len, rows)) != {len(fields)}:
        return False
    return all(
        _is_column(column, field.kind, field.item, field.is_optional)
        for field, column in zip(fields, zip(*rows, strict=True), strict=True)
    )


def _is_column(values: Collection[Any], kind: Any, item: Any, is_optional: bool) -> bool:
    kinds = set(map(type, values))
    if is_optional and NoneType in kinds:
        kinds.discard(NoneType)
        if kinds and kind not in (int, bool):  # of those there is nothing more to be looked at
            values = [value for value in values if value is not None]
    if not kinds:
        return True
    if hasattr(kind, "_fields"):
        return kinds == {list} and _is_page(kind, list(values))
    if kinds != {kind}:
        return False
    if kind is str:
        return max(map(len, values)) <= TEXT_CHARS_MAX
    if kind is bytes:
        return max(map(len, values)) <= BYTES_MAX
    if kind is float:
        return bool(sum(values) == sum(values))  # a NaN among them makes the sum one
    if kind is list:
        if max(map(len, values)) > LIST_ITEMS_MAX:
            return False
        elements = list(chain.from_iterable(values))
        origin = get_origin(item)
        return not elements or _is_column(elements, origin or item, origin and get_args(item)[0], False)
    return kind in (int, bool)


def _page(cls: type[Any], rows: list[list[Any]]) -> list[Any]:
    """The messages of a page. Its rows are used up."""
    for index, field in enumerate(_fields_of(cls)):
        if hasattr(field.kind, "_fields"):
            own = [row for row in rows if row[index] is not None]
            for row, message in zip(own, _page(field.kind, [row[index] for row in own]), strict=True):
                row[index] = message
        elif hasattr(field.item, "_fields"):
            for row in rows:
                if row[index]:
                    row[index] = _page(field.item, row[index])
    return list(map(cls._make, rows))
