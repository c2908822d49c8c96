"""A server of NVIDIA GPU Metrics Logger, played: takes records as its generations do, and fails as it is told.

Usage: logger_server.py PORT FILE [GENERATION]; appends each record that it takes to FILE before it answers.
Lines on standard input set the mode: ok, status CODE, refuse, hang, garbage, failure, redirect, long COUNT, slow SECONDS.
"""

import json
import sys
import threading
import time
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

port, path, generation = int(sys.argv[1]), sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else "2"
mode = ["ok"]
lock = threading.Lock()

TEXT = ("timestamp", "gpu_name", "client_name")
WHOLE = ("gpu_id", "memory_total", "memory_used", "memory_free", "temperature", "fan_speed")
REAL = ("utilization_gpu", "utilization_memory", "power_draw", "power_limit")


def errors(record, loc):
    """What is wrong with a record: every field must be there, and of its type."""
    if not isinstance(record, dict):
        return [{"loc": loc, "msg": "Input should be a valid dictionary", "type": "model_attributes_type"}]
    found = []
    for names, kind in ((TEXT, str), (WHOLE, int), (REAL, (int, float))):
        for name in names:
            if name not in record:
                found.append({"loc": [*loc, name], "msg": "Field required", "type": "missing", "input": record})
            elif not isinstance(record[name], kind) or isinstance(record[name], bool):
                found.append({"loc": [*loc, name], "msg": "Input should be valid", "type": "type"})
    return found


def store(records):
    with lock, open(path, "a", encoding="utf-8") as file:
        for record in records:
            file.write(json.dumps(record) + "\n")


def second(records):
    """One bad record refuses all. The answer has the whole array once more."""
    wrong = [error for i, record in enumerate(records) for error in errors(record, ["body", i])]
    if wrong:
        whole = {"loc": ["body", "ReceiveDataRequest"], "msg": "…", "type": "model_attributes_type", "input": records}
        detail = {"success": False, "detail": "資料格式驗證失敗", "error_code": "VALIDATION_ERROR"}
        return 422, {**detail, "errors": [whole, *wrong]}
    if not records:
        return 500, {"success": False, "detail": "Internal server error", "error_code": "INTERNAL_SERVER_ERROR"}
    store(records)
    message = f"Batch data received: {len(records)} successful, 0 failed"
    now = datetime.now().strftime("%Y-%m-%d %H:%M:%S")
    counts = {"received_count": len(records), "failed_count": 0}
    return 200, {"success": True, "message": message, **counts, "timestamp": now}


def fourth(records):
    """Each record is judged alone; "code" stands for "success"."""
    good = [record for record in records if not errors(record, ["body"])]
    store(good)
    if not good:
        return 500, {"code": 500, "message": "所有資料儲存失敗", "data": None}
    counts = {"received_count": len(good), "failed_count": len(records) - len(good)}
    return 200, {"code": 200, "message": "成功", "data": counts}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body, headers=()):
        text = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        for header in headers:
            self.send_header(*header)
        self.end_headers()
        self.wfile.write(text)

    def do_GET(self):
        print("GET", self.path, flush=True)
        self.answer(200 if self.path == "/health" else 404, {"status": "healthy"})

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        words = mode[0].split()
        kind, value = words[0], words[1] if len(words) > 1 else ""
        records = json.loads(body)
        count = len(records) if isinstance(records, list) else "no array"
        authorization = self.headers.get("Authorization", "-")
        print("POST", self.path, self.headers["Content-Type"], count, kind, authorization, flush=True)
        if self.path != "/api/receive-data":
            return self.answer(404, {"success": False, "detail": "Not Found", "error_code": "NOT_FOUND"})
        if kind == "status":
            return self.answer(int(value), {"success": False, "detail": "played", "error_code": "PLAYED"})
        if kind == "refuse":
            return self.answer(422, {"success": False, "detail": "played", "error_code": "VALIDATION_ERROR"})
        if kind == "hang":
            return time.sleep(60)
        if kind == "garbage":
            return self.answer(200, b"<html>Sign in to this network</html>")
        if kind == "failure":
            return self.answer(200, {"success": False, "message": "played"})
        if kind == "redirect":
            return self.answer(307, b"", [("Location", "http://127.0.0.1:1/api/receive-data")])
        if kind == "long" and count > int(value):
            return self.answer(413, b"too long")
        if kind == "slow":
            time.sleep(float(value))
        status, told = (second if generation == "2" else fourth)(records)
        return self.answer(status, told)


class Server(ThreadingHTTPServer):
    daemon_threads = True


server = Server(("127.0.0.1", port), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
print("listening", server.server_address[1], flush=True)
for line in sys.stdin:
    mode[0] = line.strip()
    print("mode", mode[0], flush=True)
