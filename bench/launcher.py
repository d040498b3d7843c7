"""Runs one command and writes down what the operating system says it cost.

    python -I -S launcher.py REPORT OUT ERR KILL_AFTER COMMAND ...

REPORT becomes JSON: seconds, cpu (seconds of the processor), peak_mib, status. Processes that the
command starts and waits for count: their processor time is added, and of their peaks the largest
is taken. KILL_AFTER seconds (0: never) the command and its children are killed.

A program of its own because Linux counts the memory of the process that starts another as that
one's, up to `exec`: a starter of 10 MiB is less than any Python that is measured.
"""

import json
import os
import signal
import subprocess
import sys
import time


def main(report: str, out: str, err: str, kill_after: str, *command: str) -> None:
    with open(out, "wb") as stdout, open(err, "wb") as stderr:  # noqa: PTH123  (no pathlib: small)
        started = time.monotonic()
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, start_new_session=True
        )

        def kill(*_: object) -> None:
            os.killpg(process.pid, signal.SIGKILL)

        signal.signal(signal.SIGALRM, kill)
        signal.setitimer(signal.ITIMER_REAL, float(kill_after))
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            kill()
            raise
        seconds = time.monotonic() - started
        signal.setitimer(signal.ITIMER_REAL, 0)
    measure = {
        "seconds": seconds,
        "cpu": usage.ru_utime + usage.ru_stime,
        "peak_mib": usage.ru_maxrss / 1024,
        "status": os.waitstatus_to_exitcode(status),
    }
    with open(report, "w", encoding="utf-8") as file:  # noqa: PTH123
        json.dump(measure, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
