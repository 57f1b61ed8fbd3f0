"""The process in which a Dask worker's thread works its cases, one at a time.

It answers to nobody else: when the worker dies, or calls no more, it ends. What it writes stays
a draft; the driver gives the names.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
import time
import traceback
from multiprocessing.connection import Connection, Listener
from typing import Any

from medprep import drafts
from medprep.execute.failure import UNSENDABLE, Failure, guarded, unsendable
from medprep.execute.interrupts import leave
from medprep.execute.memory import forget_peak

START = "from medprep.execute.child import serve; serve()"
"""What the process runs."""
IDLE_S = 60.0
"""It leaves when nobody has called for so long: a killed driver could not say that it is done."""

_LAST_WORDS_S = 1.0


def serve() -> None:
    """Work until the worker hangs up: standard input ends, or the connection does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal that the worker was started in
    signal.signal(signal.SIGTERM, leave)
    key = os.read(0, 32)  # unbuffered: the lock of a buffer would outlive its thread
    with Listener(authkey=key) as listener:
        sys.stdout.write(json.dumps(listener.address) + "\n")
        sys.stdout.flush()
        os.dup2(2, 1)  # what libraries print is none of our words
        threading.Thread(target=_die_with_worker, daemon=True).start()
        pipe: Any = listener.accept()
    with pipe, contextlib.suppress(EOFError, OSError):
        while pipe.poll(IDLE_S):
            _work(pipe)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # nothing is left that it would take back


def _work(pipe: Connection[Any, Any]) -> None:
    folder, unique = pipe.recv()
    with contextlib.suppress(OSError):  # relative paths are of there; the others need it not
        os.chdir(folder)
    forget_peak()
    with drafts.kept(unique) as kept:
        outcome = _outcome(pipe)
        if isinstance(outcome, Failure):
            drafts.drop(kept)
            kept.clear()
        try:
            pipe.send((outcome, kept))
        except UNSENDABLE as error:
            drafts.drop(kept)
            pipe.send((unsendable(error), []))
        except OSError:  # the worker has gone
            drafts.drop(kept)
            raise


def _outcome(pipe: Connection[Any, Any]) -> Any:
    try:
        work, task = pipe.recv()
    except EOFError:
        raise
    except Exception as error:  # what the work needs is not there
        text = f"the work cannot be loaded here: {type(error).__name__}: {error}"
        return Failure("internal", text, None, traceback.format_exc())
    return guarded(work, task)


def _die_with_worker() -> None:
    while os.read(0, 32):  # ends with the worker
        pass
    os.kill(os.getpid(), signal.SIGTERM)  # takes back what is half-written
    time.sleep(_LAST_WORDS_S)
    os._exit(1)
