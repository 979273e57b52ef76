"""The table of verbs. A row here, a handler of the same name in daemon/verbs/, and the tests name what is missing."""

from typing import Any, NamedTuple

from jobd.wire import batch as b
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
    "submit_batch": Verb(b.SubmitBatch, b.Accepted, "queue batch jobs"),
    "rerun": Verb(b.Rerun, b.Accepted, "queue finished batch jobs again"),
    "cancel": Verb(b.Cancel, b.Affected, "end jobs, or signal them"),
    "control": Verb(b.Control, b.Affected, "hold, release, requeue, suspend, resume"),
    "update": Verb(b.Update, b.Affected, "change what jobs ask for"),
    "read_script": Verb(b.ReadScript, b.Script, "the script of a batch job"),
    "clean": Verb(b.Clean, b.Cleaned, "forget finished jobs"),
    "step_begin": Verb(b.StepBegin, b.StepNumber, "an Srun begins a step"),
    "step_end": Verb(b.StepEnd, m.Done, "a step is over"),
    "list_steps": Verb(b.ListSteps, b.StepPage, "the steps of jobs"),
    "list_attempts": Verb(b.ListAttempts, b.AttemptPage, "earlier attempts of jobs"),
    "ask_node": Verb(b.AskNode, b.Node, "the machine and what of it is in use"),
    "stop": Verb(m.Stop, m.Done, "stop the server"),
}

VERB_OF: dict[type[Any], str] = {verb.request: name for name, verb in VERBS.items()}

# What server and agent say to each other, by name.
TO_AGENT: dict[str, type[Any]] = {
    "watch": m.Watch,
    "kill": m.Kill,
    "forget": m.Forget,
    "bye": m.Bye,
    "blob": b.Blob,
    "launch": b.Launch,
    "prefetch": b.Prefetch,
    "recall": b.Recall,
    "change": b.Change,
    "signal": b.Signal,
    "forget_attempt": b.ForgetAttempt,
}
FROM_AGENT: dict[str, type[Any]] = {
    "hello": m.Hello,
    "gone": m.Gone,
    "lost": m.Lost,
    "scope_ending": m.ScopeEnding,
    "want": b.Want,
    "began": b.Began,
    "recalled": b.Recalled,
    "launched": b.Launched,
    "over": b.Over,
    "left": b.Left,
}
