"""sbatch: what Slurm's own says of a submission, and the exit codes that it has."""

import sys

from jobd.cli import submit_words
from jobd.cli.batch_options import Chosen
from jobd.cli.batch_spec import Surroundings
from jobd.cli.main import say
from jobd.cli.submit_words import Wrong
from jobd.client import Client
from jobd.errors import JobdError
from jobd.states import JobState
from jobd.wire.batch import Accepted, AskNode, Node, SubmitBatch
from jobd.wire.messages import JobRow

BUSY = "allocation failure: Requested nodes are busy"  # of a test, where the server cannot tell a time


def submit(client: Client, chosen: Chosen, request: SubmitBatch, around: Surroundings) -> int:
    """Submit, and say what Slurm says; the exit code.

    Raises:
        JobdError: it was refused.
    """
    if "verbose" in chosen:
        submit_words.say_defined("sbatch", chosen)
    try:
        cluster = _cluster(client, chosen)
        accepted: Accepted = client.request(request)
        if request.is_test:
            return _say_test(client, chosen, request, accepted, around)
    except JobdError as error:
        raise submit_words.refusal(error, chosen) from error
    (job_id,) = accepted.job_ids
    if "parsable" in chosen:
        print(f"{job_id};{cluster}" if cluster else job_id)
    elif "quiet" not in chosen:
        print(f"Submitted batch job {job_id}{f' on cluster {cluster}' if cluster else ''}")
    return _waited(client, job_id) if "wait" in chosen else 0


def _cluster(client: Client, chosen: Chosen) -> str:
    """The cluster that was named, "" if none was.

    Raises:
        Wrong: there is none of that name.
    """
    asked = chosen.get("clusters", "")
    if not asked:
        return ""
    node: Node = client.request(AskNode())
    names = asked.split(",")
    if asked == "all" or node.cluster in names:
        return node.cluster
    raise Wrong(
        f"No cluster '{names[0]}' known by database.",
        f"'{names[0]}' can't be reached now, or it is an invalid entry for --cluster.  "
        "Use 'sacctmgr list clusters' to see available clusters.",
    )


def _say_test(
    client: Client, chosen: Chosen, request: SubmitBatch, accepted: Accepted, around: Surroundings
) -> int:
    from jobd.cli.slurm_values import local_zone
    from jobd.slurm.times import stamp

    (spec,) = request.specs
    at = accepted.expected_start_at
    if at is None:
        say(BUSY)
        return 1
    if "quiet" not in chosen:
        node: Node = client.request(AskNode())
        partition = chosen.get("partition", "").split(",")[0] or node.partitions[0]
        job = f"Job {accepted.job_ids[0]}" if accepted.job_ids else "Job"
        say(
            f"sbatch: {job} to start at {stamp(at, local_zone())} using {spec.nb_proc} processors on nodes {around.host}"
            f" in partition {partition}"
        )
    return 0


def _waited(client: Client, job_id: int) -> int:
    """The exit code of the job, that of an array's worst element; 1 for one that a signal has ended."""
    from jobd.cli import ends

    sys.stdout.flush()
    codes = [0]

    def hear(row: JobRow) -> None:
        is_plain = row.signal is None and row.state != JobState.CANCELLED.value
        codes.append(ends.code_of(row) if is_plain else 1)

    ends.wait_for(client, [job_id], hear)
    return max(codes)


__all__ = ["submit"]
