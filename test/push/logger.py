"""Behaves as the unmodified client of NVIDIA GPU Metrics Logger v2 does, with Python's standard library alone.

It collects a record of each GPU for every line on standard input, and posts an ARRAY to the path of its ini: when batch_size
records wait, or when it is told "flush". What is not delivered stays in its buffer, without a bound, and is sent again with
what follows, in one array. A delivery is status 200 with "success" true. It writes what happened as one JSON object a line.
"""

import argparse
import json
import sys
import urllib.error
import urllib.request


def tell(event, **details):
    print(json.dumps({"event": event, **details}), flush=True)


class Client:
    def __init__(self, arguments):
        self.url = f"{arguments.server}{arguments.endpoint}"
        self.name = arguments.name
        self.gpus = arguments.gpus
        self.batch_size = arguments.batch_size
        self.buffer = []

    def collect(self, timestamp, value):
        for index in range(self.gpus):
            self.buffer.append(
                {
                    "timestamp": timestamp,
                    "gpu_id": index,
                    "gpu_name": "NVIDIA A100-SXM4-80GB",
                    "utilization_gpu": float(value),
                    "utilization_memory": 43.0,
                    "memory_total": 81920,
                    "memory_used": 70123,
                    "memory_free": 11796,
                    "temperature": 61,
                    "power_draw": 388.12,
                    "power_limit": 400.0,
                    # A reading that failed.
                    "fan_speed": None,
                    "client_name": self.name,
                }
            )

    def send(self):
        data = json.dumps(self.buffer).encode()
        headers = {"Content-Type": "application/json", "User-Agent": "GPU-Metrics-Client/2.0"}
        request = urllib.request.Request(self.url, data=data, headers=headers, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                status, body = answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            status, body = error.code, json.loads(error.read())
        except OSError as error:
            status, body = None, {"message": str(error)}
        delivered = status == 200 and body.get("success") is True
        waiting = len(self.buffer)
        if delivered:
            self.buffer = []
        tell("sent", status=status, delivered=delivered, records=waiting, answer=body)

    def run(self):
        tell("started")
        for line in sys.stdin:
            words = line.strip().split("|")
            if words[0] == "flush":
                self.send()
            elif words[0] == "forget":
                # The answer was lost on its way: the same records are sent again.
                again = list(self.buffer)
                self.send()
                self.buffer = again
            else:
                self.collect(words[0], words[1])
                if len(words) > 2 or len(self.buffer) >= self.batch_size:
                    self.send()
                else:
                    tell("collected", records=len(self.buffer))


parser = argparse.ArgumentParser()
parser.add_argument("server")
parser.add_argument("--endpoint", default="/api/receive-data")
parser.add_argument("--name", required=True)
parser.add_argument("--gpus", type=int, default=8)
parser.add_argument("--batch-size", type=int, default=10)
Client(parser.parse_args()).run()
