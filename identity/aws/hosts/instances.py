"""A machine as EC2 sees it: its ids and addresses, and the tree of metadata that it reads of itself.

Everything follows from the stack's account, the region and the machine's address, so the same machine has the same ids in
every world and after a restart. Wire facts: docs/reference/aws-wire.md#instance-metadata.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from json.encoder import encode_basestring

from brownout.identity.aws import arns
from brownout.identity.aws.records.principals import InstanceProfile

INSTANCE_TYPE, IMAGE, ARCHITECTURE = "m5.large", "ami-0b70170d0f6c1a5a3", "x86_64"
_NETWORK = "172.31.0.0/16"
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_DIRECTIONS = ("north", "south", "central", "east", "west")


@dataclass(frozen=True, slots=True)
class Instance:
    """What a machine's metadata is made from.

    `region` and `zone` have the names of AWS (`ap-southeast-2a`); `profile` is None for a machine without a role.
    """

    account_id: str
    region: str
    zone: str
    zone_id: str
    address: str
    launched_s: float
    profile: InstanceProfile | None

    @property
    def instance_id(self) -> str:
        return f"i-{self._digest('instance')[:17]}"

    @property
    def role(self) -> str:
        """The name of the machine's role, "" when it has none."""
        return "" if self.profile is None else self.profile.role_name

    @property
    def role_arn(self) -> str:
        return arns.role(self.account_id, "/", self.role)

    @property
    def ipv4(self) -> str:
        """An address of the network 172.31.0.0/16 that is neither the first nor the last of its /24."""
        digest = self._digest("address")
        return f"172.31.{int(digest[:2], 16)}.{int(digest[2:6], 16) % 250 + 4}"

    @property
    def host_name(self) -> str:
        return f"ip-{self.ipv4.replace('.', '-')}.{self.region}.compute.internal"

    @property
    def mac(self) -> str:
        digest = self._digest("mac")
        return ":".join(("02", *(digest[i : i + 2] for i in range(0, 10, 2))))

    def id_of(self, prefix: str) -> str:
        """The id of something that belongs to the machine, such as its interface (`eni`)."""
        return f"{prefix}-{self._digest(prefix)[:17]}"

    def _digest(self, what: str) -> str:
        return _digest(f"{self.account_id} {self.region} {self.address} {what}")


@lru_cache(maxsize=1024)  # a machine is who it is in each of its requests
def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@lru_cache(maxsize=256)
def zone_names(region: str, number: int) -> tuple[str, str]:
    """Name and id of an availability zone of that AWS region, by its number from 0: `ap-southeast-2a`, `apse2-az1`."""
    area, *directions, last = region.split("-")
    return f"{region}{_LETTERS[number % len(_LETTERS)]}", f"{area}{''.join(map(_short, directions))}{last}-az{number + 1}"


def _short(word: str) -> str:
    """A direction as ids of zones write it: `se` for `southeast`, `c` for `central`."""
    found = ""
    while word:
        name = next((name for name in _DIRECTIONS if word.startswith(name)), word)
        found, word = found + name[0], word[len(name) :]
    return found


def tree(instance: Instance) -> Mapping[str, str]:
    """Text by path below a version of the service. Of the role's credentials it has the name only."""
    found = {"dynamic/instance-identity/document": identity_document(instance)}
    found |= {f"meta-data/{path}": text for path, text in metadata(instance).items()}
    return dict(sorted(found.items()))


def metadata(instance: Instance) -> Mapping[str, str]:
    """Text by path below `meta-data/`."""
    mac = f"network/interfaces/macs/{instance.mac}/"
    return _role_of(instance) | {
        "ami-id": IMAGE,
        "ami-launch-index": "0",
        "ami-manifest-path": "(unknown)",
        "block-device-mapping/ami": "/dev/xvda",
        "block-device-mapping/root": "/dev/xvda",
        "events/maintenance/history": "[]",
        "events/maintenance/scheduled": "[]",
        "hostname": instance.host_name,
        "instance-action": "none",
        "instance-id": instance.instance_id,
        "instance-life-cycle": "on-demand",
        "instance-type": INSTANCE_TYPE,
        "local-hostname": instance.host_name,
        "local-ipv4": instance.ipv4,
        "mac": instance.mac,
        f"{mac}device-number": "0",
        f"{mac}interface-id": instance.id_of("eni"),
        f"{mac}local-hostname": instance.host_name,
        f"{mac}local-ipv4s": instance.ipv4,
        f"{mac}mac": instance.mac,
        f"{mac}owner-id": instance.account_id,
        f"{mac}security-groups": "default",
        f"{mac}vpc-ipv4-cidr-block": _NETWORK,
        f"{mac}vpc-ipv4-cidr-blocks": _NETWORK,
        "placement/availability-zone": instance.zone,
        "placement/availability-zone-id": instance.zone_id,
        "placement/region": instance.region,
        "profile": "default-hvm",
        "reservation-id": instance.id_of("r"),
        "security-groups": "default",
        "services/domain": "amazonaws.com",
        "services/partition": "aws",
        "tags/instance/Name": instance.address,
    }


def _role_of(instance: Instance) -> dict[str, str]:
    """What a machine with a role reads of it."""
    if instance.profile is None or not instance.role:
        return {}
    info = {
        "Code": "Success",
        "LastUpdated": utc(instance.launched_s),
        "InstanceProfileArn": instance.profile.arn,
        "InstanceProfileId": instance.profile.profile_id,
    }
    return {"iam/info": laid_out(info), f"iam/security-credentials/{instance.role}": ""}


def identity_document(instance: Instance) -> str:
    """`dynamic/instance-identity/document`: JSON in the layout of the real service, which has ` : ` between name and value."""
    document = {
        "accountId": instance.account_id,
        "architecture": ARCHITECTURE,
        "availabilityZone": instance.zone,
        "billingProducts": None,
        "devpayProductCodes": None,
        "marketplaceProductCodes": None,
        "imageId": IMAGE,
        "instanceId": instance.instance_id,
        "instanceType": INSTANCE_TYPE,
        "kernelId": None,
        "pendingTime": utc(instance.launched_s),
        "privateIp": instance.ipv4,
        "ramdiskId": None,
        "region": instance.region,
        "version": "2017-09-30",
    }
    return laid_out(document)


def laid_out(document: Mapping[str, object]) -> str:
    """A JSON document as the metadata service prints it."""
    if document and all(type(text) is str for text in document.values()):  # with an indent the library's writer is a slow one
        lines = [f"  {encode_basestring(name)} : {encode_basestring(str(text))}" for name, text in document.items()]
        return "{\n" + ",\n".join(lines) + "\n}"
    return json.dumps(document, indent=2, separators=(",", " : "), ensure_ascii=False)


def utc(at_s: float) -> str:
    """An instant in the form of the metadata service: `2024-07-12T00:00:00Z`."""
    return _second(int(at_s))


@lru_cache(maxsize=4096)  # the same credentials are told again and again, and the runs of a search have seconds in common
def _second(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def entry(tree: Mapping[str, str], path: str) -> str | None:
    """The text at `path` (no slash at either end), or the listing of what is below it; None where there is neither.

    A listing has one name in each line, with a slash after those that have more below them.
    """
    if path in tree:
        return tree[path]
    below = f"{path}/" if path else ""
    names: dict[str, None] = {}
    for each in tree:
        if each.startswith(below):
            name, slash, _ = each[len(below) :].partition("/")
            names[name + slash] = None
    return "\n".join(names) if names else None
