"""What a job is made of: the fields of `run`, typed."""
from __future__ import annotations

import uuid
from typing import Any, Dict, Mapping, Sequence, TypedDict, Union

Bytes = Union[str, bytes, bytearray, memoryview]


class Limits(TypedDict, total=False):
    """What the job may use; what is left out comes from its policy. More than the policy's bound is a BadRequest."""
    wall_ms: int
    cpu_ms: int
    memory_mib: int
    output_kib: int
    threads: int
    tmp_mib: int
    tmp_inodes: int
    file_mib: int
    open_files: int


class Grants(TypedDict, total=False):
    """What the job may reach beside what its policy grants, within the policy's `callers_may`."""
    read: Sequence[str]      # absolute paths; a directory covers all below it
    write: Sequence[str]     # read, and change, create, delete
    connect: Sequence[str]   # "host:port", "10.0.0.0/8:443", "udp://1.1.1.1:53"


class JobFields(TypedDict, total=False):
    """The optional fields of a job. None stands for absent."""
    policy: str | None                    # the language's own policy if absent
    policy_text: str | None               # a whole policy file instead; operators only
    debug: bool                           # operators only: killing calls are held for debug.decide
    job: str | None                       # an id, unique among running jobs; made up if absent
    filename: str | None                  # shown in tracebacks
    args: Sequence[str] | None            # after argv[0]
    env: Mapping[str, str] | None         # the whole environment beside the policy's
    stdin: Bytes | None
    files: Mapping[str, Bytes] | None     # put into /tmp before the start, under relative names
    collect: Sequence[str] | None         # patterns of files under /tmp that come back
    grants: Grants | None
    limits: Limits | None
    tenant: str | None                    # fairness key within this user
    detach: bool                          # go on when the client hangs up
    dependencies: str | None              # the name of a prebuilt tree of packages
    trace: str | None                     # off, brokered, all


# What a job of a language finds to import, told by one. The first place wins, as it does for the job.
LISTINGS = {
    "python3": """import importlib.metadata, json
found = {}
for d in importlib.metadata.distributions():
    name = d.metadata["Name"]
    if name:
        found.setdefault(name.lower().replace("_", "-"), (name, d.version))
print(json.dumps([found[k] for k in sorted(found)]))
""",
    "nodejs": """const { existsSync, readdirSync, readFileSync } = require('fs');
const found = new Map();
for (const place of require('module').globalPaths.filter((p) => existsSync(p))) {
  const names = readdirSync(place).flatMap((n) => n.startsWith('@') ? readdirSync(`${place}/${n}`).map((m) => `${n}/${m}`) : [n]);
  for (const name of names) {
    const file = `${place}/${name}/package.json`;
    if (!found.has(name) && existsSync(file)) found.set(name, JSON.parse(readFileSync(file)).version);
  }
}
console.log(JSON.stringify([...found].sort()));
""",
}


def job_params(code: Bytes, language: str, stream: bool, fields: Mapping[str, Any]) -> Dict[str, Any]:
    """The params of `run`. A str goes as UTF-8; None and what was not given stay out; a job without an id gets one."""
    params: Dict[str, Any] = {"language": str(getattr(language, "value", language)), "code": code}
    params.update((name, _plain(value)) for name, value in fields.items() if value is not None)
    params.setdefault("job", f"py-{uuid.uuid4().hex}")
    if stream:
        params["stream"] = True
    return params


def _plain(value: Any) -> Any:
    """Mappings and sequences of any kind as the dicts and lists that msgpack packs."""
    if isinstance(value, Mapping):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, (str, bytes, bytearray, memoryview)):
        return value
    if isinstance(value, (Sequence, set, frozenset)):
        return [_plain(v) for v in value]
    return value
