"""Processes that begin where the test stands: nothing has to be imported anew."""

import os
import sys
import traceback


def forked(work):
    """Do some work in a forked process; its pid. Exit code 1 is an error, shown on the standard error output."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        code = work() or 0
    except BaseException:
        traceback.print_exc(file=sys.__stderr__)
    finally:
        os._exit(code)


def ended(pid):
    """Exit code of a forked process, or minus the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
