"""The table of verbs. A row here, a handler of the same name in daemon/verbs/, and the tests name what is missing."""

from typing import Any, NamedTuple

from jobd.wire import messages as m


class Verb(NamedTuple):
    """What is asked, what is answered, and one line on it."""

    request: type[Any]
    reply: type[Any]
    summary: str


VERBS: dict[str, Verb] = {
    "submit": Verb(m.Submit, m.Grant, "queue a Salloc"),
    "ended": Verb(m.Ended, m.Noted, "a Salloc's command is over"),
    "killed": Verb(m.Killed, m.Done, "a running Salloc was sent a signal meant to end it"),
    "delete": Verb(m.Delete, m.Deleted, "kill jobs with their trees"),
    "set_limits": Verb(m.SetLimits, m.Status, "change nb_proc and nb_proc_max"),
    "status": Verb(m.Ask, m.Status, "how the server is"),
    "list_jobs": Verb(m.ListJobs, m.JobPage, "one page of jobs"),
    "list_events": Verb(m.ListEvents, m.EventPage, "events from a number on"),
    "stop": Verb(m.Stop, m.Done, "stop the server"),
}

VERB_OF: dict[type[Any], str] = {verb.request: name for name, verb in VERBS.items()}

# What server and agent say to each other, by name.
TO_AGENT: dict[str, type[Any]] = {
    "watch": m.Watch,
    "kill": m.Kill,
    "forget": m.Forget,
    "bye": m.Bye,
}
FROM_AGENT: dict[str, type[Any]] = {
    "hello": m.Hello,
    "gone": m.Gone,
    "lost": m.Lost,
    "scope_ending": m.ScopeEnding,
}
