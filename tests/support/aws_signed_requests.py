"""Signed requests as odd as a client can send them, the same ones for a seed; botocore signs."""

from __future__ import annotations

import random
from collections.abc import Iterator
from urllib.parse import quote

from brownout.identity.core.messages import Request
from support.aws_signing import ALICE, MELBOURNE, SYDNEY, by_botocore, credentials_of, session_of

TEMPORARY = credentials_of(session_of())
ODD = "aZ09-._~ !\"#$%&'()*+,/:;<=>?@[\\]^`{|}éß漢🦘\t"
TOKEN_CHARACTERS = "!#$%&'*+-.^_`|~0123456789abcxyz"


class Generator:
    """Requests that a client could send, as odd as they come, the same ones for a seed."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)

    def text(self, longest: int, characters: str = ODD) -> str:
        return "".join(self.chance.choices(characters, k=self.chance.randint(0, longest)))

    def path(self) -> str:
        safe = self.chance.choice(["", "~", "!$&'()*+,;=:@~"])
        words = [
            self.chance.choice(["", ".", "..", "a", quote(self.text(6), safe=safe)]) for _ in range(self.chance.randint(0, 6))
        ]
        return "/" + "/".join(words)

    def query(self) -> str:
        pairs = [(self.text(4) + "n", self.text(6)) for _ in range(self.chance.randint(0, 5))]
        pairs += pairs[:1] * self.chance.randint(0, 1)
        return "&".join(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in pairs)

    def headers(self) -> list[tuple[str, str]]:
        names = [self.text(5, TOKEN_CHARACTERS) + "n" for _ in range(self.chance.randint(0, 3))]
        names += names[:1] * self.chance.randint(0, 2)
        names.append(self.chance.choice(["Content-Type", "X-Amz-Target", "x-amz-content-length-range", "User-Agent", "TE"]))
        return [(name, self.text(12, "ab,;=\"'  \t").strip("\r\n")) for name in names]


def generated(seed: int) -> Iterator[tuple[Request, str, str]]:
    """Signed requests with their service and region."""
    made = Generator(seed)
    for _ in range(150):
        method = made.chance.choice(["GET", "POST", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS"])
        query = made.query()
        url = f"http://127.0.0.1:{made.chance.randint(1, 65535)}{made.path()}" + (f"?{query}" if query else "")
        payload = made.chance.randbytes(made.chance.choice([0, 1, 40, 700]))
        service = made.chance.choice(["sts", "iam", "secretsmanager"])
        region = made.chance.choice([SYDNEY, MELBOURNE, "us-east-1"])
        credentials = made.chance.choice([ALICE, TEMPORARY])
        signed = by_botocore(method, url, payload, made.headers(), credentials=credentials, service=service, region=region)
        yield signed, service, region
