"""`python -m jobd.api.call FILE OFFSET SIZE OUTCOME`: the job of a call. Runs the call that is there, and leaves its outcome in a file.

Exit codes: 0 it returned, 1 it raised, 2 it could not be run at all.
"""

import io
import sys

from jobd.api import payload


def main(path: str, offset: int, size: int, outcome_path: str) -> int:
    """Run the call; the exit code."""
    # Of an attempt before this one, whose outcome is not ours.
    payload.remove(outcome_path)
    try:
        with open(path, "rb") as file:
            file.seek(offset)
            data = file.read(size)
    except OSError as error:
        print(f"jobd: the call is gone: {path}: {error.strerror}", file=sys.stderr)
        return 2
    try:
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(line_buffering=True)  # so that what was printed is there if we are killed
        function, arguments, keywords = payload.unpack_call(data)
        del data
        outcome = payload.pack_return(function(*arguments, **keywords))
        code = 0
    except BaseException as error:  # also SystemExit and KeyboardInterrupt: all go back to the caller
        import traceback

        traceback.print_exception(error)
        outcome = payload.pack_raised(error)
        code = 1
    sys.stdout.flush()
    try:
        payload.replace(outcome_path, outcome)
    except OSError as error:
        print(f"jobd: the outcome cannot be written: {outcome_path}: {error.strerror}", file=sys.stderr)
        return 2
    return code


if __name__ == "__main__":
    if len(sys.argv) != 5 or not all(word.isdigit() for word in sys.argv[2:4]):
        print("usage: python -m jobd.api.call FILE OFFSET SIZE OUTCOME", file=sys.stderr)
        sys.exit(2)
    sys.exit(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]))
