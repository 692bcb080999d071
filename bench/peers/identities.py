"""Keys, tokens and consumers of W2. Made once a run, in its own directory, gone with it."""

import base64
import json
import pathlib
import secrets
import subprocess

CONSUMERS = 64
ISSUER = "https://login.bank.example/"
AUDIENCE = "card-payments"
PERMISSION = "payments.read"
WIDE_LIMIT, TIGHT_LIMIT = 1_000_000_000, 5
# Fresh tokens that one second can use up: what no proxy verifies faster here.
FRESH_PER_SECOND = {"HS256": 110_000, "RS256": 50_000, "ES256": 30_000}


def _b64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _der(tag, body):
    size = len(body)
    if size < 128:
        return bytes([tag, size]) + body
    encoded = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(encoded)]) + encoded + body


def _pem(jwk):
    """SubjectPublicKeyInfo (RFC 5280, 3279, 5480) of a public RSA or P-256 JWK."""
    def number(name):
        text = jwk[name]
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))

    if jwk["kty"] == "RSA":
        algorithm = bytes.fromhex("06092a864886f70d0101010500")  # rsaEncryption, NULL
        integers = [_der(2, b"\0" + number("n")), _der(2, number("e"))]
        key = _der(0x30, b"".join(integers))
    else:
        # id-ecPublicKey, prime256v1; the point uncompressed
        algorithm = bytes.fromhex("06072a8648ce3d020106082a8648ce3d030107")
        key = b"\4" + number("x") + number("y")
    der = _der(0x30, _der(0x30, algorithm) + _der(3, b"\0" + key))
    text = base64.encodebytes(der).decode().replace("\n", "")
    lines = [text[i:i + 64] for i in range(0, len(text), 64)]
    return "\n".join(["-----BEGIN PUBLIC KEY-----", *lines, "-----END PUBLIC KEY-----", ""])


class Identity:
    """One algorithm: its key in every peer's form, and its tokens."""

    def __init__(self, alg, directory, tool):
        self.alg = alg
        self.tool = tool
        base = pathlib.Path(directory) / alg
        self.jwks = base.with_suffix(".jwks.json")
        self.private = base.with_suffix(".private.jwk")
        self.shared = base.with_suffix(".tokens")
        self.fresh = base.with_suffix(".fresh")
        if alg == "HS256":
            # Printable, since HAProxy's configuration holds it as text.
            secret = secrets.token_hex(32)
            jwk = {"kty": "oct", "k": _b64url(secret.encode()), "alg": alg, "use": "sig",
                   "kid": "bench-HS256"}
            self.private.write_text(json.dumps(jwk))
            self.jwks.write_text(json.dumps({"keys": [jwk]}))
            self.haproxy_key = secret
        else:
            subprocess.run([tool, "keygen", alg, self.private, self.jwks], check=True)
            pem = base.with_suffix(".pem")
            pem.write_text(_pem(json.loads(self.jwks.read_text())["keys"][0]))
            self.haproxy_key = str(pem)
        self._sign(self.shared, "bench-", CONSUMERS, PERMISSION, CONSUMERS)
        self.tight = self._one("tight-", PERMISSION)
        self.unpermitted = self._one("bench-", "payments.write")
        self.stranger = self._one("stranger-", PERMISSION)
        self.expired = self._one("bench-", PERMISSION, seconds=-3600)
        self.valid = self.shared.read_text().split("\n", 1)[0]

    def _command(self, subject, subjects, scope, count, seconds=86400):
        return [self.tool, "sign", self.private, f"--iss={ISSUER}", f"--aud={AUDIENCE}",
                f"--sub={subject}", f"--subjects={subjects}", f"--scope={scope}",
                f"--count={count}", f"--seconds={seconds}"]

    def _sign(self, path, subject, subjects, scope, count):
        with open(path, "wb") as out:
            subprocess.run(self._command(subject, subjects, scope, count), check=True, stdout=out)

    def _one(self, subject, scope, seconds=86400):
        done = subprocess.run(self._command(subject, 1, scope, 1, seconds), check=True,
                              capture_output=True, text=True)
        return done.stdout.strip()

    def tampered(self):
        """A valid token, one byte of whose payload was changed after it was signed."""
        head, payload, signature = self.valid.split(".")
        text = base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
        changed = text.replace(b'"sub":"bench-0"', b'"sub":"bench-1"')
        assert changed != text
        return ".".join([head, _b64url(changed), signature])

    def make_fresh(self, seconds):
        if not self.fresh.exists():
            count = int(FRESH_PER_SECOND[self.alg] * (seconds + 1))
            self._sign(self.fresh, "bench-", CONSUMERS, PERMISSION, count)


def haproxy_limits():
    lines = [f"bench-{i} {WIDE_LIMIT}" for i in range(CONSUMERS)]
    return "\n".join(lines + [f"tight-0 {TIGHT_LIMIT}", ""])


def tollgate_consumers():
    documents = []
    plans = [(f"bench-{i}", "wide") for i in range(CONSUMERS)] + [("tight-0", "tight")]
    for name, plan in plans:
        documents.append(f"---\nkind: Consumer\nname: {name}\nplan: {plan}\n"
                         f"grants: [{PERMISSION}, payments.write]\n"
                         f"tokens: [{{issuer: bank, value: {name}}}]\n")
    return "".join(documents)
