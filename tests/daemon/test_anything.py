"""Whatever anybody asks, and whatever an agent says: one answer each, every map true, and all of it there after a restart."""

import types
from pathlib import Path
from typing import Any, get_args, get_origin

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.worlds import at, check, image
from daemon.houses import ENVIRONMENT, SCRIPT, UID, House, agent, batch, left_of, submission, target
from jobd.daemon.inputs import AgentSaid, Request
from jobd.daemon.peers import Peer
from jobd.wire import batch as b
from jobd.wire import codec
from jobd.wire import messages as m
from jobd.wire.verbs import VERBS

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.sampled_from([-1, 0, 1, 2, 3, 2**53, 2**63, 2**64 - 1])
    | st.floats()
    | st.sampled_from(
        ["", "a", "1 2", "2 0 1 1", "tree", "below", "RUNNING", "\udcff", "here", "é", "a" * 70]
    ),
    lambda inner: st.lists(inner, max_size=4),
    max_leaves=12,
)


EXAMPLES = max(40, settings.default.max_examples // 2)  # each is a dozen ticks on a journal of its own

WORDS = ["", "a", "b", "c", "1 2", "0 1", "2 0 1 1", "1.5 2", "-1.e9 1", "tree", "here", "\udcff"]
MORE_WORDS = [
    "RUNNING",
    "PENDING",
    "x",
    "\0",
    "hold",
    "requeue",
    "suspend",
    "resume",
    "release",
    "steps",
    "main",
]
EVEN_MORE = [
    "afterok:1",
    "afterany:2?afternotok:3_1",
    "singleton",
    "partition",
    "/",
    "me",
    ENVIRONMENT.key,
    SCRIPT.key,
]


def typed(annotation: Any) -> st.SearchStrategy[Any]:
    """Wild values of the right type."""
    if isinstance(annotation, types.UnionType):
        (inner,) = (option for option in get_args(annotation) if option is not type(None))
        return st.none() | typed(inner)
    if get_origin(annotation) is list:
        return st.lists(typed(get_args(annotation)[0]), max_size=3)
    if hasattr(annotation, "_fields"):
        return st.tuples(*map(typed, annotation.__annotations__.values())).map(list)
    return {
        int: st.sampled_from([-(2**63), -1, 0, 1, 2, 3, 4, 5, 9, 2**31, 2**63, 2**64 - 1]),
        str: st.sampled_from(WORDS + MORE_WORDS + EVEN_MORE),
        float: st.floats() | st.sampled_from([0.0, 1.0, 1e12]),
        bool: st.booleans(),
        bytes: st.binary(max_size=3),
    }[annotation]


GOOD = {
    "submit": st.builds(
        submission, st.sampled_from("abcdef"), st.integers(1, 2), claimed_job_id=st.none() | st.integers(0, 3)
    ),
    "submit_batch": st.builds(
        batch,
        st.sampled_from("abcdefgh"),
        st.integers(1, 3),
        array=st.sampled_from([[], [], [[0, 3, 1]], [[1, 9, 4]]]),
        is_held=st.booleans(),
        retry_count=st.integers(0, 1),
        dependency=st.sampled_from(["", "", "singleton", "afterok:1", "aftercorr:1", "afterany:2"]),
    ),
    "cancel": st.builds(lambda word: b.Cancel(target(word)), st.sampled_from([1, 2, 3, "1_1", "1_[0-2]"])),
    "control": st.builds(
        lambda word, *more: b.Control(target(word), *more),
        st.sampled_from([1, 2, 3, 4, "1_1"]),
        st.sampled_from(["hold", "release", "requeue", "suspend", "resume"]),
        st.booleans(),
    ),
    "update": st.builds(
        lambda word, **more: b.Update(target(word), **more),
        st.sampled_from([1, 2, 3, "1_1"]),
        nb_proc=st.sampled_from([None, 1, 2]),
        dependency=st.sampled_from([None, "", "afterok:1", "singleton"]),
        name=st.sampled_from([None, "new"]),
        array_limit=st.sampled_from([None, 0, 1]),
    ),
    "step_begin": st.builds(
        b.StepBegin, st.integers(1, 4), st.sampled_from("st"), st.just("n"), st.just(["x"]), st.just(1)
    ),
}


def asked(verb: str) -> st.SearchStrategy[list[Any]]:
    """Fields of the right types and wild values, for most; anything else, or what makes sense, for some."""
    wild = typed(VERBS[verb].request) | st.lists(PLAIN, max_size=13)
    return wild | GOOD[verb].map(list) if verb in GOOD else wild


def told() -> st.SearchStrategy[AgentSaid]:
    """What an agent may say of attempts, true or not."""
    job_ids, attempts, tokens = (
        st.integers(0, 5),
        st.integers(0, 2),
        st.sampled_from(["a", "b", "c", "a/1", ""]),
    )
    codes, signals = st.sampled_from([None, 0, 1, 999]), st.sampled_from([None, 9, -1])
    causes = st.sampled_from(["self", "lost", "launch", "x"])
    return st.one_of(
        st.builds(
            b.Launched,
            job_ids,
            attempts,
            tokens,
            st.integers(-1, 99),
            st.just(5),
            st.just(["memory"]),
            st.floats(),
        ),
        st.builds(b.Over, job_ids, attempts, tokens, codes, signals, causes),
        st.builds(left_of, job_ids, attempts, tokens, codes, signals, cause=causes),
        st.just(b.Want(["x", SCRIPT.key])),
        st.just(m.Hello(9, 9, "boot", "0")),
        st.just(m.ScopeEnding()),
    ).map(agent)


@settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_is_asked_there_is_one_answer_and_a_restart_changes_nothing(
    tmp_path: Path, data: Any
) -> None:
    name = str(tmp_path / "any")
    for suffix in ("", "-wal", "-shm"):
        Path(name + suffix).unlink(missing_ok=True)
    house = House(name, licenses={"matlab": 2})
    verbs = st.sampled_from(sorted(set(VERBS) - {"stop"})) | st.sampled_from(sorted(GOOD))
    for _ in range(data.draw(st.integers(1, 10))):
        house.seconds += data.draw(st.sampled_from([0, 1, 50]))
        inputs: list[Any] = []
        for number in range(data.draw(st.integers(1, 3))):
            verb = data.draw(verbs)
            body = codec.pack([codec.PROTOCOL, verb, data.draw(asked(verb))])
            inputs.append(Request(number, Peer(UID, data.draw(st.sampled_from([50, 60, 5000, 6000]))), body))
        asked_for = len(inputs)
        inputs += data.draw(st.lists(told(), max_size=3))
        house.ear.replies.clear()
        house.server.tick(inputs, at(house.seconds))
        check(house.world)
        assert [number for number, _ in house.ear.replies] == list(range(asked_for))
        assert not any(b"made a mistake" in reply for _, reply in house.ear.replies), (
            inputs,
            house.ear.replies,
        )
        if data.draw(st.booleans()):
            before = image(house.world)
            house.journal.close()
            house.start()
            check(house.world)
            assert image(house.world) == before
    house.journal.close()
