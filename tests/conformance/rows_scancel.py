"""scancel: what it ends, what it says, and what it is silent about."""

from conformance.harness import Row, Scene

SCENES = [
    Scene(
        "scancel",
        setup="""
            ok=$(sbatch --parsable -t 60 -J okjob -o /dev/null --wrap true)
            wait_state $ok COMPLETED
            held=$(sbatch --parsable -H -t 60 -J held -o /dev/null --wrap true)
            other=$(sbatch --parsable -H -t 60 -J other -o /dev/null --wrap true)
            listed=$(sbatch --parsable -H -t 60 -J listed -o /dev/null --wrap true)
            ask=$(sbatch --parsable -H -t 60 -J ask -o /dev/null --wrap true)
            arr=$(sbatch --parsable -H -t 60 -a 0-9%2 -J arr -o /dev/null --wrap true)
            steps=$(sbatch --parsable -n 1 -t 10 -J steps -o /dev/null --wrap '
                trap "touch batch" USR1
                srun --overlap -n1 -J stp sh -c "trap \\"touch step\\" USR1; touch began; while :; do sleep 0.1; done" &
                while :; do sleep 0.1; done')
            plain=$(sbatch --parsable -n 1 -t 10 -J plain -o /dev/null --wrap 'exec sleep 1000')
            wait_file began; wait_state $plain RUNNING
        """,
        rows=[
            Row("nothing", "scancel", err="scancel: error: No job identification provided\n", code=1),
            Row("malformed id", "scancel abc", err="scancel: error: Invalid job id abc\n", code=1),
            Row(
                "malformed id among others",
                "scancel 999999 abc",
                err="scancel: error: Invalid job id abc\n",
                code=1,
            ),
            Row("digits and letters", "scancel 12abc", err="scancel: error: Invalid job id 12abc\n", code=1),
            Row("empty word", "scancel ''", err="scancel: error: Invalid job id \n", code=1),
            Row("id zero", "scancel 0", err="scancel: error: Invalid job id 0\n", code=1),
            Row("malformed step", "scancel 3.x", err="scancel: error: Invalid job id 3.x\n", code=1),
            Row("malformed element", "scancel 3_x", err="scancel: error: Invalid job id 3_x\n", code=1),
            Row("open bracket", "scancel 3_[1-", err="scancel: error: Invalid job id 3_[1-\n", code=1),
            Row(
                "step of several elements",
                "scancel 3_[1-2].0",
                err="scancel: error: Invalid job id 3_[1-2].0\n",
                code=1,
            ),
            Row("the batch step", "scancel 3.batch", err="scancel: error: Invalid job id 3.batch\n", code=1),
            Row(
                "negative id",
                "scancel -1",
                err="scancel: invalid option -- '1'\nTry \"scancel --help\" for more information\n",
                code=1,
            ),
            Row("unknown id", "scancel 999999"),
            Row("unknown ids", "scancel 999999 999998,999997"),
            Row(
                "unknown id, told",
                "scancel -v 999999",
                err="scancel: Terminating job 999999\n"
                "scancel: error: Kill job error on job id 999999: Invalid job id specified\n",
            ),
            Row("unknown id, quietly", "scancel -Q 999999"),
            Row("finished job", "scancel $ok"),
            Row(
                "finished job, told",
                "scancel -v $ok",
                err="scancel: Terminating job <ok>\n"
                "scancel: error: Kill job error on job id <ok>: Job/step already completing or completed\n",
            ),
            Row("unknown element", "scancel ${arr}_77"),
            Row(
                "unknown element, told",
                "scancel -v ${arr}_77",
                err="scancel: Terminating job <arr>_77\n"
                "scancel: error: Kill job error on job id <arr>_77: Invalid job id specified\n",
            ),
            Row("unknown signal", "scancel -s BOGUS $held", err="Unknown job signal: BOGUS\n", code=1),
            Row("signal zero", "scancel -s 0 $held", err="Unknown job signal: 0\n", code=1),
            Row(
                "signal to an unknown job",
                "scancel -s USR1 999999",
                err="scancel: error: Kill job error on job id 999999: Invalid job id specified\n",
                code=1,
            ),
            Row("signal to an unknown job, quietly", "scancel -Q --signal=SIGUSR1 999999", code=1),
            Row(
                "signal to a finished job",
                "scancel -s 10 $ok",
                err="scancel: error: Kill job error on job id <ok>: Invalid job id specified\n",
                code=1,
            ),
            Row(
                "kill signal to an unknown job",
                "scancel -s KILL 999999",
                err="scancel: error: Kill job error on job id 999999: Invalid job id specified\n",
                code=1,
            ),
            Row(
                "unknown step",
                "scancel 999999.0",
                err="scancel: error: Kill job error on job step id 999999.0: Invalid job id specified\n",
                code=1,
            ),
            Row(
                "unknown state",
                "scancel -t bogus",
                err="Invalid job state specified: bogus\n"
                "Valid job states are PENDING, RUNNING, and SUSPENDED\n",
                code=1,
            ),
            Row("state that nobody can be in", "scancel -t COMPLETED"),
            Row(
                "unknown user",
                "scancel -u nosuchuser",
                err="scancel: error: Invalid user name: nosuchuser\n",
                code=1,
            ),
            Row(
                "two users",
                "scancel -u $USER,nobody",
                err="scancel: error: Invalid user name: <user>,nobody\n",
                code=1,
            ),
            Row("unknown name", "scancel -n nope"),
            Row("unknown partition", "scancel -p nope"),
            Row("unknown account", "scancel -A nope"),
            Row("unknown quality of service", "scancel -q nope"),
            Row("unknown node", "scancel -w nope"),
            Row("unknown reservation", "scancel -R nope"),
            Row(
                "unknown cluster",
                "scancel -M nope 999999",
                err="scancel: error: No cluster 'nope' known by database.\n"
                "scancel: error: 'nope' can't be reached now, or it is an invalid entry for --cluster.  Use 'sacctmgr list clusters' to see available clusters.\n",
                code=1,
            ),
            Row("name of another job", "scancel -n other $held; squeue -h -j $held -o %t", out="PD\n"),
            Row(
                "filters that fit none",
                "scancel -v -n nope -p main -t PD 2>&1 | grep -v select/",
                out="scancel: error: No active jobs match ALL job filters, including: job_name=nope partition=main state=PENDING \n",
            ),
            Row(
                "unknown option",
                "scancel --nosuch",
                err="scancel: unrecognized option '--nosuch'\nTry \"scancel --help\" for more information\n",
                code=1,
            ),
            Row(
                "unknown letter of an option",
                "scancel -Z",
                err="scancel: invalid option -- 'Z'\nTry \"scancel --help\" for more information\n",
                code=1,
            ),
            Row(
                "missing value",
                "scancel -n",
                err="scancel: option requires an argument -- 'n'\n"
                'Try "scancel --help" for more information\n',
                code=1,
            ),
            Row(
                "missing value of a name",
                "scancel --name",
                err="scancel: option '--name' requires an argument\n"
                'Try "scancel --help" for more information\n',
                code=1,
            ),
            Row(
                "value too many",
                "scancel --me=1",
                err="scancel: option '--me' doesn't allow an argument\n"
                'Try "scancel --help" for more information\n',
                code=1,
            ),
            Row(
                "ambiguous option",
                "scancel --si",
                err="scancel: option '--si' is ambiguous; possibilities: '--sibling' '--signal'\n"
                'Try "scancel --help" for more information\n',
                code=1,
            ),
            Row("version", "scancel -V; scancel --version", out="slurm-wlm 22.05.8\nslurm-wlm 22.05.8\n"),
            Row(
                "usage",
                "scancel --usage",
                out="Usage: scancel [-A account] [--batch] [--full] [--interactive] [-n job_name]\n"
                "               [-p partition] [-Q] [-q qos] [-R reservation] [-s signal | integer]\n"
                "               [-t PENDING | RUNNING | SUSPENDED] [--usage] [-u user_name]\n"
                "               [--hurry] [-V] [-v] [-w hosts...] [--wckey=wckey]\n"
                "               [job_id[_array_id][.step_id]]\n",
            ),
            Row("cancel", "scancel $held; wait_state $held CANCELLED"),
            Row("cancel again", "scancel $held"),
            Row(
                "cancel by name, told",
                "scancel -v -n other 2>&1 | grep -v select/; wait_state $other CANCELLED",
                out="scancel: Terminating job <other>\n",
            ),
            Row(
                "cancel several",
                "scancel -v $listed,999999 2>&1 | sort; wait_state $listed CANCELLED",  # by threads: in any order
                "scancel: Terminating job <listed>\n"
                "scancel: Terminating job 999999\n"
                "scancel: error: Kill job error on job id 999999: Invalid job id specified\n",
            ),
            Row(
                "no to a question",
                "echo n | scancel -i $ask; squeue -h -j $ask -o ' %t'",
                out="Cancel job_id=<ask> name=ask partition=main [y/n]?  PD\n",
            ),
            Row(
                "no answer but yes",
                "printf 'x\\ny\\n' | scancel -i $ask; wait_state $ask CANCELLED",
                out="Cancel job_id=<ask> name=ask partition=main [y/n]? Cancel job_id=<ask> name=ask partition=main [y/n]? ",
            ),
            Row(
                "elements",
                "scancel -v ${arr}_2; scancel -v ${arr}_[3-4]; scancel ${arr}_[6,8] ${arr}_9; squeue -h -j $arr -o %i",
                out="<arr>_[0-1,5,7%2]\n",
                err="scancel: Terminating job <arr>_2\nscancel: Terminating job <arr>_[3-4]\n",
            ),
            Row(
                "cancelled elements",
                "scancel -v ${arr}_[3-4]",
                err="scancel: Terminating job <arr>_[3-4]\n"
                "scancel: error: Kill job error on job id <arr>_[3-4]: Invalid job id specified\n",
            ),
            Row(
                "signal to steps",
                "scancel -s USR1 $steps; wait_file step; ls batch",
                err="ls: cannot access 'batch': No such file or directory\n",
                code=2,
            ),
            Row(
                "signal to the batch script",
                "rm step; scancel --signal=USR1 --batch $steps; wait_file batch; ls step",
                err="ls: cannot access 'step': No such file or directory\n",
                code=2,
            ),
            Row("signal to all", "rm batch; scancel -s USR1 -f $steps; wait_file step; wait_file batch"),
            Row(
                "signal, told",
                "scancel -v -s CONT $plain 2>&1 | grep -v select/",
                out="scancel: Signal 18 to job <plain>\n",
            ),
            Row(
                "signal to all, told",
                "scancel -v -s CONT -f $plain 2>&1 | grep -v select/",
                out="scancel: Signal 18 to full job <plain>\n",
            ),
            Row(
                "end a step",
                'scancel $steps.0; until [ -z "$(squeue -h -s $steps.0)" ]; do sleep 0.1; done; squeue -h -j $steps -o %t',
                out="R\n",
            ),
            Row("by state", "scancel -t R -n plain; wait_state $plain CANCELLED"),
            Row("mine", "scancel --me; wait_end $steps $arr; squeue -h"),
        ],
    ),
]
