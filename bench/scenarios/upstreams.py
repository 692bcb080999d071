"""The instances of the service: a process each, told what to suffer from."""

import subprocess

import machine
from machine import BenchError


class Instance:
    def __init__(self, binary, port=0):
        self.process = machine.Process([binary, port], machine.LOAD_CORE, stdin=subprocess.PIPE,
                                       stdout=subprocess.PIPE)
        self.port = int(self._line())

    def tell(self, command):
        pipe = self.process.child.stdin
        pipe.write(command.encode() + b"\n")
        pipe.flush()

    def stats(self):
        """(requests, connections accepted, requests in its queue) since its start."""
        self.tell("stats")
        return tuple(int(word) for word in self._line().split())

    def ids(self):
        """The numbers of the requests that it received."""
        self.tell("ids")
        return [int(word) for word in self._line().split()]

    def stop(self):
        self.process.stop()

    def _line(self):
        line = self.process.child.stdout.readline()
        if not line:
            raise BenchError("an upstream has ended")
        return line.decode()


class Instances:
    """All of one round: fresh processes on the same ports."""

    def __init__(self, binary, ports, scenario):
        self.all = [Instance(binary, port) for port in ports[:scenario.instances]]
        for number, instance in enumerate(self.all):
            instance.tell(scenario.service_of(number))
        for number, command in scenario.before:
            self.all[number].tell(command)

    def requests(self):
        return [instance.stats()[0] for instance in self.all]

    def sent_twice(self):
        """How many requests arrived more than once, anywhere."""
        seen, twice = set(), set()
        for instance in self.all:
            for number in instance.ids():
                (twice if number in seen else seen).add(number)
        return len(twice)

    def stop(self):
        for instance in self.all:
            instance.stop()
