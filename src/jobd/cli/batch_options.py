"""The options of Sbatch, Srun and Salloc: one table, from which each takes its own rows. Names and letters are Slurm's.

A row names the programs that have it: s Sbatch, r Srun, a Salloc. What is only accepted (`is_idle`) concerns clusters, sockets of processors, and
other things that one machine's job server does not have; each program says once which of those it was given.
"""

from collections.abc import Iterable

from jobd.cli import dialect
from jobd.cli.getopt import NONE, OPTIONAL, REQUIRED, Given, Option, Table

SBATCH, SRUN, SALLOC = "s", "r", "a"
ALL = SBATCH + SRUN + SALLOC


def _flag(name: str, short: str, programs: str, help: str, variable: str = "") -> Option:
    return Option(name, short, NONE, "", help, variable, programs)


def _value(
    name: str,
    short: str,
    programs: str,
    metavar: str,
    help: str,
    variable: str = "",
) -> Option:
    return Option(name, short, REQUIRED, metavar, help, variable, programs)


def _maybe(name: str, short: str, programs: str, metavar: str, help: str, variable: str = "") -> Option:
    return Option(name, short, OPTIONAL, metavar, help, variable, programs)


def _idle(
    name: str, short: str = "", argument: str = REQUIRED, variable: str = "", programs: str = ALL
) -> Option:
    metavar = "" if argument == NONE else "VALUE"
    return Option(name, short, argument, metavar, "no effect here", variable, programs, is_idle=True)


_ACTING = (
    # what it asks for
    _value("ntasks", "n", SBATCH + SRUN, "N", "tasks: Srun inside starts so many (default 1)", "NTASKS"),
    _value("cpus-per-task", "c", ALL, "N", "processors of each task (default 1)", "CPUS_PER_TASK"),
    _value("ntasks-per-node", "", ALL, "N", "tasks, where --ntasks is not given", "NTASKS_PER_NODE"),
    _value("nodes", "N", ALL, "1", "there is one: more is refused", "NNODES"),
    _value("mem", "", ALL, "SIZE", "memory of the job: 4G, 500M, or megabytes; 0 for no limit", "MEM_PER_NODE"),
    _value("mem-per-cpu", "", ALL, "SIZE", "memory for each processor", "MEM_PER_CPU"),
    _value("mem-per-gpu", "", ALL, "SIZE", "memory for each GPU", "MEM_PER_GPU"),
    _value("time", "t", ALL, "LIMIT", "end the job after LIMIT: minutes, M:S, H:M:S, D-H, D-H:M or D-H:M:S", "TIMELIMIT"),
    _value("gpus", "G", ALL, "[TYPE:]N", "GPUs of the job, handed out as CUDA_VISIBLE_DEVICES", "GPUS"),
    _value("gpus-per-node", "", ALL, "[TYPE:]N", "the same, there being one node", "GPUS_PER_NODE"),
    _value("gpus-per-task", "", ALL, "[TYPE:]N", "GPUs for each task", "GPUS_PER_TASK"),
    _value("gpus-per-socket", "", ALL, "[TYPE:]N", "the same as --gpus-per-node", ""),
    _value("cpus-per-gpu", "", ALL, "N", "processors for each GPU", "CPUS_PER_GPU"),
    _value("ntasks-per-gpu", "", ALL, "N", "tasks for each GPU, or GPUs by the number of tasks", ""),
    _value("gres", "", ALL, "NAME:N,…", "counted resources of the configuration; gpu:N means GPUs", "GRES"),
    _value("licenses", "L", ALL, "NAME:N,…", "licenses of the configuration", "LICENSES"),
    _value("mincpus", "", ALL, "N", "at least so many processors"),
    _flag("overcommit", "O", ALL, "one processor for all tasks", "OVERCOMMIT"),
    # when
    _value("begin", "b", ALL, "TIME", "not before TIME: now+1hour, 16:00, tomorrow, 2030-01-31T08:00, …", "BEGIN"),
    _value(
        "dependency", "d", ALL, "KIND:ID…", "after other jobs: afterok:12, afterany, afternotok, after:12+5, aftercorr, singleton; "
        "a comma for all, ? for any", "DEPENDENCY",
    ),
    _value("kill-on-invalid-dep", "", SBATCH, "yes|no", "yes: end a job whose dependency can never be met"),
    _flag("hold", "H", ALL, "wait until Scontrol release"),
    _value("priority", "", ALL, "P", "higher goes first (default 0)"),
    _maybe("nice", "", ALL, "N", "lower the priority by N (default 100)"),
    # who and what for: kept and shown
    _value("job-name", "J", ALL, "NAME", "name of the job (default: that of the script or command)", "JOB_NAME"),
    _value("partition", "p", ALL, "NAME", "one of the partitions of the configuration", "PARTITION"),
    _value("account", "A", ALL, "NAME", "kept and shown", "ACCOUNT"),
    _value("qos", "q", ALL, "NAME", "kept and shown", "QOS"),
    _value("comment", "", ALL, "TEXT", "kept and shown"),
    _value("wckey", "", ALL, "TEXT", "kept and shown", "WCKEY"),
    _value(
        "mail-type", "", ALL, "LIST", "where jobd-notify runs, send mail at BEGIN, END, FAIL, REQUEUE, INVALID_DEPEND, ALL of these; TIME_LIMIT, "
        "TIME_LIMIT_50, _80, _90; with ARRAY_TASKS for each element of an array",
    ),
    _value("mail-user", "", ALL, "ADDRESS", "who gets that mail (default: yourself, see jobctl notify)"),
    _value("nodelist", "w", ALL, "HOST", "this machine; another is refused", "NODELIST"),
    _value("exclude", "x", ALL, "HOST", "refused if it is this machine", "EXCLUDE"),
    _value("uid", "", ALL, "USER", "refused unless it is yourself"),
    _value("gid", "", ALL, "GROUP", "refused unless it is one of your own"),
    # where and how it runs
    _value("chdir", "D", SBATCH + SRUN + SALLOC, "DIR", "run in DIR (default: where it is submitted)"),
    _value("export", "", SBATCH + SRUN, "LIST", "variables that go along: ALL, NONE, or [ALL,]NAME[=VALUE],…", "EXPORT"),
    _value("export-file", "", SBATCH, "FILE", "variables that go along: NAME=VALUE, each ended by a zero byte", "EXPORT_FILE"),
    _value(
        "output", "o", SBATCH, "FILE", "output goes there (default slurm-%%j.out; %%j job, %%A array, %%a element, %%x name, "
        "%%u user, %%N host, …)", "OUTPUT",
    ),
    _value("error", "e", SBATCH, "FILE", "errors go there (default: with the output)", "ERROR"),
    _value("input", "i", SBATCH, "FILE", "input comes from there (default: nothing)", "INPUT"),
    _value("output", "o", SRUN, "FILE", "output goes there, not to ours; %%j job, %%s step, %%t task: a file for each, …", "OUTPUT"),
    _value("error", "e", SRUN, "FILE", "errors go there (default: to ours, with -o with the output)", "ERROR"),
    _value("input", "i", SRUN, "FILE", "input comes from there (default: ours), or goes to the task of this number alone", "INPUT"),
    _value("open-mode", "", SBATCH + SRUN, "MODE", "append or truncate (default)", "OPEN_MODE"),
    # what becomes of it
    _value(
        "signal", "", ALL, "[B:]SIG[@S]", "send SIG about S seconds (60) before the time limit: to the steps, with B: to the script", "SIGNAL",
    ),
    _flag("requeue", "", SBATCH, "queue it again after the machine failed", "REQUEUE"),
    _flag("no-requeue", "", SBATCH, "never queue it again", "NO_REQUEUE"),
    _value("retries", "", SBATCH, "N", "queue it again up to N times when it fails"),
    _value("retry-on", "", SBATCH, "CODES", "only for these exit codes: 1-3,75"),
    _value("retry-delay", "", SBATCH, "TIME", "and not before TIME has passed: 90, 5m, 1h"),
)  # fmt: skip

_SBATCH = (
    _maybe("exclusive", "", SBATCH + SALLOC, "user", "nobody else runs meanwhile, and all processors are its own", "EXCLUSIVE"),
    _value("array", "a", SBATCH, "INDEXES", "one job for each index: 0-9, 1,3,5, 0-20:4, with %%N at most N at a time", "ARRAY_INX"),
    _value("wrap", "", SBATCH, "COMMAND", "run a line of shell instead of a script"),
    _value("from", "", SBATCH, "FILE", "queue each line of FILE (- for the input): a command, or a JSON object"),
    _flag("no-bind", "", SBATCH, "do not bind the job to processors of its own"),
    _flag("test-only", "", SBATCH, "queue nothing; say when it would start"),
    _value("token", "", SBATCH, "TOKEN", "letters and digits: said again it is the same job, not another one"),
    _flag("parsable", "", SBATCH, "print the number alone"),
    _flag("wait", "W", SBATCH, "wait for the job's end, and return its exit code", "WAIT"),
    _flag("quiet", "Q", SBATCH + SRUN, "say nothing but errors"),
    _flag("verbose", "v", SBATCH + SRUN, "say what is asked for"),
    _flag("help", "h", ALL, "show this help"),
    _flag("usage", "", SBATCH, "show this help in short"),
    _flag("version", "V", ALL, "show the version"),
)  # fmt: skip

_ACCEPTED = (
    _idle("acctg-freq", variable="ACCTG_FREQ"),
    _idle("batch", variable="BATCH", programs=SBATCH),
    _idle("bb", variable="BB"),
    _idle("bbf", variable="BBF"),
    _idle("bell", argument=NONE, programs=SALLOC),
    _idle("cluster-constraint", programs=SBATCH),
    _idle("clusters", "M", variable="CLUSTERS"),
    _idle("constraint", "C", variable="CONSTRAINT"),
    _idle("container", programs=SBATCH + SRUN),
    _idle("container-id", programs=SBATCH + SRUN),
    _idle("contiguous", argument=NONE),
    _idle("core-spec", "S", variable="CORE_SPEC"),
    _idle("cores-per-socket"),
    _idle("cpu-freq", variable="CPU_FREQ_REQ"),
    _idle("deadline"),
    _idle("delay-boot", variable="DELAY_BOOT"),
    _idle("distribution", "m", variable="DISTRIBUTION"),
    _idle("extra"),
    _idle("extra-node-info", "B"),
    _idle("get-user-env", argument=OPTIONAL, variable="GET_USER_ENV"),
    _idle("gpu-bind", variable="GPU_BIND"),
    _idle("gpu-freq", variable="GPU_FREQ"),
    _idle("gres-flags", variable="GRES_FLAGS"),
    _idle("hint", variable="HINT"),
    _idle("ignore-pbs", argument=NONE, programs=SBATCH),
    _idle("mcs-label"),
    _idle("mem-bind", variable="MEM_BIND"),
    _idle("network", variable="NETWORK"),
    _idle("no-kill", "k", argument=OPTIONAL, variable="NO_KILL"),
    _idle("nodefile", "F"),
    _idle("ntasks-per-core"),
    _idle("ntasks-per-socket"),
    _idle("oversubscribe", "s", argument=NONE),
    _idle("power", variable="POWER"),
    _idle("prefer"),
    _idle("profile", variable="PROFILE"),
    _idle("propagate", argument=OPTIONAL),
    _idle("reboot", argument=NONE),
    _idle("reservation", variable="RESERVATION"),
    _idle("segment"),
    _idle("sockets-per-node"),
    _idle("spread-job", argument=NONE, variable="SPREAD_JOB"),
    _idle("switches", variable="REQ_SWITCH"),
    _idle("thread-spec", variable="THREAD_SPEC"),
    _idle("threads-per-core", variable="THREADS_PER_CORE"),
    _idle("time-min"),
    _idle("tmp"),
    _idle("tres-bind", variable="TRES_BIND"),
    _idle("tres-per-task"),
    _idle("use-min-nodes", argument=NONE, variable="USE_MIN_NODES"),
    _idle("wait-all-nodes", variable="WAIT_ALL_NODES", programs=SBATCH + SALLOC),
)

OPTIONS = (*_ACTING, *_SBATCH, *_ACCEPTED)

# Of these the one that was said last counts.
_EXCLUDING = (
    frozenset({"mem", "mem-per-cpu", "mem-per-gpu"}),
    frozenset({"requeue", "no-requeue"}),
    frozenset({"exclusive", "oversubscribe"}),
    frozenset({"export", "export-file"}),
)
_RIVALS = {name: group - {name} for group in _EXCLUDING for name in group}


class Chosen(dict[str, str]):
    """Options by name, "" for one without a value, and where those that are not of the command line come from."""

    def __init__(self, *sources: "Chosen | dict[str, str]") -> None:
        super().__init__()
        self.wheres: dict[str, str] = {}
        for source in sources:
            for name, text in source.items():
                self.choose(name, text, source.wheres.get(name, "") if isinstance(source, Chosen) else "")

    def choose(self, name: str, text: str, where: str = "") -> None:
        """Take an option; what was chosen before and contradicts it is dropped."""
        for rival in _RIVALS.get(name, ()):
            self.pop(rival, None)
        self[name] = text
        self.wheres[name] = where

    @property
    def idle(self) -> list[str]:
        """The names of those that are without effect here, in order."""
        return [name for name in self if name in _IDLE_NAMES]


_IDLE_NAMES = frozenset(option.name for option in _ACCEPTED)


def table_for(program: str, more: Iterable[Option] = ()) -> Table:
    """The options of a program (its letter), and more of its own; by Slurm's names just those that Slurm's has."""
    found = [*(option for option in OPTIONS if program in option.programs), *more]
    if dialect.is_slurm:
        from jobd.cli import slurm_options

        found = slurm_options.of(program, found)
    return Table(found)


def chosen_of(given: Iterable[Given], where: str = "") -> Chosen:
    """The options of a command line or directive."""
    if dialect.is_slurm:
        from jobd.cli import slurm_options

        given = slurm_options.renamed(given)
    chosen = Chosen()
    for option, text in given:
        chosen.choose(option.name, text, where)
    return chosen


def chosen_by_variables(table: Table, variables: "dict[str, str]", prefix: str) -> Chosen:
    """The options that variables give: SBATCH_PARTITION and its like. An empty variable is none."""
    chosen = Chosen()
    for option in table.options:
        text = variables.get(prefix + option.variable, "") if option.variable else ""
        if text:
            chosen.choose(option.name, "" if option.argument == NONE else text, prefix + option.variable)
    return chosen
