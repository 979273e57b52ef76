"""Sbatch: queue a batch job: a script, a line of shell, a command, or a file of commands.

    options ─▶ script or command ─▶ #SBATCH lines, SBATCH_* variables ─▶ one request ─▶ its number
                                                                                    └─▶ with --wait its end

What is read here is what runs: script, environment, folder and umask are captured. The command line is read by cli/getopt.py; an argparse
parser is made only for help and manual.
"""

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from jobd import __version__
from jobd.cli import batch_script, dialect
from jobd.cli.batch_options import SBATCH, Chosen, chosen_by_variables, chosen_of, table_for
from jobd.cli.batch_spec import Built, Surroundings, build, check_command, surroundings
from jobd.cli.getopt import Parsed, Table, fill_parser
from jobd.cli.main import run, say
from jobd.client import Client
from jobd.errors import Refused, UsageError
from jobd.wire.batch import Accepted, BatchItem, SubmitBatch
from jobd.wire.messages import Ask

if TYPE_CHECKING:
    import argparse

DEADLINE_S = 120.0  # as Salloc: a server may be starting
VARIABLES = "SBATCH_"

TABLE = table_for(SBATCH)  # for help, manual and completion


def table() -> Table:
    """The options of the command line, as the program was called."""
    return table_for(SBATCH) if dialect.is_slurm else TABLE


def build_parser() -> "argparse.ArgumentParser":
    """The command line of Sbatch, for help, manual and completion."""
    import argparse

    from jobd.cli.main import Parser

    parser = Parser(
        prog="Sbatch",
        usage="Sbatch [OPTION]… [SCRIPT [ARGUMENT]…]\n       Sbatch [OPTION]… --wrap COMMAND\n       Sbatch [OPTION]… -- COMMAND [ARGUMENT]…\n"
        "       Sbatch [OPTION]… --from FILE",
        description="Queue a batch job. It runs when there is room for what it asks for, in a session of its own, whatever becomes of the terminal, "
        "of the server and of the script's file meanwhile. The script is that of SCRIPT, or of standard input. Its lines #SBATCH OPTION… "
        "above the first command are options too; those of the command line and SBATCH_* variables come first. After -- a command is run "
        "as it is, and no script is read.",
        epilog="The job finds SLURM_JOB_ID and its like, JOBD_JOB_ID, NB_PROC, and where they were not set OMP_NUM_THREADS and its like.",
        allow_abbrev=True,
    )
    fill_parser(parser, TABLE)
    parser.add_argument("-V", "--version", action="version", version=f"Sbatch {__version__}")
    parser.add_argument(
        "script", nargs="?", metavar="SCRIPT", help="the script; without it standard input is read"
    )
    parser.add_argument(
        "arguments", nargs=argparse.REMAINDER, metavar="ARGUMENT", help="what the script is called with"
    )
    return parser


def program() -> None:
    """Entry point. Leaves without the interpreter's farewell, as Salloc does."""
    code = run("Sbatch", main)
    os._exit(code)


def main(argv: Sequence[str]) -> int:
    """Submit; the exit code.

    Raises:
        JobdError: wrong usage, or refused.
    """
    try:
        parsed = table().parse(argv)
    except UsageError as error:
        if dialect.is_slurm:
            raise
        raise UsageError(f"{error} (Sbatch --help)") from error
    line = chosen_of(parsed.given)
    if "help" in line or "usage" in line:
        parser = build_parser()
        text = parser.format_help() if "help" in line else parser.format_usage()
        print(dialect.own_name("Sbatch", text), end="")
        return 0
    if "version" in line:
        print(dialect.version("Sbatch", __version__))
        return 0
    client = Client(deadline_s=DEADLINE_S)
    around = surroundings(dialect.own_words("Sbatch", argv), lambda: int(client.request(Ask()).nb_proc))
    if "from" in line:
        return _submit_lines(client, line, parsed, around)
    chosen, request = submission(line, parsed, around)
    if dialect.is_slurm:
        from jobd.cli import sbatch_slurm

        return sbatch_slurm.submit(client, chosen, request, around)
    _say_idle(chosen)
    return _submit(client, chosen, request, around)


def submission(line: Chosen, parsed: Parsed, around: Surroundings) -> tuple[Chosen, SubmitBatch]:
    """The options that hold in the end, and the request.

    Raises:
        JobdError: they make no sense, or the script is none.
    """
    words = parsed.words
    if not (parsed.is_dashed and words):
        return of_script(line, _script(line, words), words[1:], around)
    if "wrap" in line:
        raise UsageError("--wrap and a command: one of the two")
    chosen = Chosen(by_variables(around), line)
    built = build(chosen, around, name=os.path.basename(words[0]) or words[0], script=None)
    command = check_command(words)
    if not command[0]:
        raise UsageError("an empty command")
    return chosen, _request(chosen, [BatchItem(command)], built)


def of_script(
    line: Chosen, script: batch_script.Script, arguments: Sequence[str], around: Surroundings
) -> tuple[Chosen, SubmitBatch]:
    """The options that hold in the end, those of the script's lines among them, and the request.

    Args:
        line: the options of the command line.

    Raises:
        JobdError: they make no sense.
    """
    chosen = Chosen(batch_script.options_of(script, table()), by_variables(around), line)
    built = build(chosen, around, name=script.name, script=script.data)
    command = check_command([script.path, *arguments])
    return chosen, _request(chosen, [BatchItem(command)], built)


def _script(line: Chosen, words: Sequence[str]) -> batch_script.Script:
    if "wrap" in line:
        if words:
            error = "Script arguments not permitted with --wrap option"
            raise Refused(error) if dialect.is_slurm else UsageError(error)
        return batch_script.wrapped(line["wrap"])
    if words and words[0] not in ("-", "/dev/stdin"):
        return batch_script.from_file(words[0])
    return batch_script.from_input()


def by_variables(around: Surroundings) -> Chosen:
    """The options that SBATCH_* variables give."""
    texts = {
        os.fsdecode(name): os.fsdecode(text)
        for name, text in around.variables.items()
        if name.startswith(VARIABLES.encode())
    }
    return chosen_by_variables(table(), texts, VARIABLES) if texts else Chosen()


def _request(chosen: Chosen, items: list[BatchItem], built: Built) -> SubmitBatch:
    request = SubmitBatch(
        chosen.get("token") or os.urandom(9).hex(),
        [built.spec],
        items,
        built.blobs,
        is_test="test-only" in chosen,
    )
    return _as_child(request) if "wait" in chosen else request


def _as_child(request: SubmitBatch) -> SubmitBatch:
    """What is waited for inside a job is a child of that job."""
    from jobd.cli.allocation import claimed_job_id, claimed_server_id

    if "JOBD_JOB_ID" not in os.environ:
        return request
    return request._replace(
        is_child=True, claimed_job_id=claimed_job_id(), claimed_server_id=claimed_server_id()
    )


def _submit(client: Client, chosen: Chosen, request: SubmitBatch, around: Surroundings) -> int:
    if "verbose" in chosen:
        _say_asked(request)
    accepted: Accepted = client.request(request)
    _say_warnings(chosen, accepted)
    if request.is_test:
        return _say_test(request, accepted, around)
    (job_id,) = accepted.job_ids
    if "parsable" in chosen:
        print(job_id)
    elif "quiet" not in chosen:
        print(f"Submitted batch job {job_id}")
    return _waited(client, chosen, accepted.job_ids)


def _submit_lines(client: Client, line: Chosen, parsed: Parsed, around: Surroundings) -> int:
    from jobd.cli import bulk

    if parsed.words or "wrap" in line:
        raise UsageError("--from takes no script, no command and no --wrap beside it")
    if "test-only" in line:
        raise UsageError("--from and --test-only: one of the two")
    if "token" in line:
        raise UsageError("--from and --token: one of the two")
    chosen = Chosen(by_variables(around), line)
    _say_idle(chosen)
    name = line["from"]

    def spec_of(options: Chosen) -> Built:
        return build(options, around, name="", script=None)

    where = "standard input" if name == "-" else os.path.basename(name) or name
    parts = bulk.parts(bulk.read_lines(name), where, chosen, TABLE, spec_of)
    if not parts:
        raise UsageError(f"{where}: no command in it")
    job_ids: list[int] = []
    try:
        for part in parts:
            request = SubmitBatch(os.urandom(9).hex(), part.specs, part.items, part.blobs)
            accepted: Accepted = client.request(_as_child(request) if "wait" in chosen else request)
            _say_warnings(chosen, accepted)
            job_ids += accepted.job_ids
    finally:
        # If a later part is refused, the earlier ones stand, and must be told of.
        _print_ids(chosen, job_ids)
    return _waited(client, chosen, job_ids)


def _print_ids(chosen: Chosen, job_ids: list[int]) -> None:
    if not job_ids:
        return
    if "parsable" in chosen:
        sys.stdout.write("".join(f"{job_id}\n" for job_id in job_ids))
    elif "quiet" not in chosen:
        from jobd.indexes import of

        count = len(job_ids)
        print(f"Submitted {count} batch job{'' if count == 1 else 's'} {of(job_ids).text}")


def _waited(client: Client, chosen: Chosen, job_ids: list[int]) -> int:
    if "wait" not in chosen:
        return 0
    from jobd.cli import ends

    sys.stdout.flush()
    return ends.wait_for(client, job_ids)


# ---- what is said
def _say_idle(chosen: Chosen) -> None:
    """Once, in one line: what was asked for and does nothing here."""
    if chosen.idle and "quiet" not in chosen:
        say(f"Sbatch: accepted without effect here: {', '.join(f'--{name}' for name in chosen.idle)}")


def _say_warnings(chosen: Chosen, accepted: Accepted) -> None:
    if "quiet" not in chosen:
        for warning in accepted.warnings:
            say(f"Sbatch: {warning}")


def _say_asked(request: SubmitBatch) -> None:
    from jobd.slurm.sizes import memory_text
    from jobd.slurm.times import limit
    from jobd.units import plural

    for spec in request.specs:
        memory = f", {memory_text(spec.memory_bytes)} of memory" if spec.memory_bytes else ""
        gpus = f", {plural(spec.gpus, 'GPU')}" if spec.gpus else ""
        say(
            f"Sbatch: {spec.name} asks for {plural(spec.nb_proc, 'proc')}{memory}{gpus}, time limit {limit(spec.time_limit_s)}, in {spec.cwd}"
        )


def _say_test(request: SubmitBatch, accepted: Accepted, around: Surroundings) -> int:
    (spec,) = request.specs
    at = accepted.expected_start_at
    if at is None:
        say("Sbatch: the job would be accepted; when it would start cannot be told")
        return 0
    from jobd.cli.slurm_values import local_zone
    from jobd.slurm.times import stamp

    job = f"Job {accepted.job_ids[0]}" if accepted.job_ids else "Job"
    partition = {label[0]: label[1] for label in spec.labels}.get("partition")
    say(
        f"Sbatch: {job} to start at {stamp(at, local_zone())} using {spec.nb_proc} processors on nodes {around.host}"
        f"{f' in partition {partition}' if partition else ''}"
    )
    return 0


__all__ = ["build_parser", "by_variables", "main", "of_script", "program", "submission", "table"]
