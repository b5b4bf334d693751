"""The Python side of the tests with py-dspinlock: runs the real package on behalf of a test.

One request on each line of stdin, one reply on each line of stdout, both JSON. Every request runs in a thread of its own,
so that a lock can wait while other requests are served. Replies carry the request's `id`. A reply is `{"id", "ok"}`, or `{"id",
"error", "message"}` with the name of the exception's class.

Between replies there are events: `{"event": "sleeping", "lock"}` when a lock has found its key BLOCKED and is about to
sleep. A test that needs a waiting Python lock waits for this line.
"""

import json
import sys
import threading
import time
from collections import Counter
from datetime import datetime, timedelta, timezone
from uuid import uuid4

import dspinlock.base
import redis
from dspinlock import HashDSpinlock
from dspinlock.utils import RedisParameters

CONNECTION = redis.Redis(host="127.0.0.1", port=int(sys.argv[1]), db=0, decode_responses=True)
LOCKS = {}
CURRENT = threading.local()
OUTPUT = threading.Lock()


def emit(message):
    """Writes one line."""
    with OUTPUT:
        print(json.dumps(message), flush=True)


def announced_sleep(seconds):
    """py-dspinlock's sleep, with an event before it."""
    emit({"event": "sleeping", "lock": CURRENT.lock})
    time.sleep(seconds)


dspinlock.base.sleep = announced_sleep


def key_of(spec):
    """The value that a request describes: JSON has no bytes, dates or large integers."""
    kind, value = spec["type"], spec.get("value")
    if kind == "text":
        return value
    if kind == "bytes":
        return bytes(value)
    if kind == "integer":
        return int(value)
    if kind == "bool":
        return bool(value)
    if kind == "datetime":
        offset = spec.get("offset")
        zone = None if offset is None else timezone(timedelta(seconds=offset))
        return datetime(*value, tzinfo=zone)
    if kind == "list":
        return [key_of(item) for item in value]
    raise ValueError(f"no such type of key: {kind}")


def class_with(options):
    """A subclass as a user would write it, with the attributes and methods that the request overrides."""
    body = {}
    for option, attribute in (("tries", "max_spinlock_tries"), ("sleep", "spinlock_sleep_thresh")):
        if option in options:
            body[attribute] = options[option]
    for option, attribute in (("expire", "expire_at_timedelta"), ("max_block", "max_block_time")):
        if option in options:
            body[attribute] = timedelta(seconds=options[option])
    for option, attribute in (("prefix", "_key_prefix"), ("key_sep", "_key_sep"), ("value_sep", "_value_sep")):
        if option in options:
            body[attribute] = options[option]
    if "uid_prefix" in options:
        body["_get_uid"] = staticmethod(lambda obj: options["uid_prefix"] + HashDSpinlock._get_uid(obj))
    if "key_format" in options:
        body["get_key"] = lambda self: options["key_format"].format(uid=self._obj_uid)
    return type("Lock", (HashDSpinlock,), body)


def make(request):
    """Makes a lock and keeps it by name. `age` is the age of the instance in seconds."""
    options = request.get("options", {})
    flags = {flag: options[flag] for flag in ("fail_if_key_exists", "cached_if_computed") if flag in options}
    lock = class_with(options)(key_of(request["key"]), sess=CONNECTION, **flags)
    if "age" in options:
        made = datetime.now(tz=timezone.utc) - timedelta(seconds=options["age"])
        lock._tag = f"{uuid4()},{made.isoformat()}"
    LOCKS[request["lock"]] = lock
    return {"key": lock.get_key(), "tag": lock._tag}


def enter(request):
    """`with lock:` up to the body."""
    LOCKS[request["lock"]].__enter__()


def leave(request):
    """The end of the `with`; `raising` for a body that raised. Returns how many milliseconds it took."""
    error = RuntimeError("the body failed") if request.get("raising") else None
    started = time.monotonic()
    try:
        LOCKS[request["lock"]].__exit__(type(error) if error else None, error, None)
    except Exception as exc:
        exc.milliseconds = (time.monotonic() - started) * 1000
        raise
    return {"milliseconds": (time.monotonic() - started) * 1000}


def forget(request):
    """py-dspinlock's delete."""
    return LOCKS[request["lock"]].delete_atomic_query_mutex_state()


def uid(request):
    """The uid that py-dspinlock gives to a value."""
    return HashDSpinlock._get_uid(key_of(request["key"]))


def unpack(request):
    """A record as py-dspinlock reads it; the value as it comes from a connection with or without decoding."""
    lock = LOCKS[request["lock"]]
    text = lock._unpack_value(request["value"])
    if lock._unpack_value(request["value"].encode()) != text:
        raise AssertionError("text and bytes of one record are read differently")
    return {
        "owner": text.req_id,
        "tag": text.tag,
        "state": text.value,
        "micros": (text.timestamp - datetime.fromtimestamp(0, tz=timezone.utc)) // timedelta(microseconds=1),
    }


def defaults(_request):
    """The server that py-dspinlock uses by default."""
    params = RedisParameters()
    return {"host": params.redis_host, "port": params.port, "db": params.rdb}


def contend(request):
    """Locks and releases repeatedly, each time with a new instance, and counts the outcomes."""
    outcomes = Counter()
    lock_class = class_with(request.get("options", {}))
    for _ in range(request["turns"]):
        lock = lock_class(key_of(request["key"]), sess=CONNECTION)
        try:
            lock.__enter__()
        except Exception as exc:
            outcomes[f"enter: {type(exc).__name__}"] += 1
            continue
        outcomes["grants"] += 1
        try:
            lock.__exit__(None, None, None)
        except Exception as exc:
            outcomes[f"leave: {type(exc).__name__}"] += 1
        else:
            outcomes["releases"] += 1
    return outcomes


COMMANDS = {
    command.__name__: command for command in (make, enter, leave, forget, uid, unpack, defaults, contend)
}


def serve(request):
    """Runs one request and replies."""
    CURRENT.lock = request.get("lock")
    reply = {"id": request["id"]}
    try:
        reply["ok"] = COMMANDS[request["do"]](request)
    except Exception as exc:
        reply |= {"error": type(exc).__name__, "message": str(exc)}
        if hasattr(exc, "milliseconds"):
            reply["milliseconds"] = exc.milliseconds
    emit(reply)


def main():
    """Serves until stdin is closed; waiting locks end with the process."""
    for line in sys.stdin:
        threading.Thread(target=serve, args=(json.loads(line),), daemon=True).start()


if __name__ == "__main__":
    main()
