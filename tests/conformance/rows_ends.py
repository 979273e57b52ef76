"""How jobs end, as squeue, sacct and scontrol tell it: by themselves, by signals, by somebody's wish, by time; and begin again.

Not here: OUT_OF_MEMORY, for which a Slurm needs control groups of its own, and PREEMPTED, which jobd has not. A node fails here when the
agent is told to leave, in Slurm when somebody says so.
"""

from conformance.harness import Row, Scene

RECORD = "JobID%12,JobName%8,State%-16,ExitCode,DerivedExitCode"
SHOWN = "grep -oE 'JobState=[^ ]* Reason=[^ ]*|Restarts=[0-9]+|ExitCode=[^ ]*' | paste -sd' '"


def record(ids: str, more: str = "") -> str:
    """What sacct has of these jobs."""
    return f"sacct -n {more} -j {ids} -o {RECORD}"


def codes(ids: str, more: str = "") -> str:
    """The same without the derived code, where Slurm may be late with it: then it is none, or the next attempt's."""
    return record(ids, more).removesuffix(",DerivedExitCode")


SCENES = [
    Scene(
        "ends",
        setup="""
            quick() { sbatch --parsable -J "$1" -o /dev/null --wrap "$2"; }
            # Slurm looks for what is overdue twice a minute, and meanwhile all else of this scene comes to pass.
            late=$(sbatch --parsable -J late -t 0:03 -o /dev/null --wrap 'touch late.up; exec sleep 300')
            # What comes after the step is there so that the script cannot end by itself, with its step, before it is told to.
            running=$(quick running 'srun bash -c "touch running.up; exec sleep 300"; sleep 300')
            held=$(sbatch --parsable -J held -H -o /dev/null --wrap true)
            wait_file late.up
            [ -z "${SLURM_CONF-}" ] || scontrol update jobid=$late endtime=now+1  # since a limit is a whole minute there
            seven=$(quick seven 'exit 7')
            byte=$(quick byte 'exit 255')
            bit=$(quick bit 'exit 128')
            int=$(quick int 'exit 130')
            killed=$(quick killed 'kill -9 $$')
            termed=$(quick termed 'kill -15 $$')
            step=$(quick step 'srun bash -c "kill -9 \\$\\$"')
            caught=$(quick caught 'srun bash -c "exit 3"; exit 0')
            wait_file running.up
            scancel $running $held
            wait_record $seven $byte $bit $int $killed $termed $step $caught $running $held
            never=$(sbatch --parsable -J never -o /dev/null -d afterok:$seven --wrap true)
            dropped=$(sbatch --parsable -J dropped -o /dev/null --kill-on-invalid-dep=yes -d afterok:$seven --wrap true)
            wait_record $dropped $late
        """,
        rows=[
            Row(
                "sacct of late",
                record("$late", "-X"),
                "       <late>     late TIMEOUT               0:0             0:0 \n",
            ),
            Row(
                "sacct of running",
                record("$running"),
                "       <running>  running CANCELLED by 0        0:0             0:0 \n"
                " <running>.batch    batch CANCELLED            0:15                 \n"
                "     <running>.0     bash CANCELLED            0:15                 \n",
            ),
            Row(
                "sacct of held",
                record("$held"),
                "       <held>     held CANCELLED by 0        0:0             0:0 \n",
            ),
            Row(
                "sacct of seven",
                record("$seven"),
                "       <seven>    seven FAILED                7:0             0:0 \n"
                " <seven>.batch    batch FAILED                7:0                 \n",
            ),
            Row(
                "sacct of byte",
                record("$byte"),
                "       <byte>     byte FAILED              127:0             0:0 \n"
                " <byte>.batch    batch FAILED              127:0                 \n",
            ),
            Row(
                "sacct of bit",
                record("$bit"),
                "       <bit>      bit FAILED                0:0             0:0 \n"
                " <bit>.batch    batch FAILED                0:0                 \n",
            ),
            Row(
                "sacct of int",
                record("$int"),
                "       <int>      int FAILED                2:0             0:0 \n"
                " <int>.batch    batch FAILED                2:0                 \n",
            ),
            Row(
                "sacct of killed",
                record("$killed"),
                "       <killed>   killed FAILED                0:9             0:0 \n"
                " <killed>.batch    batch CANCELLED             0:9                 \n",
            ),
            Row(
                "sacct of termed",
                record("$termed"),
                "       <termed>   termed FAILED               0:15             0:0 \n"
                " <termed>.batch    batch CANCELLED            0:15                 \n",
            ),
            Row(
                "sacct of step",
                codes("$step"),
                "       <step>     step FAILED                9:0 \n"
                " <step>.batch    batch FAILED                9:0 \n"
                "     <step>.0     bash CANCELLED             0:9 \n",
            ),
            Row(
                "sacct of caught",
                codes("$caught"),
                "       <caught>   caught COMPLETED             0:0 \n"
                " <caught>.batch    batch COMPLETED             0:0 \n"
                "     <caught>.0     bash FAILED                3:0 \n",
            ),
            Row(
                "sacct of dropped",
                record("$dropped"),
                "       <dropped>  dropped CANCELLED             0:0             0:0 \n",
            ),
            Row(
                "sacct of never",
                record("$never", "-X"),
                "       <never>    never PENDING               0:0             0:0 \n",
            ),
            Row(
                "scontrol of late",
                f"scontrol show job $late | {SHOWN}",
                "JobState=TIMEOUT Reason=TimeLimit Restarts=0 ExitCode=0:15\n",
            ),
            Row(
                "scontrol of running",
                f"scontrol show job $running | {SHOWN}",
                "JobState=CANCELLED Reason=None Restarts=0 ExitCode=0:15\n",
            ),
            Row(
                "scontrol of held",
                f"scontrol show job $held | {SHOWN}",
                "JobState=CANCELLED Reason=JobHeldUser Restarts=0 ExitCode=0:0\n",
            ),
            Row(
                "scontrol of seven",
                f"scontrol show job $seven | {SHOWN}",
                "JobState=FAILED Reason=NonZeroExitCode Restarts=0 ExitCode=7:0\n",
            ),
            Row(
                "scontrol of byte",
                f"scontrol show job $byte | {SHOWN}",
                "JobState=FAILED Reason=NonZeroExitCode Restarts=0 ExitCode=255:0\n",
            ),
            Row(
                "scontrol of bit",
                f"scontrol show job $bit | {SHOWN}",
                "JobState=FAILED Reason=NonZeroExitCode Restarts=0 ExitCode=128:0\n",
            ),
            Row(
                "scontrol of int",
                f"scontrol show job $int | {SHOWN}",
                "JobState=FAILED Reason=NonZeroExitCode Restarts=0 ExitCode=130:0\n",
            ),
            Row(
                "scontrol of killed",
                f"scontrol show job $killed | {SHOWN}",
                "JobState=FAILED Reason=JobLaunchFailure Restarts=0 ExitCode=0:9\n",
            ),
            Row(
                "scontrol of termed",
                f"scontrol show job $termed | {SHOWN}",
                "JobState=FAILED Reason=JobLaunchFailure Restarts=0 ExitCode=0:15\n",
            ),
            Row(
                "scontrol of step",
                f"scontrol show job $step | {SHOWN}",
                "JobState=FAILED Reason=NonZeroExitCode Restarts=0 ExitCode=137:0\n",
            ),
            Row(
                "scontrol of caught",
                f"scontrol show job $caught | {SHOWN}",
                "JobState=COMPLETED Reason=None Restarts=0 ExitCode=0:0\n",
            ),
            Row(
                "scontrol of dropped",
                f"scontrol show job $dropped | {SHOWN}",
                "JobState=CANCELLED Reason=DependencyNeverSatisfied Restarts=0 ExitCode=0:0\n",
            ),
            Row(
                "scontrol of never",
                f"scontrol show job $never | {SHOWN}",
                "JobState=PENDING Reason=DependencyNeverSatisfied Restarts=0 ExitCode=0:0\n",
            ),
            Row(
                "squeue of all",
                "squeue -h -t all -S i -o '%i|%j|%T|%t|%r|%R|%E'",
                "<late>|late|TIMEOUT|TO|TimeLimit|(TimeLimit)|(null)\n"
                "<running>|running|CANCELLED|CA|None|<node>|(null)\n"
                "<held>|held|CANCELLED|CA|JobHeldUser||(null)\n"
                "<seven>|seven|FAILED|F|NonZeroExitCode|(NonZeroExitCode)|(null)\n"
                "<byte>|byte|FAILED|F|NonZeroExitCode|(NonZeroExitCode)|(null)\n"
                "<bit>|bit|FAILED|F|NonZeroExitCode|(NonZeroExitCode)|(null)\n"
                "<int>|int|FAILED|F|NonZeroExitCode|(NonZeroExitCode)|(null)\n"
                "<killed>|killed|FAILED|F|JobLaunchFailure|(JobLaunchFailure)|(null)\n"
                "<termed>|termed|FAILED|F|JobLaunchFailure|(JobLaunchFailure)|(null)\n"
                "<step>|step|FAILED|F|NonZeroExitCode|(NonZeroExitCode)|(null)\n"
                "<caught>|caught|COMPLETED|CD|None|<node>|(null)\n"
                "<never>|never|PENDING|PD|DependencyNeverSatisfied|(DependencyNeverSatisfied)|afterok:<seven>(failed)\n"
                "<dropped>|dropped|CANCELLED|CA|DependencyNeverSatisfied||afterok:<seven>(failed)\n",
            ),
            Row("squeue of one that is over", "squeue -h -j $seven,$never -o '%i %T'", "<never> PENDING\n"),
            Row(
                "as they were called",
                "sacct -X -n -j $running,$seven -o SubmitLine%40",
                "sbatch --parsable -J running -o /dev/nu+ \nsbatch --parsable -J seven -o /dev/null+ \n",
            ),
            Row(
                "squeue by state",
                "squeue -h -t TO,F -S i -o %j",
                "late\nseven\nbyte\nbit\nint\nkilled\ntermed\nstep\n",
            ),
            Row(
                "sacct by state",
                "sacct -X -n -s TO,F -S today -E now -o JobName,State",
                "      late    TIMEOUT \n"
                "     seven     FAILED \n"
                "      byte     FAILED \n"
                "       bit     FAILED \n"
                "       int     FAILED \n"
                "    killed     FAILED \n"
                "    termed     FAILED \n"
                "      step     FAILED \n",
            ),
            Row(
                "sacct by a state nobody is in",
                "sacct -X -n -s OOM,NF,PR -S today -E now -o JobName,State",
                "",
            ),
        ],
    ),
    Scene(
        "requeued",
        setup="""
            first() { sbatch --parsable -J "$1" --requeue -o /dev/null --wrap "[ ! -e $1.up ] || exit 3; $2"; }
            # Slurm starts what was requeued after two minutes, unless it is told another time; and not in the second in which it was ended.
            hurry() { scontrol update jobid=$1 starttime=now+3 2>/dev/null || true; }
            again=$(first again 'srun bash -c "touch again.up; exec sleep 300"')
            held=$(first held 'touch held.up; sleep 300')
            over=$(first over 'touch over.up; exit 7')
            twice=$(first twice 'touch twice.up')
            wait_file again.up; wait_file held.up
            wait_record $over $twice
            scontrol requeue $again
            wait_state $again PENDING FAILED
            for _id in $held $over $twice; do scontrol requeuehold $_id; wait_state $_id PENDING; done
            scontrol release $over
            hurry $again; hurry $over
            wait_state $again FAILED; wait_state $over FAILED
            is_known() { [ "$(sacct -X -n -P -j $again,$held,$over,$twice -o JobName,State | sort | paste -sd' ')" = "$1" ]; }
            _until "the records" is_known 'again|FAILED held|PENDING over|FAILED twice|PENDING'
        """,
        rows=[
            Row(
                "all records of again",
                codes("$again", "-D"),
                "       <again>    again REQUEUED              0:0 \n"
                " <again>.batch    batch CANCELLED            0:15 \n"
                "     <again>.0     bash CANCELLED            0:15 \n"
                "       <again>    again FAILED                3:0 \n"
                " <again>.batch    batch FAILED                3:0 \n",
            ),
            Row(
                "last record of again",
                codes("$again"),
                "       <again>    again FAILED                3:0 \n"
                " <again>.batch    batch FAILED                3:0 \n",
            ),
            Row(
                "scontrol of again",
                f"scontrol show job $again | {SHOWN}",
                "JobState=FAILED Reason=NonZeroExitCode Restarts=1 ExitCode=3:0\n",
            ),
            Row(
                "all records of held",
                codes("$held", "-D"),
                "       <held>     held REQUEUED              0:0 \n"
                " <held>.batch    batch CANCELLED            0:15 \n"
                "       <held>     held PENDING               0:0 \n",
            ),
            Row(
                "last record of held",
                codes("$held"),
                "       <held>     held PENDING               0:0 \n",
            ),
            Row(
                "scontrol of held",
                f"scontrol show job $held | {SHOWN}",
                "JobState=PENDING Reason=job_requeued_in_held_state Restarts=1 ExitCode=0:0\n",
            ),
            Row(
                "all records of over",
                codes("$over", "-D"),
                "       <over>     over REQUEUED              7:0 \n"
                " <over>.batch    batch FAILED                7:0 \n"
                "       <over>     over FAILED                3:0 \n"
                " <over>.batch    batch FAILED                3:0 \n",
            ),
            Row(
                "last record of over",
                codes("$over"),
                "       <over>     over FAILED                3:0 \n"
                " <over>.batch    batch FAILED                3:0 \n",
            ),
            Row(
                "scontrol of over",
                f"scontrol show job $over | {SHOWN}",
                "JobState=FAILED Reason=NonZeroExitCode Restarts=1 ExitCode=3:0\n",
            ),
            Row(
                "all records of twice",
                codes("$twice", "-D"),
                "       <twice>    twice REQUEUED              0:0 \n"
                " <twice>.batch    batch COMPLETED             0:0 \n"
                "       <twice>    twice PENDING               0:0 \n",
            ),
            Row(
                "last record of twice",
                codes("$twice"),
                "       <twice>    twice PENDING               0:0 \n",
            ),
            Row(
                "scontrol of twice",
                f"scontrol show job $twice | {SHOWN}",
                "JobState=PENDING Reason=job_requeued_in_held_state Restarts=1 ExitCode=0:0\n",
            ),
            Row(
                "all records of all",
                "sacct -X --duplicates -n -o JobID%10,JobName,State,ExitCode",
                "     <again>      again   REQUEUED      0:0 \n"
                "     <held>       held   REQUEUED      0:0 \n"
                "     <over>       over   REQUEUED      7:0 \n"
                "     <twice>      twice   REQUEUED      0:0 \n"
                "     <again>      again     FAILED      3:0 \n"
                "     <over>       over     FAILED      3:0 \n",
            ),
            Row(
                "last records of all",
                "sacct -X -n -o JobID%10,JobName,State,ExitCode",
                "     <held>       held   REQUEUED      0:0 \n"
                "     <twice>      twice   REQUEUED      0:0 \n"
                "     <again>      again     FAILED      3:0 \n"
                "     <over>       over     FAILED      3:0 \n",
            ),
            Row(
                "requeued ones",
                "sacct -X -n -s RQ -S today -E now -o JobID%10,JobName,State,ExitCode",
                "     <again>      again   REQUEUED      0:0 \n"
                "     <held>       held   REQUEUED      0:0 \n"
                "     <over>       over   REQUEUED      7:0 \n"
                "     <twice>      twice   REQUEUED      0:0 \n",
            ),
            Row(
                "requeued ones by the long name",
                "sacct -n -D -s requeued -j $over,$held -o JobID%16,State",
                "           <held>   REQUEUED \n"
                "     <held>.batch  CANCELLED \n"
                "           <over>   REQUEUED \n"
                "     <over>.batch     FAILED \n",
            ),
            Row(
                "all that failed",
                "sacct -X -n -D -s F -S today -E now -o JobID%10,JobName,State,ExitCode",
                "     <again>      again     FAILED      3:0 \n     <over>       over     FAILED      3:0 \n",
            ),
            Row(
                "why they are pending",
                "sacct -X -n -j $held,$twice -o JobName,State,Reason%30",
                "      held    PENDING                    JobHeldUser \n"
                "     twice    PENDING                    JobHeldUser \n",
            ),
            Row(
                "when it was submitted is when it was requeued",
                "test $(sacct -D -X -n -P -j $over -o End | head -1) = $(sacct -X -n -P -j $over -o Submit) && echo same",
                "same\n",
            ),
            Row(
                "squeue of all",
                "squeue -h -t all -S i -o '%i|%j|%T|%t|%r|%R'",
                "<again>|again|FAILED|F|NonZeroExitCode|(NonZeroExitCode)\n"
                "<held>|held|PENDING|PD|job requeued in held state|(job requeued in held state)\n"
                "<over>|over|FAILED|F|NonZeroExitCode|(NonZeroExitCode)\n"
                "<twice>|twice|PENDING|PD|job requeued in held state|(job requeued in held state)\n",
            ),
            Row("squeue by the long state", "squeue -h -t requeued,requeue_hold -o %i", ""),
        ],
    ),
    Scene(
        "waiting",
        setup="""
            first=$(sbatch --parsable -J first -c 4 -o /dev/null --wrap 'sleep 300')
            wait_state $first RUNNING
            second=$(sbatch --parsable -J second -c 4 -o /dev/null --wrap 'sleep 300')
            third=$(sbatch --parsable -J third -c 4 -o /dev/null --wrap 'sleep 300')
            small=$(sbatch --parsable -J small -o /dev/null --wrap 'sleep 300')
            array=$(sbatch --parsable -J array -a 0-3 -o /dev/null --wrap 'sleep 300')
            is_told() { ! squeue -h -t PD -o %r | grep -q None; }
            _until "all reasons" is_told
        """,
        rows=[
            Row(
                "squeue",
                "squeue -h -S i -o '%i|%j|%T|%r|%R'",
                "<first>|first|RUNNING|None|<node>\n"
                "<second>|second|PENDING|Resources|(Resources)\n"
                "<third>|third|PENDING|Priority|(Priority)\n"
                "<small>|small|PENDING|Priority|(Priority)\n"
                "<array>_[0-3]|array|PENDING|Priority|(Priority)\n",
            ),
            Row("squeue of one", "squeue -h -j $third -o '%r %R'", "Priority (Priority)\n"),
            Row(
                "scontrol of the first",
                "scontrol show job $second | grep -o 'Reason=[^ ]*'",
                "Reason=Resources\n",
            ),
            Row(
                "scontrol of one behind",
                "scontrol show job $small | grep -o 'Reason=[^ ]*'",
                "Reason=Priority\n",
            ),
            Row(
                "squeue --json",
                "squeue --json | grep -o '\"state_reason\": .*' | sort | uniq -c",
                '      1 "state_reason": "None",\n'
                '      3 "state_reason": "Priority",\n'
                '      1 "state_reason": "Resources",\n',
            ),
        ],
    ),
    Scene(
        "node",
        setup="""
            lost=$(sbatch --parsable -J lost --no-requeue -o /dev/null --wrap 'srun bash -c "touch lost.up; exec sleep 300"')
            wait_file lost.up
            _agent() {
                for _pid in $(grep -lzxF "XDG_RUNTIME_DIR=$XDG_RUNTIME_DIR" /proc/[0-9]*/environ 2>/dev/null | cut -d/ -f3); do
                    if tr '\\0' '\\n' < /proc/$_pid/cmdline | grep -qx jobd.agent.main; then echo $_pid; return; fi
                done
            }
            _is_back() { [ "$(sinfo -h -o %T)" = idle ]; }
            if [ -n "${SLURM_CONF-}" ]; then
                _node=$(sinfo -h -N -o %N)
                scontrol update nodename=$_node state=down reason=test
                wait_record $lost
                scontrol update nodename=$_node state=resume 2>/dev/null || true  # or it is back already
                _until "the node" _is_back
            else
                kill -TERM $(_agent)
                wait_record $lost
            fi
        """,
        rows=[
            Row(
                "sacct",
                codes("$lost"),
                "       <lost>     lost NODE_FAIL             0:0 \n"
                " <lost>.batch    batch CANCELLED                 \n"
                "     <lost>.0     bash CANCELLED                 \n",
            ),
            Row(
                "sacct by state",
                "sacct -X -n -s NF -S today -E now -o JobName,State",
                "      lost  NODE_FAIL \n",
            ),
            Row(
                "squeue",
                "squeue -h -t all -j $lost -o '%i|%T|%t|%r|%R'",
                "<lost>|NODE_FAIL|NF|NodeDown|<node>\n",
            ),
            Row("squeue by state", "squeue -h -t NF -o %j", "lost\n"),
            Row(
                "scontrol",
                f"scontrol show job $lost | {SHOWN}",
                "JobState=NODE_FAIL Reason=NodeDown Restarts=0 ExitCode=0:0\n",
            ),
        ],
    ),
    Scene(
        "inside",
        setup="""
            outer=$(sbatch --parsable -J outer -o /dev/null --wrap 'sbatch --wait -J inner -o /dev/null --wrap "sleep 300"')
            runs() { [ "$(squeue -h -n inner -o %T)" = RUNNING ]; }
            _until "the inner job to run" runs
            inner=$(squeue -h -n inner -o %i)
            is_known() { [ "$(sacct -X -n -P -j $outer,$inner -o JobName,State | paste -sd' ')" = 'outer|RUNNING inner|RUNNING' ]; }
            _until "the records" is_known
        """,
        rows=[
            Row("squeue of the outer job", "squeue -h -j $outer -o '%T|%t|%r|%R'", "RUNNING|R|None|<node>\n"),
            Row("squeue by state", "squeue -h -t R -S i -o '%j %T'", "outer RUNNING\ninner RUNNING\n"),
            Row("squeue of suspended jobs", "squeue -h -t S -o '%j %T'", ""),
            Row(
                "sacct",
                "sacct -X -n -j $outer,$inner -o JobName,State",
                "     outer    RUNNING \n     inner    RUNNING \n",
            ),
            Row(
                "sacct by state",
                "sacct -X -n -s R -o JobName,State",
                "     outer    RUNNING \n     inner    RUNNING \n",
            ),
            Row("sacct of suspended jobs", "sacct -X -n -s S -o JobName,State", ""),
            Row(
                "scontrol",
                f"scontrol show job $outer | {SHOWN}",
                "JobState=RUNNING Reason=None Restarts=0 ExitCode=0:0\n",
            ),
            Row(
                "squeue --json",
                "squeue --json | grep -o '\"job_state\": .*'",
                '"job_state": "RUNNING",\n"job_state": "RUNNING",\n',
            ),
            Row(
                "sacct --json",
                "sacct --json -j $outer | grep -o '\"current\": .*'",
                '"current": "RUNNING",\n',
            ),
            Row("scancel by state", "scancel -t running -n outer; squeue -h -t PD,R,S -n outer -o %T", ""),
        ],
    ),
]
