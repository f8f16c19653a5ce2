"""Upload processes forked from one parent, so that everything is imported once. Run as: forking.py '{"ASSAY_…": "…"}' …

Each is the real service with variables of its own; whoever forked it kills it from outside.
"""

import json
import os
import signal
import sys

from assay.upload.main import main

if __name__ == "__main__":
    children: list[int] = []

    def stop(*_: object) -> None:
        # None is reaped before this, so that no number can belong to another process by now.
        for each in children:
            os.kill(each, signal.SIGKILL)
        os._exit(0)

    signal.signal(signal.SIGTERM, stop)
    for argument in sys.argv[1:]:
        child = os.fork()
        if child == 0:
            children.clear()
            os.environ.update(json.loads(argument))
            main()
            os._exit(0)
        children.append(child)
    while True:
        signal.pause()
