#!/usr/bin/env python3
"""Reads the values that `#[dspinlock(cached(schema = …))]` stores as JSON, and writes values that it accepts.

    python cached_values.py --port 6379 get monday usage-1
    python cached_values.py --port 6379 compute monday usage-1 '{"day": "monday", "total": 5}'

`docs/values.md` describes the format in Redis. The functions need redis-py and the standard library, and a lock of
py-dspinlock's to write a value under:

    with HashDSpinlock("monday") as lock:
        store(sess, lock, "monday", "usage-1", compute())

Make a new instance for each turn, as above. An instance that is used again writes the same tag, and py-dspinlock marks a
turn that raises as COMPUTED too: readers would then get the value of the turn before.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from typing import Any, Union

import redis

Key = Union[str, bytes, int, tuple]

MISSING = object()
"""What `load` returns if there is no value."""


def canonical(key: Key) -> bytes:
    """A key's canonical encoding: a letter for the type, the length in eight bytes, the content."""
    if isinstance(key, bool) or not isinstance(key, (str, bytes, int, tuple)):
        raise TypeError(f"keys here are text, bytes, integers and tuples of them, not {type(key).__name__}")
    if isinstance(key, str):
        tag, content = b"t", key.encode()
    elif isinstance(key, bytes):
        tag, content = b"y", key
    elif isinstance(key, int):
        tag, content = b"i", str(key).encode()
    else:
        tag, content = b"(", b"".join(map(canonical, key))
    return tag + len(content).to_bytes(8, "big") + content


def namespaced_uid(key: Key) -> str:
    """The uid that is different for any two keys: it is in every envelope, and in the keys of locks with a namespace."""
    if isinstance(key, int) and not isinstance(key, bool):
        return str(key)
    return "v1-" + hashlib.sha256(b"\x01" + canonical(key)).hexdigest()


def record_key(key: Key, namespace: str = "", prefix: str = "dspinlock") -> str:
    """The name of a lock's record. Without a namespace it is py-dspinlock's, and the key is text, bytes or an integer."""
    if namespace:
        return f"{prefix},{namespace},{namespaced_uid(key)}"
    if isinstance(key, str):
        key = key.encode()
    if isinstance(key, bytes):
        return f"{prefix},{hashlib.sha256(key).hexdigest()}"
    return f"{prefix},{hash(key)}"


def value_key(record: str) -> str:
    """The name of the value beside a record."""
    return f"{{{record}}}:value"


def load(sess: redis.Redis, record: str, key: Key, schema: str) -> Any:
    """The value beside a record, or `MISSING`. A value counts only while the record is COMPUTED by the same turn."""
    # In one command, so that both are read at the same moment.
    state, envelope = (_bytes(part) for part in sess.mget(record, value_key(record)))
    if state is None or envelope is None:
        return MISSING
    head, _, body = envelope.partition(b"\n")
    try:
        header = json.loads(head)
        expected = {"v": 1, "codec": "json", "schema": schema, "key": namespaced_uid(key)}
        if any(header.get(name) != what for name, what in expected.items()):
            return MISSING
        if f"{header['tag']},1".encode() != state:
            return MISSING
        return None if header["none"] else json.loads(body)
    except (ValueError, KeyError, AttributeError):
        return MISSING


def store(sess: redis.Redis, lock: Any, key: Key, schema: str, value: Any) -> None:
    """Writes a value under a held lock of py-dspinlock's. It counts once the lock is released."""
    seconds, micros = sess.time()
    header = {
        "v": 1,
        "codec": "json",
        "schema": schema,
        "tag": lock._tag,
        "key": namespaced_uid(key),
        "until": seconds * 1_000_000 + micros + int(lock.expire_at_timedelta.total_seconds() * 1e6),
        "none": value is None,
    }
    # JSON has no NaN and no infinity, although Python writes them.
    body = "" if value is None else json.dumps(value, allow_nan=False)
    sess.set(value_key(lock.get_key()), json.dumps(header) + "\n" + body, ex=lock.expire_at_timedelta)


def _bytes(part: bytes | str | None) -> bytes | None:
    # A session with `decode_responses` returns text.
    return part.encode() if isinstance(part, str) else part


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--port", type=int, default=6379)
    parser.add_argument("--namespace", default="")
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("get", "compute"):
        command = commands.add_parser(name)
        command.add_argument("key", help="a text, or JSON after `json:`; a list there is a tuple")
        command.add_argument("schema")
        if name == "compute":
            command.add_argument("value", type=json.loads, help="JSON")
    args = parser.parse_args()
    key: Key = args.key
    if args.key.startswith("json:"):
        key = json.loads(args.key.removeprefix("json:"))
        key = tuple(key) if isinstance(key, list) else key

    sess = redis.Redis(port=args.port)
    if args.command == "get":
        value = load(sess, record_key(key, args.namespace), key, args.schema)
        if value is MISSING:
            print("there is no such value", file=sys.stderr)
            return 1
        print(json.dumps(value))
        return 0

    from dspinlock import HashDSpinlock

    if args.namespace:
        parser.error("py-dspinlock's locks have no namespace")
    with HashDSpinlock(key, sess=sess) as lock:
        store(sess, lock, key, args.schema, args.value)
    return 0


if __name__ == "__main__":
    sys.exit(main())
