"""What Slurm's error numbers mean, in its words, and the system's own below them (`scontrol errnumstr`).

Source: src/common/slurm_errno.c of Slurm 22.05, which src/slurm/slurm_errno.h numbers.
"""

import os

_FIRST = 1000
# The first number of a row of them, and a line for each; an empty one is of no error.
_TEXTS = (
    (
        1000,
        """
Unexpected message received
Communication connection failure
Message send failure
Message receive failure
Communication shutdown failure
Incompatible versions of client and server code
I/O stream version number error
Protocol authentication error
Insane message length
Invalid MPI plugin name
MPI plugin's pre-launch setup failed
Plugin initialization failed
Can't find an address, check slurm.conf
Unexpected missing socket error
""",
    ),
    (
        1900,
        """
Data has not changed since time specified
""",
    ),
    (
        2000,
        """
Invalid partition name specified
No partition specified or system default partition
Access/permission denied
User's group not permitted to use this partition
Requested nodes not in this partition
More processors requested than permitted
Node count specification invalid
Unable to create job record, try again
Job size specification needs to be provided
Job script not specified
Invalid user id
Duplicate job id
Pathname of a file, directory or other parameter too long
Immediate execution impossible, insufficient priority
Requested node configuration is not available
Requested partition configuration not available now
Requested nodes are busy
Invalid job id specified
Invalid node name specified
I/O error writing script/environment to file
Job can not be altered now, try again later
Job/step already completing or completed
Error configuring interconnect
Task distribution specification invalid
Job is pending execution
Task count specification invalid
Error generating job credential
Slurm backup controller in standby mode
Invalid node state specified
Invalid feature specification
AuthType change requires restart of all Slurm daemons and commands to take effect
Active features not subset of available features
SchedulerType change requires restart of the slurmctld daemon to take effect
SelectType change requires restart of the slurmctld daemon to take effect
SwitchType change requires restart of all Slurm daemons and jobs to take effect
Immediate execution impossible, resources too fragmented for allocation
Requested operation not supported on this system
Requested operation is presently disabled
Job dependency problem
Only batch jobs are accepted or processed
Current SwitchType does not permit arbitrary task distribution
Requested more tasks than available processors
Job is in held state, pending scheduler release
CredType change requires restart of all Slurm daemons to take effect
Memory required by task is not available
Invalid account or account/partition combination specified
Invalid parent account specified
Account already child of parent account specified
Invalid license specification
The node configuration changes that were made require restart of the slurmctld daemon to take effect
Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)
Requested time limit is invalid (missing or exceeds some limit)
Access denied to requested reservation
Requested reservation is invalid
Invalid time specified
Requested reservation is in use
Requested reservation not usable now
Invalid wckey specification
Requested reservation overlaps with another reservation
Required ports are in use
Requires more ports than can be reserved
PrologSlurmctld is still running
Job steps can not be run on this cluster
Invalid block state specified
Functionality not available with current block layout mode
Invalid block name specified
Invalid qos specification
QOS Preemption loop detected
Required node not available (down, drained or reserved)
CPU count specification invalid
Required partition not available (inactive or drain)
Circular job dependency
Invalid generic resource (gres) specification
Job is no longer pending execution
Requested account has breached requested QOS usage threshold
Partition is in use
Step limit reached for this job
Job is current suspended, requested operation disabled
Job can not start immediately
Switch resources currently not available
Reservation request lacks users, groups or accounts
Invalid job array specification
Duplicate reservation name
Job has already started
Job has already finished
Job is not running
Job is not pending nor running
Job is not suspended
Job is not finished
Duplicate event trigger
Slurm internal error, contact system administrator
BurstBufferType change requires restart of slurmctld daemon to take effect
Burst Buffer permission denied
Burst Buffer resource limit exceeded
Burst Buffer request invalid
Changes to job priority are not persistent, change nice instead
Cannot modify scrontab jobs through scontrol


Invalid mcs_label specified
Waiting for burst buffer
Partition in DOWN state
Duplicate generic resource (gres) specification
Job update not available right now, the DB index is being set, try again in a bit
Reservation already started
System submissions disabled
Job not heterogeneous job
Job not heterogeneous job leader
Operation not permitted on individual component of heterogeneous job
Core-based reservation can not be updated
Duplicate job step id
Core count for reservation node list is not consistent!
X11 forwarding not available
Invalid group id
Job --batch option is invalid or not a subset of --constraints
Invalid Trackable RESource (TRES) specification
Invalid TRESBillingWeights specification
Invalid JobDefaults specification
Job can not start due to maintenance reservation.
Invalid GRES specification (with and without type identification)
Reboot already in progress
Multiple KNL NUMA and/or MCDRAM constraints require use of a heterogeneous job
Requested GRES option unsupported by configured SelectType plugin
Invalid --nice value
Invalid time-min specification (exceeds job's time or other limits)
Immediate execution impossible. Individual job submission scheduling attempts deferred
ConfigLess mode is disabled in slurm configuration.
Environment is missing in job
Reservation given is not skipable, try deleting instead
Reservations can't have users and groups specified, only one or the other
Multiple partition job request not supported when a partition is set in the association
Controller is in standby mode, try a different controller
Cannot request more threads per core than the job allocation
Invalid preferred feature specification
Insufficient GRES available in allocation
""",
    ),
    (
        3000,
        """
Generic error
Bad argument
Not in task context
Environment variable exists
No such environment variable
Buffer too small
Valid only in remote context
Id/PID does not exist on this node
Lookup by PID requested, but no tasks running
Item not available from this callback
Valid only in local or allocator context
""",
    ),
    (
        4000,
        """
Pipe error on task spawn
Kill task failed

Invalid accounting frequency requested
Invalid job credential
User not found on host
Group ID not found on host
Job credential expired
Job credential revoked
Job credential replayed
Slurmd could not create a batch directory or file
Slurmd could not chown or chmod a batch directory
Slurmd could not create a batch script
Slurmd could not chown or chmod a batch script
Slurmd could not set up environment for batch job
Slurmd shared memory error
Slurmd could not set UID or GID
Slurmd could not set session ID
Slurmd could not spawn I/O thread
Slurmd could not fork job
Slurmd could not execve job
Slurmd could not connect IO
Job prolog failed
Job epilog failed
Session manager killed
Too many job steps on node
Job step already exists
Job step not running
Job step is suspended
Job step is not currently suspended
Unix socket name exceeded maximum length
Container runtime not configured or invalid
Unable to satisfy cpu bind request
Unable to layout tasks on given cpus
""",
    ),
    (
        4100,
        """
unable to change directory to work directory
""",
    ),
    (
        5000,
        """
Received zero length message
Received message length < 0
Failed to send entire message
Header lengths are longer than data received
Socket timed out on send/recv operation
Zero Bytes were transmitted or received
""",
    ),
    (
        6000,
        """
Invalid authentication credential
Failed to open authentication public key
Failed to connect to authentication agent

Bad argument to plugin function
Memory management error
Authentication credential invalid
Cannot unpack credential
Authentication does not apply to request
""",
    ),
    (
        7000,
        """
Unable to connect to database
Job(s) active, cancel job(s) before remove
Cluster deleted, commit/rollback immediately
Can only change one at a time
Unacceptable name given. (No '.' in name allowed)
You can not allocate more than 100% of a resource
Query result exceeds size limit
Too wide of a date range in query
Database connection reference is invalid
You can not remove the default account of a user
""",
    ),
    (
        8000,
        """
Time limit specification required, but not provided
Invalid KNL configuration (MCDRAM or NUMA option)
Plugin has invalid format or unable to be loaded
Plugin missing required symbol or function
""",
    ),
    (
        9000,
        """
Query empty or not RFC7320 compliant
Failure during parsing
Jobs description entry not found, empty or not dictionary or list
Nothing found with query
""",
    ),
)


def text_of(number: int) -> str:
    """What is said of it."""
    if 0 <= number < _FIRST:
        return "No error" if number == 0 else os.strerror(number)
    for first, lines in _TEXTS:
        texts = lines.strip("\n").split("\n")
        if first <= number < first + len(texts) and texts[number - first]:
            return texts[number - first]
    return f"Unknown error {number}"
