"""A limit on everything, each with its reason. What a user may change stands in settings.py."""

REQUEST_BYTES_MAX = 64 << 20  # a bulk submission of ITEMS_MAX commands of a kilobyte each
REPLY_BYTES_MAX = 64 << 20  # a page of PAGE_ROWS_MAX rows with the longest command lines
AGENT_BYTES_MAX = 16 << 20  # the list of everything an agent watches, 100,000 jobs
PAGE_ROWS_MAX = 2000  # rows in one reply: some 20 ms of the server's time
COMMAND_CHARS_MAX = 4096  # of a command line, for the record; Salloc itself runs the whole
NAME_CHARS_MAX = 256
PATH_CHARS_MAX = 4096  # PATH_MAX of Linux
TOKEN_CHARS_MAX = 64
TEXT_CHARS_MAX = (
    1 << 17
)  # any other text in a message: a word of a command line is not longer (MAX_ARG_STRLEN of Linux)
LIST_ITEMS_MAX = 2_000_000  # any list in a message: the numbers of all jobs that may live
IDS_MAX = 10_000  # job numbers in one request
NB_PROC_LIMIT = 1 << 20  # beyond any machine; keeps sums far from overflow
PRIORITY_LIMIT = 1 << 30
TIME_LIMIT_S_MAX = 10 * 365 * 86400  # ten years: longer is a typing error
TREE_DEPTH_MAX = 1000  # ancestors of a job; deeper is a runaway recursion
SOCKET_PATH_BYTES_MAX = 107  # sun_path of Linux, less the final zero
EXIT_CODE_MAX = 255
SIGNAL_MAX = 127  # what a wait status has room for
COMMAND_WORDS_MAX = 1000  # of a command line, for the record
EVENTS_PAGE_MAX = 2000
PARENTS_LOOKED_UP_MAX = 256  # processes between a client and its job
ITEMS_MAX = 50_000  # jobs in one submission: half a second of the server's time
SPECS_MAX = 50_000  # different specs in one submission
BATCH_COMMAND_BYTES_MAX = (
    131_072  # MAX_ARG_STRLEN of Linux; the agent runs the whole, so it is refused and not cut
)
SCRIPT_BYTES_MAX = 4 << 20  # as Slurm (slurm.conf(5), max_script_size)
ENVIRONMENT_BYTES_MAX = 2 << 20  # what execve(2) takes is less
LABEL_CHARS_MAX = 4096  # a comment, a partition …
LABELS_MAX = 64
RESOURCE_MAX = 1 << 60  # bytes, or a count
RETRIES_MAX = 10_000
SIGNAL_NUMBER_MAX = 64
