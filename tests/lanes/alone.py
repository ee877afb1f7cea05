"""Imports each of the modules named, alone: a process of its own, forked from one that has torch and nothing of ours.

Prints a JSON object: of each module what it says when it does not import, else nothing.
"""

import json
import os
import subprocess
import sys
import traceback
from importlib import import_module
from pathlib import Path


def forked(name):
    """In a copy of this process, which spares it the loading of torch."""
    here, there = os.pipe()
    child = os.fork()
    if not child:
        os.dup2(2, 1)  # what a package prints is not our answer
        try:
            import_module(name)
            os.write(there, b"imported")
        except BaseException:
            os.write(there, traceback.format_exc()[-4000:].encode())
        os._exit(0)
    os.close(there)
    with os.fdopen(here, encoding="utf-8", errors="replace") as pipe:
        said = pipe.read()
    _, status = os.waitpid(child, 0)
    return "" if said == "imported" else said or f"it ends with status {status}"


def started(name):
    """In a new process, where there is no fork: Windows."""
    done = subprocess.run([sys.executable, "-c", f"import {name}"], capture_output=True, text=True)
    return done.stderr or f"it ends with status {done.returncode}" if done.returncode else ""


if __name__ == "__main__":
    sys.path[0] = str(Path.cwd())  # as `python -c` has it
    alone = forked if hasattr(os, "fork") else started
    if alone is forked:
        import_module("torch")
    assert not [name for name in sys.modules if name.startswith("lib_vlmneg")]
    print(json.dumps({name: alone(name) for name in sys.argv[1:]}))
