"""A worker in Python: its callers lock with py-dspinlock, and write the same history as the other workers.

Arguments: port, history file, process number, seed. It prints "ready", and then reads the time of the boot clock, in
microseconds, at which to end.
"""

import json
import random
import sys
import threading
import time

import redis
from dspinlock import HashDSpinlock

PORT, FILE, PROCESS, SEED = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
CALLERS = 3
# The microseconds after which all callers move to another key: after a release that raised, a key stays BLOCKED for an hour.
KEY_LIFE = 200_000
HISTORY = open(FILE, "a", encoding="utf-8")
WRITING = threading.Lock()


class Lock(HashDSpinlock):
    """Polls often, so that it competes with others."""

    max_spinlock_tries = 20
    spinlock_sleep_thresh = 0.003


def now():
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000


def write(op, key, event, **fields):
    line = json.dumps({"at": now(), "process": PROCESS, "op": op, "key": key, "event": event, **fields})
    with WRITING:
        HISTORY.write(line + "\n")
        HISTORY.flush()


def lock_once(connection, op, dice):
    key = now() // KEY_LIFE
    lock = Lock(key, sess=connection)
    write(op, key, "invoke", call="lock", budget=600_000)
    try:
        lock.__enter__()
    except Exception as error:
        write(op, key, "info", kind=type(error).__name__)
        return
    # It has no fencing token, and knows of no deadline before its hour is over.
    token = now()
    write(op, key, "ok", fence=token, deadline=now() + 3_600_000_000)
    time.sleep(dice.uniform(0.005, 0.02))
    write(op, key, "release", fence=token, how="release")
    try:
        lock.__exit__(None, None, None)
        write(op, key, "released", fence=token, kind="ok")
    except Exception as error:
        write(op, key, "released", fence=token, kind=type(error).__name__)


def call(caller):
    dice = random.Random(SEED * 1000 + caller)
    connection = redis.Redis(host="127.0.0.1", port=int(PORT), decode_responses=True)
    number = 0
    while now() < UNTIL:
        number += 1
        lock_once(connection, f"{PROCESS}-{caller * 1_000_000 + number}", dice)


print("ready", flush=True)
UNTIL = int(sys.stdin.readline())
THREADS = [threading.Thread(target=call, args=(caller,)) for caller in range(CALLERS)]
for thread in THREADS:
    thread.start()
for thread in THREADS:
    thread.join()
