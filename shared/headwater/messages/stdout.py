"""Standard output belongs to Singer messages alone."""

from __future__ import annotations

import os
import sys
from typing import BinaryIO


def claim_stdout() -> BinaryIO:
    """Return standard output as a binary stream, and send everything else to standard error.

    From then on a stray `print`, a library's banner or a child process's output goes to
    standard error: the file descriptor 1 itself is a copy of 2.
    """
    sys.stdout.flush()
    messages = os.dup(1)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return os.fdopen(messages, "wb", buffering=0)
