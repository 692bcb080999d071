"""Policies with many routes, and paths that go to all of them (ROUTES, SWAP)."""

RESOURCES = ("accounts", "cards", "customers", "disputes", "invoices", "mandates", "orders",
             "payments", "payouts", "refunds")


def _last(resource):
    """Half of the resources have routes that end in a literal."""
    return "/entries" if RESOURCES.index(resource) % 2 else ""


def documents(routes, timeout, upstream, inbound):
    """YAML files: a service, and one Api a resource with its part of the routes. An Api's document
    has at most 768 KiB, about 17,000 routes."""
    yield (f"kind: Service\nname: bench\nlocal: 127.0.0.1:{upstream}\n"
           f"endpoints: [127.0.0.1:{inbound}]\n")
    for resource in RESOURCES:
        lines = [f'      - {{name: r{n}, match: "GET /{n:05}/{{id}}{_last(resource)}", '
                 f"timeout: {timeout}, public: true}}" for n in range(routes // len(RESOURCES))]
        yield (f'kind: Api\nname: {resource}\nhosts: ["*"]\nbase_path: /v1/{resource}\n'
               "service: bench\nversions:\n  - name: v1\n    routes:\n" + "\n".join(lines) + "\n")


def paths(routes, distinct):
    """So many paths, spread evenly over the routes. Their lengths do not depend on `routes`."""
    return [f"/v1/{resource}/{n:05}/{id:06}{_last(resource)}" for resource in RESOURCES
            for n in range(routes // len(RESOURCES)) for id in range(distinct // routes)]
