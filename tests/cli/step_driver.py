"""An Srun without a server, for tests: a step of a job of which nothing is known, in a process of its own, since it reaps all its children."""

import os
import sys

from jobd.cli.srun_call import Call
from jobd.cli.srun_options import read, step_options
from jobd.cli.srun_step import run_step
from jobd.cli.step_keeper import Keeper
from jobd.client import Client

if __name__ == "__main__":
    chosen, said, parsed = read(sys.argv[1:], os.environ, is_inside=True)
    call = Call(chosen, step_options(chosen, said), parsed.words)
    keeper = Keeper(call.token)
    step, end = run_step(call, Client(is_starting=False), None, "", keeper.pid)
    keeper.dismiss()
    os._exit(call.code(step, end))
