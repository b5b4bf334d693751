"""The worker of the Python contestants: the same orders and answers as the one in Rust."""

import sys
import threading
import time
from urllib.parse import urlsplit

import redis


def dspinlock_maker(url, sleep, lease):
    import dspinlock

    class Lock(dspinlock.HashDSpinlock):
        # No caller gives up in a row about waiting.
        spinlock_sleep_thresh = sleep if sleep is not None else dspinlock.HashDSpinlock.spinlock_sleep_thresh
        max_spinlock_tries = int(50 / spinlock_sleep_thresh)

    def make(key):
        connection = redis.Redis.from_url(url, decode_responses=True)
        held = []

        def acquire():
            lock = Lock("dspinlock:" + key, sess=connection)
            lock.__enter__()
            held.append(lock)

        def release():
            try:
                held.pop().__exit__(None, None, None)
            except dspinlock.exceptions.InvalidMutexReleaseEncountered:
                # It raises this whenever another caller locks again first, which does no harm.
                pass

        return acquire, release

    return make


def redis_py_maker(url, sleep, lease):
    pool = redis.ConnectionPool.from_url(url)

    def make(key):
        client = redis.Redis(connection_pool=pool)
        more = {} if sleep is None else {"sleep": sleep}
        lock = client.lock("redis-py:" + key, timeout=lease, thread_local=False, **more)
        return lock.acquire, lock.release

    return make


def redis_lock_maker(url, sleep, lease):
    import redis_lock

    pool = redis.ConnectionPool.from_url(url)

    def make(key):
        client = redis.Redis(connection_pool=pool)
        held = []

        def acquire():
            lock = redis_lock.Lock(client, "redis-lock:" + key, expire=int(lease) or 1)
            lock.acquire()
            held.append(lock)

        def release():
            held.pop().release()

        return acquire, release

    return make


MAKERS = {
    "py-dspinlock": dspinlock_maker,
    "redis-py": redis_py_maker,
    "python-redis-lock": redis_lock_maker,
}


def say(word, **figures):
    print(word, *(f"{name}={value}" for name, value in figures.items()), flush=True)


def moment():
    return time.monotonic_ns() / 1e3


def threads(callers, work):
    """Runs `work(caller)` for each caller on a thread of its own; the results in order."""
    results = [None] * len(callers)

    def run(index):
        results[index] = work(callers[index])

    if len(callers) == 1:
        run(0)
        return results
    running = [threading.Thread(target=run, args=(index,), daemon=True) for index in range(len(callers))]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    if None in results:
        raise RuntimeError("a caller failed")
    return results


def spin(make, settings):
    one_key, count = settings.get("one_key") == "1", int(settings.get("callers", 1))
    key = "shared-" + settings.get("turn", "0")
    callers = [make(key if one_key else f"own-{caller}") for caller in range(count)]
    # On one key the first connects for all: the others would have to wait for their turns.
    for acquire, release in callers[:1] if one_key else callers:
        for _ in range(20):
            acquire()
            release()
    state = {}

    def go_round(caller):
        acquire, release = callers[caller]
        while not state["stop"]:
            acquire()
            state["inside"] += 1
            if one_key and state["inside"] > 1:
                state["overlaps"] += 1
            if not state["stop"]:
                state["rounds"][caller] += 1
            state["inside"] -= 1
            release()

    say("ready")
    for line in sys.stdin:
        state.update(stop=False, inside=0, overlaps=0, rounds=[0] * count)
        cpu, start = time.process_time(), time.monotonic()
        running = [threading.Thread(target=go_round, args=(caller,), daemon=True) for caller in range(count)]
        for thread in running:
            thread.start()
        time.sleep(int(line) / 1e3)
        state["stop"] = True
        took, cpu, rounds = time.monotonic() - start, time.process_time() - cpu, state["rounds"][:]
        say(
            "done", rounds=sum(rounds), seconds=took, least=min(rounds), most=max(rounds),
            overlaps=state["overlaps"], cpu_us=cpu * 1e6 / max(sum(rounds), 1),
        )
        if not one_key:
            for thread in running:
                thread.join()


def turns(make, settings):
    callers = [make("shared-" + settings.get("turn", "0")) for _ in range(int(settings.get("callers", 1)))]
    acquire, release = make("warm-up")
    acquire()
    release()

    def turn(caller):
        acquire, release = caller
        acquire()
        at = moment()
        release()
        return at

    say("ready")
    for line in sys.stdin:
        order = line.strip()
        if order == "take":
            callers[0][0]()
            say("done", at=moment())
        elif order == "give":
            at = moment()
            callers[0][1]()
            say("done", at=at, took=moment() - at)
        elif order == "turn":
            moments = threads(callers, turn)
            say("done", first=min(moments), last=max(moments))
        else:
            raise ValueError(order)


def redis_py_result(url):
    pool = redis.ConnectionPool.from_url(url)

    def result(key, computing):
        """Reads, locks, reads again."""
        client = redis.Redis(connection_pool=pool)
        if client.get("redis-py:result:" + key):
            return None
        with client.lock("redis-py:lock:" + key, timeout=60, thread_local=False):
            if client.get("redis-py:result:" + key):
                return None
            time.sleep(computing)
            at = moment()
            client.set("redis-py:result:" + key, "a result, " * 100, ex=600)
            return at

    return result


def dspinlock_result(url):
    import dspinlock

    connection = redis.Redis.from_url(url, decode_responses=True)

    class Lock(dspinlock.HashDSpinlock):
        max_spinlock_tries = 100

    def result(key, computing):
        """Skips what has been computed; there is no result to share."""
        at = None
        try:
            with Lock("dspinlock:result:" + key, sess=connection, cached_if_computed=True) as lock:
                # Only the record shows whether it has the lock or was let past it.
                if connection.get(lock.get_key()) == lock._tag + ",0":
                    time.sleep(computing)
                    at = moment()
        except dspinlock.exceptions.InvalidMutexReleaseEncountered:
            # As above.
            pass
        return at

    return result


def share(result, settings):
    callers, computing = range(int(settings["callers"])), int(settings["compute"]) / 1e3
    result("warm-up", 0)
    say("ready")
    for line in sys.stdin:
        started = moment()

        def ask(_, key=line.strip()):
            computed = result(key, computing)
            return computed, moment()

        answers = threads(callers, ask)
        computed = [at for at, _ in answers if at is not None]
        say(
            "done", started=started, computed=min(computed, default=float("inf")),
            computations=len(computed), last=max(at for _, at in answers),
        )


RESULTS = {"redis-py": redis_py_result, "py-dspinlock": dspinlock_result}


def main():
    engine, role, url, *rest = sys.argv[1:]
    settings = dict(setting.split("=", 1) for setting in rest)
    sleep = int(settings["sleep"]) / 1e3 if "sleep" in settings else None
    lease = int(settings.get("lease", 10_000)) / 1e3
    assert urlsplit(url).scheme == "redis", url
    if role == "share":
        share(RESULTS[engine](url), settings)
        return
    {"spin": spin, "turns": turns}[role](MAKERS[engine](url, sleep, lease), settings)


main()
