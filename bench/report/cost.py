"""Runs a command, and writes what it cost into a file: its wall time and CPU in seconds, its greatest resident memory in bytes.

Usage: cost.py FILE COMMAND [ARGUMENT]...
"""

import json
import resource
import subprocess
import sys
import time

begun = time.monotonic()
status = subprocess.run(sys.argv[2:], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL).returncode
seconds = time.monotonic() - begun
used = resource.getrusage(resource.RUSAGE_CHILDREN)
with open(sys.argv[1], "w", encoding="utf-8") as file:
    cpu = used.ru_utime + used.ru_stime
    json.dump({"status": status, "seconds": seconds, "cpu": cpu, "rss": used.ru_maxrss * 1024}, file)
