"""How a program ends: a Fault is one screen on stderr and exit code 1, Ctrl-C is exit code 130."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from wire.errors import Fault

FAILED, INTERRUPTED = 1, 130


def code_of(program: Callable[[], object], *, traceback: bool = False) -> int:
    """Run it; its exit code, which is the number that it gives, if any.

    traceback: a Fault is raised, for whoever wants to see the stack.
    """
    try:
        result = program()
    except Fault as fault:
        if traceback:
            raise
        sys.stderr.write(f"{fault.screen()}\n")
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # whoever reads, such as `head`, has enough; what is still to be flushed goes nowhere
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    return result if isinstance(result, int) else 0
