"""The scenarios: which instance falls sick, how, and when."""

import dataclasses

PATH = "/shop/items/7"
SICK = 0  # the instance that most scenarios hurt


@dataclasses.dataclass(frozen=True)
class Scenario:
    """`before`: (instance, command) before the load. `events`: (second, instance, command), counted
    from when the figures count; the commands are upstream.cc's."""

    name: str
    what: str
    events: tuple = ()
    before: tuple = ()
    method: str = "GET"
    sick: tuple = (SICK,)
    instances: int = 4
    rate: int = 1500
    service: tuple = ("service 5000 16",)  # one for all, or one an instance
    local: tuple = ()       # instances of the caller's own zone; the others are in another
    # Whether load on the sick is bad in itself: it answers nothing of use. One that answers most, or
    # slowly, or now and then, may have its part: whether that hurts is seen in the other figures.
    useless: bool = True
    policy: dict = dataclasses.field(default_factory=dict)  # of Tollgate's Service, as YAML
    haproxy: str = ""       # further words of HAProxy's default-server

    def service_of(self, instance):
        return self.service[instance] if len(self.service) > 1 else self.service[0]


def _at_once(name, what, command, **more):
    return Scenario(name, what, events=((0, SICK, command),), **more)


def _flaps(seconds=60):
    return tuple((s, SICK, "down" if s % 2 == 0 else "healthy") for s in range(seconds))


SCENARIOS = [
    _at_once("slow", "one of four takes ten times as long", "slow 10",
             useless=False),
    _at_once("failing-fast", "one answers 503 at once", "status 503 100 now"),
    _at_once("failing-fast-500", "one answers 500 at once", "status 500 100 now"),
    _at_once("failing-random", "one answers 30 % with 503", "status 503 30 late",
             useless=False),
    _at_once("black-hole", "one accepts, reads and never answers", "blackhole"),
    _at_once("refused", "one refuses connections", "down"),
    _at_once("cut", "one resets the connection in the middle of the answer", "truncate"),
    _at_once("slow-accept", "one accepts a connection every half second, for one answer",
             "accept 500", useless=False),
    Scenario("flapping", "one is up for a second and down for a second", events=_flaps(),
             useless=False),
    Scenario("cold", "one comes up, ten times slower at first, in 3 s as fast as the others, which "
             "are busy", before=((SICK, "down"),), events=((0, SICK, "cold 10 3000"),),
             service=("service 5000 2",), rate=1100, useless=False,
             policy={"balance": "{policy: peak-ewma, slow_start: 3s}",
                     "outlier_detection": "{consecutive_errors: 3, base_ejection: 1s}"},
             haproxy="slowstart 3s"),
    Scenario("half-zone", "two of the four instances in the caller's zone stop; four are elsewhere",
             events=((0, 0, "down"), (0, 1, "down")), sick=(0, 1), instances=8,
             service=("service 5000 4",) * 4 + ("service 7000 4",) * 4, local=(0, 1, 2, 3)),
    _at_once("post-failing-fast", "POST: one answers 503 at once, nothing may be sent again",
             "status 503 100 now", method="POST"),
    _at_once("post-lost", "POST: one resets the connection once it has the request", "lose",
             method="POST"),
]


def find(name):
    return next((s for s in SCENARIOS if s.name == name), None)
