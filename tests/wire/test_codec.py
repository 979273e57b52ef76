"""Bytes from anybody: either exactly what was said, or a WireError."""

import types
from typing import Any, get_args, get_origin

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobd.errors import JobdError, NoSuchJob, Refused, TooManyProcs, WireError
from jobd.limits import LIST_ITEMS_MAX, TEXT_CHARS_MAX
from jobd.wire import batch as b
from jobd.wire import codec
from jobd.wire import messages as m
from jobd.wire.verbs import FROM_AGENT, TO_AGENT, VERBS

ALL = sorted(
    {
        cls
        for cls in [*vars(m).values(), *vars(b).values()]
        if isinstance(cls, type) and hasattr(cls, "_fields")
    },
    key=lambda cls: (cls.__name__, cls.__module__),
)
# What Python makes of a command line: text, and lone surrogates for bytes that are no UTF-8.
TEXT = st.text(st.characters(codec="utf-8"), max_size=30) | st.binary(max_size=20).map(
    lambda data: data.decode("utf-8", "surrogateescape")
)
PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.binary(max_size=20)
    | TEXT
    | st.sampled_from([codec.PROTOCOL, "ok", "error", *VERBS, *TO_AGENT, *FROM_AGENT]),
    lambda inner: (
        st.lists(inner, max_size=6)
        | st.dictionaries(
            st.integers(0, 99) | st.text(st.characters(codec="utf-8"), max_size=5), inner, max_size=3
        )
    ),
    max_leaves=30,
)


def of_annotation(annotation: Any) -> st.SearchStrategy[Any]:
    if annotation is int:
        return st.integers(-(2**63), 2**64 - 1)
    if annotation is str:
        return TEXT
    if annotation is bool:
        return st.booleans()
    if annotation is bytes:
        return st.binary(max_size=30)
    if annotation is float:
        return st.floats(allow_nan=False)
    if isinstance(annotation, types.UnionType):
        return st.one_of(
            *(st.none() if arg is type(None) else of_annotation(arg) for arg in get_args(annotation))
        )
    if get_origin(annotation) is list:
        return st.lists(of_annotation(get_args(annotation)[0]), max_size=12)
    return message(annotation)


def message(cls: Any) -> st.SearchStrategy[Any]:
    return st.tuples(*(of_annotation(cls.__annotations__[name]) for name in cls._fields)).map(cls._make)


@pytest.mark.parametrize("cls", ALL, ids=lambda cls: cls.__name__)
def test_every_message_comes_back_as_it_was(cls: Any) -> None:
    @settings(max_examples=15)
    @given(message(cls))
    def round_trip(said: Any) -> None:
        assert codec.build(cls, codec.unpack(codec.pack(said))) == said

    round_trip()


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_is_asked_and_answered_over_the_wire(verb: str) -> None:
    @settings(max_examples=10)
    @given(message(VERBS[verb].request), message(VERBS[verb].reply))
    def round_trip(request: Any, reply: Any) -> None:
        assert codec.decode_request(codec.encode_request(request)) == (verb, request)
        assert codec.decode_reply(verb, codec.encode_reply(reply)) == reply

    round_trip()


@pytest.mark.parametrize("table", [TO_AGENT, FROM_AGENT])
def test_server_and_agent_understand_each_other(table: dict[str, Any]) -> None:
    for cls in table.values():

        @settings(max_examples=10)
        @given(message(cls))
        def round_trip(said: Any) -> None:
            assert codec.decode_named(table, codec.encode_named(table, said)) == said

        round_trip()


def test_only_messages_of_the_table_are_said() -> None:
    with pytest.raises(AssertionError):
        codec.encode_named(TO_AGENT, m.Done())
    with pytest.raises(WireError, match="unknown"):
        codec.decode_named(FROM_AGENT, codec.encode_named(TO_AGENT, m.Bye()))


# ---- peers of another release
@pytest.mark.parametrize("cls", ALL, ids=lambda cls: cls.__name__)
def test_an_older_peer_sends_fewer_fields_and_a_newer_one_more(cls: Any) -> None:
    needed = [name for name in cls._fields if name not in cls._field_defaults]

    @settings(max_examples=8)
    @given(message(cls))
    def understood(said: Any) -> None:
        fields = codec.unpack(codec.pack(said))
        assert codec.build(cls, [*fields, "from", {"the": "future"}, None]) == said
        for count in range(len(needed), len(fields)):
            assert codec.build(cls, fields[:count]) == cls(*said[:count])
        if needed:
            with pytest.raises(WireError, match="missing"):
                codec.build(cls, fields[: len(needed) - 1])

    understood()


def test_fields_are_only_ever_appended_with_a_default() -> None:
    for cls in ALL:
        has_default = [name in cls._field_defaults for name in cls._fields]
        assert has_default == sorted(has_default)


def test_another_protocol_says_who_is_older() -> None:
    with pytest.raises(WireError, match="protocol 2, here 1"):
        codec.decode_request(codec.pack([2, "status", []]))


def test_an_unknown_verb_is_named() -> None:
    with pytest.raises(WireError, match="'dance'"):
        codec.decode_request(codec.pack([1, "dance", []]))


# ---- a long list goes a short way
@settings(max_examples=40)
@given(st.lists(message(m.JobRow), min_size=8, max_size=12), st.data())
def test_a_page_is_read_as_if_row_by_row(rows: list[m.JobRow], data: Any) -> None:
    fields = codec.unpack(codec.pack(rows))
    if data.draw(st.booleans()):  # something is wrong, or out of the ordinary
        place = fields[data.draw(st.integers(0, len(fields) - 1))]
        while data.draw(st.booleans()):  # perhaps further in: in its batch part, or in a list of that
            inner = [item for item in place if type(item) is list and item]
            if not inner:
                break
            place = data.draw(st.sampled_from(inner))
        place[data.draw(st.integers(0, len(place) - 1))] = data.draw(PLAIN)
    if data.draw(st.integers(0, 5)) == 0:
        del fields[0][data.draw(st.integers(0, 24)) :]
    if data.draw(st.integers(0, 5)) == 0 and fields[-1][24:25] not in ([], [None]):
        del fields[-1][24][data.draw(st.integers(0, 40)) :]
    one_by_one, error = [], None
    try:
        one_by_one = [codec.build(m.JobRow, row) for row in fields]
    except WireError as caught:
        error = caught
    page = [fields, "", list(STATUS)]
    if error is None:
        found = codec.build(m.JobPage, page).rows
        assert found == one_by_one
        assert types_in(found) == types_in(one_by_one)
    else:
        with pytest.raises(WireError):
            codec.build(m.JobPage, page)


def types_in(value: Any) -> Any:
    """The type of a value, and of all that is in it."""
    if isinstance(value, list | tuple):
        return type(value), [types_in(item) for item in value]
    return type(value)


def test_a_page_of_batch_jobs_is_made_of_their_types() -> None:
    counted = [m.Counted("fpga", 2)]
    batch = m.BatchRow(*(_plain(m.BatchRow, name) for name in m.BatchRow._fields))._replace(counted=counted)
    row = m.JobRow(*(_plain(m.JobRow, name) for name in m.JobRow._fields))._replace(batch=batch)
    rows = [row, row._replace(batch=None), row._replace(batch=batch._replace(counted=[]))] * 5
    assert codec.decode_reply("list_jobs", codec.encode_reply(m.JobPage(rows, "", STATUS))).rows == rows
    found = codec.decode_reply("list_jobs", codec.encode_reply(m.JobPage(rows, "", STATUS))).rows
    assert types_in(found) == types_in(rows)


def _plain(cls: Any, name: str) -> Any:
    """Some value of a field."""
    annotation = cls.__annotations__[name]
    if isinstance(annotation, types.UnionType):
        return None
    kind = get_origin(annotation) or annotation
    return kind() if kind is not str else name


def test_a_submission_of_many_is_what_was_said() -> None:
    specs = [
        b.BatchSpec(1, "n", "/", "k", counted=[m.Counted("a", 1)], array=[[0, 9, 1]], labels=[["x", "y"]])
    ]
    items = [b.BatchItem(["run", str(i), "caf\udce9"], i % 1) for i in range(100)]
    said = b.SubmitBatch("t", specs * 9, items, [b.Blob("k", bytes([i])) for i in range(20)])
    found = codec.decode_request(codec.encode_request(said))
    assert found == ("submit_batch", said) and types_in(found[1]) == types_in(said)
    for wrong in (["run", 1], "run", [["run"]], [b"run"]):
        items[50] = b.BatchItem(wrong)  # type: ignore[arg-type]
        with pytest.raises(WireError, match=r"BatchItem\.command"):
            codec.decode_request(codec.encode_request(said))


STATUS = m.Status("0", 1, "s", 0.0, 1, 1, 0, 0, 0, 0, None, [], 0)


# ---- nonsense
def _only_jobd_errors(read: Any, data: bytes) -> None:
    try:
        read(data)
    except JobdError:
        pass


@settings(max_examples=300)
@given(
    st.binary(max_size=200) | PLAIN.map(codec.pack) | st.lists(PLAIN, min_size=3, max_size=3).map(codec.pack)
)
def test_any_bytes_are_a_message_or_a_wire_error(data: bytes) -> None:
    for verb in VERBS:
        _only_jobd_errors(lambda data, verb=verb: codec.decode_reply(verb, data), data)
    for read in (
        codec.decode_request,
        lambda data: codec.decode_named(FROM_AGENT, data),
        lambda data: codec.decode_named(TO_AGENT, data),
    ):
        try:
            read(data)
        except WireError:
            pass


@settings(max_examples=300)
@given(st.sampled_from(sorted(VERBS)), st.lists(PLAIN, max_size=15))
def test_any_fields_of_a_verb_are_a_request_or_a_wire_error(verb: str, fields: list[Any]) -> None:
    data = codec.pack([codec.PROTOCOL, verb, fields])
    try:
        found, request = codec.decode_request(data)
    except WireError:
        return
    assert found == verb and type(request) is VERBS[verb].request
    for value, name in zip(request, request._fields, strict=True):
        annotation = request.__annotations__[name]
        kinds = get_args(annotation) if isinstance(annotation, types.UnionType) else (annotation,)
        assert type(value) in [get_origin(kind) or kind for kind in kinds]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc1",
        b"\x91" * 5000,  # lists in lists
        b"\xdd\xff\xff\xff\xff",  # a list of four thousand million items, it says
        b"\xdb\xff\xff\xff\xffabc",
        b"\xc7\x0c\xff" + b"\xff" * 12,  # a time stamp out of range
        b"\x81\x91\x01\x01",  # a list as a key
        codec.pack([1, "status", []]) + b"x",
        msgpack.packb([True, "status", []]),
        msgpack.packb([1, b"status", []]),
        msgpack.packb([1, "status", {}]),
    ],
)
def test_malice_is_a_wire_error(data: bytes) -> None:
    with pytest.raises(WireError):
        codec.decode_request(data)


def test_a_truth_value_is_no_number_and_a_number_no_text() -> None:
    for fields in ([[True]], [["1"]], [[1.0]], [1], [None]):
        with pytest.raises(WireError, match=r"Delete\.job_ids"):
            codec.build(m.Delete, fields)


def test_what_is_too_long_is_refused() -> None:
    with pytest.raises(WireError, match="at most"):
        codec.build(m.Delete, [[1] * (LIST_ITEMS_MAX + 1)])
    with pytest.raises(WireError, match="at most"):
        codec.build(m.ListJobs, ["x" * (TEXT_CHARS_MAX + 1)])
    with pytest.raises(WireError, match="at most"):
        codec.build(b.Script, [b"x" * (codec.BYTES_MAX + 1)])
    with pytest.raises(WireError, match="at most"):
        codec.build(b.SubmitBatch, ["t", [], [], [["k", b"x" * (codec.BYTES_MAX + 1)]] * codec.PAGE_ROWS_MIN])


def test_no_time_is_not_a_number() -> None:
    with pytest.raises(WireError, match="not a number"):
        codec.build(m.Kill, [1, float("nan")])


# ---- refusals
@pytest.mark.parametrize("error", [NoSuchJob("no job 42"), TooManyProcs("9"), WireError("x")])
def test_a_refusal_is_raised_as_what_it_was(error: JobdError) -> None:
    with pytest.raises(type(error)) as caught:
        codec.decode_reply("delete", codec.encode_error(error))
    assert str(caught.value) == str(error) and type(caught.value) is type(error)


def test_a_refusal_of_a_newer_server_is_a_refusal() -> None:
    with pytest.raises(Refused, match="too blue"):
        codec.decode_reply("delete", codec.pack([1, "error", ["TooBlue", "too blue"]]))
