"""Calls as jobs: an executor of concurrent.futures whose workers are jobs, with limits of their own."""

import time
from concurrent.futures import as_completed

import jobd


def square(number: int) -> int:
    print(f"squaring {number}")  # goes to the output of the job
    return number * number


def divide(number: int, by: int) -> float:
    return number / by


with jobd.Executor(memory="500M") as executor:
    futures = [executor.submit(square, number) for number in range(4)]
    print(sorted(future.result() for future in as_completed(futures)))

    # For short calls: several in one job.
    print(list(executor.map(divide, range(10, 16), [2] * 6, chunksize=3)))

    try:
        executor.submit(divide, 1, by=0).result()
    except ZeroDivisionError as error:
        print(f"raised there, caught here: {error}")

    try:
        executor.options(time=1).submit(time.sleep, 60).result()
    except jobd.JobTimeout as error:
        print(f"too long: {error.state.value}")

    wide = executor.options(nb_proc=2, name="wide")
    future = wide.submit(time.sleep, 60)
    print("cancelled:", future.cancel())
