"""A round of idle connections: what private memory each takes of the proxy."""

import select
import socket
import struct
import time

import machine
import rounds
import saturated
from machine import BenchError
from report import Column

CONNECTIONS = 10_000
WARM_SECONDS = 1
SETTLE = 0.5
MARGIN = 2000      # more may come: nginx closes idle ones when a sixteenth of all is left
FILES = CONNECTIONS + 2 * MARGIN

COLUMNS = [Column("bytes/connection", "bytes", ",.0f"), Column("bytes", "bytes", ".2f", "ratio"),
           Column("PSS MB at start", "start_mb", ".1f"), Column("PSS MB warm", "warm_mb", ".1f")]


def prepare(contender):
    """Lets so many in."""
    contender.most_connections = CONNECTIONS + MARGIN
    # HAProxy wants two files for each that may come; where the machine allows fewer, it may start.
    contender.global_line = "no strict-limits"
    return contender


class Clients:
    """Connections that stay open after one GET each."""

    def __init__(self, contender):
        self.contender, self.all = contender, []
        self.request = f"GET {contender.path} HTTP/1.1\r\nHost: bench.example\r\n\r\n".encode()

    def __enter__(self):
        try:
            for _ in range(CONNECTIONS):
                self.all.append(socket.create_connection(("127.0.0.1", self.contender.port),
                                                         timeout=5))
                self._get(self.all[-1])
        except OSError as error:
            self.__exit__()
            raise BenchError(f"{self.contender.name}: connection {len(self.all)}: "
                             f"{error}") from None
        return self

    def _get(self, client):
        client.sendall(self.request)
        answer = client.recv(65536)
        while answer and len(answer) < answer.find(b"\r\n\r\n") + 4 + self.contender.body:
            piece = client.recv(65536)
            if not piece:
                break
            answer += piece
        head, _, body = answer.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200") or len(body) != self.contender.body:
            raise OSError(f"the answer is {head[:12]} with {len(body)} bytes")

    def require_open(self):
        """Nothing to read: neither closed, nor more bytes than were asked for."""
        poll = select.poll()
        for client in self.all:
            poll.register(client, select.POLLIN | select.POLLHUP)
        closed = len(poll.poll(0))
        if closed:
            raise BenchError(f"{self.contender.name} closed {closed} idle connections")

    def __exit__(self, *_):
        for client in self.all:
            # A reset leaves no port in TIME_WAIT for the next round to miss.
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()


def measure(contender, _seconds):
    with rounds.started(contender), machine.OtherLoad() as others:
        start = machine.memory(contender.process.pid)
        checks = contender.check()
        warmed = saturated.load(contender, WARM_SECONDS)
        time.sleep(SETTLE)
        warm = machine.memory(contender.process.pid)
        with Clients(contender) as clients:
            time.sleep(SETTLE)
            full = machine.memory(contender.process.pid)
            clients.require_open()
        rounds.require_log(contender, checks + warmed["issued"] + CONNECTIONS)
    return {"bytes": (full["private"] - warm["private"]) / CONNECTIONS,
            "start_mb": start["pss"] / 2**20, "warm_mb": warm["pss"] / 2**20,
            "others": others.share}
