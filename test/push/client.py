"""A client of the Lab Portal's monitoring interface, as its exporters are: standard library only.

Usage: client.py SERVER CONFIG_FILE --hostname NAME [--secret KEY] [--release first|newest]

It reads a line from its standard input before each report, and writes what happened as one JSON object a line.
"""

import argparse
import json
import os
import sys
import time
import urllib.error
import urllib.request


def tell(event, **details):
    print(json.dumps({"event": event, **details}), flush=True)


class Client:
    def __init__(self, arguments):
        self.server = arguments.server.rstrip("/")
        self.path = arguments.config
        self.hostname = arguments.hostname
        self.secret = arguments.secret
        self.newest = arguments.release == "newest"
        self.token = None
        self.selected = {}
        self.first_version = None
        self.last_version = None
        self.reports = 0

    def ask(self, method, path, body=None):
        """Returns the status and the parsed answer, which must be JSON whatever the status is."""
        headers = {"Accept": "*/*"}
        data = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            data = json.dumps(body).encode()
        if self.token is not None:
            headers["Authorization"] = f"Bearer {self.token}"
        request = urllib.request.Request(self.server + path, data=data, headers=headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    def start(self):
        if os.path.exists(self.path):
            with open(self.path) as file:
                self.token = json.load(file)["token"]
            tell("known")
            return
        body = {"hostname": self.hostname, "capabilities": self.capabilities()}
        if self.newest and self.secret:
            body["secret"] = self.secret
        status, answer = self.ask("POST", "/api/monitoring/register", body)
        tell("register", status=status, keys=sorted(answer), error=answer.get("error"))
        if status != 200:
            sys.exit(1)
        self.token = answer["token"]
        with open(self.path, "w") as file:
            json.dump({"token": self.token, "server": self.server}, file, indent=2)

    def configure(self):
        while True:
            status, answer = self.ask("GET", "/api/monitoring/config")
            tell("config", status=status, config=answer)
            if status == 200:
                self.selected = answer
                return
            if status == 401:
                sys.exit(1)
            time.sleep(5)

    def run(self):
        self.start()
        self.configure()
        # The exporter sleeps for what is there.
        assert self.selected.get("reportIntervalSec", 5) > 0
        for _ in sys.stdin:
            body = self.report()
            status, answer = self.ask("POST", "/api/monitoring/report", body)
            self.reports += 1
            tell("report", status=status, answer=answer, gpus=[gpu["index"] for gpu in body["gpus"]])
            if status == 401:
                sys.exit(1)
            if status != 200:
                continue
            version = answer["configVersion"]
            if self.first_version is None:
                self.first_version = self.last_version = version
            if self.newest and version != self.last_version:
                self.last_version = version
                self.configure()
            if not self.newest and self.reports % 60 == 0:
                self.configure()

    def capabilities(self):
        return {
            "cpuCores": 64,
            "memoryTotalGB": 503.6,
            "gpus": [{"index": i, "name": "NVIDIA A100-SXM4-80GB", "memoryTotalMB": 81920} for i in range(2)],
            "disks": [self.disk({"mount": "/", "totalGB": 1800.5})],
            "nics": [{"name": "eth0", "ipv4": "10.0.0.7"}],
        }

    def disk(self, disk):
        return {**disk, "device": "/dev/sda1", "fstype": "ext4"} if self.newest else disk

    def report(self):
        def chosen(name, value):
            return self.selected.get(name) is None or value in self.selected[name]

        gpus = [
            {
                "index": i,
                "name": "NVIDIA A100-SXM4-80GB",
                "utilizationPct": 0,
                "memoryUsedMB": 4,
                "memoryTotalMB": 81920,
                # A reading that failed.
                "temperatureC": 0,
                "powerDrawW": 62,
                "powerLimitW": 400,
            }
            for i in range(2)
        ]
        body = {
            "hostname": self.hostname,
            "ip": "10.0.0.7",
            "cpuUsagePct": 12.5,
            "cpuCores": 64,
            "memoryUsedGB": 100.5,
            "memoryTotalGB": 503.6,
            "gpus": [gpu for gpu in gpus if chosen("gpuIndices", gpu["index"])],
            "disks": [self.disk({"mount": "/", "totalGB": 1800.5, "usedGB": 900.1})] if chosen("diskMounts", "/") else [],
            "networkRxMbps": 1.6,
            "networkTxMbps": 0.0,
            "uptimeSeconds": 86400,
            "processCount": 512,
            "loadAvg": [0.5, 1.0, 2.0],
        }
        if self.newest:
            nics = [
                {"name": "eth0", "ipv4": "10.0.0.7", "rxMbps": 1.6, "txMbps": 0.0},
                {"name": "ib0", "ipv4": "", "rxMbps": 0.0, "txMbps": 0.0},
            ]
            body["nics"] = [nic for nic in nics if chosen("nicNames", nic["name"])]
        return body


parser = argparse.ArgumentParser()
parser.add_argument("server")
parser.add_argument("config")
parser.add_argument("--hostname", required=True)
parser.add_argument("--secret")
parser.add_argument("--release", choices=["first", "newest"], default="newest")
Client(parser.parse_args()).run()
