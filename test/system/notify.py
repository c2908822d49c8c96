"""A service manager's socket: prints each datagram as a line of JSON, with the number of the process that sent it."""

import json
import socket
import struct
import sys

server = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
server.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
server.bind(sys.argv[1].replace("@", "\0", 1))
print(json.dumps({"bound": True}), flush=True)
while True:
    data, ancillary, _, _ = server.recvmsg(4096, socket.CMSG_SPACE(64))
    pid = next(
        struct.unpack("3i", value)[0]
        for level, kind, value in ancillary
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS)
    )
    print(json.dumps({"pid": pid, "text": data.decode()}), flush=True)
