//! One caller holds and others wait: the time of a hand-over, and the costs of waiting and of a crash.

use super::count;
use crate::Fallible;
use crate::child::Worker;
use crate::contestants::{Contestant, Door, Engine};
use crate::measure::{Sample, Spread, Standing, in_turns};
use crate::options::Options;
use crate::place::Place;
use std::cell::Cell;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long the holder of a hand-over holds.
const HOLDING: Duration = Duration::from_millis(200);

fn tasks(engine: Engine) -> Contestant {
    Contestant::new(engine, Door::Async)
}

fn threads(engine: Engine) -> Contestant {
    Contestant::new(engine, Door::Blocking)
}

/// A quick run leaves out those that poll as rarely as by default, which are slow.
fn with_defaults(options: &Options, mut contestants: Vec<Contestant>, slow: [Engine; 4]) -> Vec<Contestant> {
    if !options.quick {
        let door = |engine| if engine == Engine::Rslock { tasks(engine) } else { threads(engine) };
        contestants.extend(slow.map(door));
    }
    contestants
}

pub(super) fn handover(options: &Options, place: &Place) -> Vec<Standing> {
    let fast = vec![
        threads(Engine::Bare),
        tasks(Engine::Dspinlock),
        threads(Engine::Dspinlock).called("threads"),
        tasks(Engine::Dspinlock).fast(),
        tasks(Engine::Rslock).fast(),
        threads(Engine::Redlock).fast(),
        threads(Engine::RedisPy).fast(),
        threads(Engine::PythonRedisLock),
        threads(Engine::PyDspinlock).fast(),
    ];
    let slow = [Engine::Rslock, Engine::Redlock, Engine::RedisPy, Engine::PyDspinlock];
    let contestants = with_defaults(options, fast, slow);
    let prepare = |contestant: &Contestant| -> Fallible<(Worker, Worker)> {
        let role = if contestant.is_base() { "pause" } else { "turns" };
        let start = || Worker::start(contestant, role, &place.url(), &[]);
        Ok((start()?, start()?))
    };
    let each = if options.quick { 1 } else { 10 };
    in_turns(options, false, &contestants, prepare, |contestant, (holder, waiter)| {
        let one = |_| {
            if contestant.is_base() {
                return Ok(holder.ask(&HOLDING.as_millis().to_string())?["took"]);
            }
            holder.ask("take")?;
            waiter.tell("turn")?;
            sleep(HOLDING);
            let given = holder.ask("give")?["at"];
            Ok(waiter.hear("done")?["first"] - given)
        };
        let before = place.commands(contestant.engine);
        let latencies: Vec<f64> = (0..each).map(one).collect::<Fallible<_>>()?;
        let commands = count(place.commands(contestant.engine) - before) / f64::from(each);
        Ok(Sample::new(Spread::of(latencies).median).with("commands", commands))
    })
}

/// How long 100 callers may take their turns. A contestant that takes longer has this figure.
const DRAINING: Duration = Duration::from_millis(1_500);

pub(super) fn idle(options: &Options, place: &Place) -> Vec<Standing> {
    let fast = vec![
        tasks(Engine::Bare),
        tasks(Engine::Dspinlock),
        threads(Engine::Dspinlock).called("threads"),
        tasks(Engine::Rslock),
    ];
    let more = [Engine::RedisPy, Engine::PythonRedisLock, Engine::Redlock, Engine::PyDspinlock];
    let contestants = if options.quick { fast } else { fast.into_iter().chain(more.map(threads)).collect() };
    let (settling, window) = if options.quick { (200, 500) } else { (1_000, 5_000) };
    let turn = Cell::new(0_u32);
    in_turns(
        options,
        true,
        &contestants,
        |_| Ok(()),
        |contestant, ()| {
            turn.set(turn.get() + 1);
            let start = |callers: u64| {
                let more = [format!("callers={callers}"), format!("turn={}", turn.get())];
                Worker::start(contestant, "turns", &place.url(), &more)
            };
            let (mut holder, mut waiters) = (start(1)?, start(100)?);
            holder.ask("take")?;
            waiters.tell("turn")?;
            sleep(Duration::from_millis(settling));
            let (before, start) = (place.commands(contestant.engine), Instant::now());
            sleep(Duration::from_millis(window));
            let commands = place.commands(contestant.engine) - before;
            let seconds = start.elapsed().as_secs_f64();
            let given = holder.ask("give")?["at"];
            let drain =
                waiters.hear_within("done", DRAINING)?.map_or(f64::INFINITY, |done| done["last"] - given);
            waiters.crash()?;
            let drain = drain.min(DRAINING.as_secs_f64() * 1e6);
            Ok(Sample::new(count(commands) / seconds).with("all_done_ms", drain / 1e3))
        },
    )
}

/// How many processes wait, with one caller each, while the holder renews.
const WAITING: u32 = 10;

/// Only `dspinlock` renews by itself. The others hold for their first lease.
pub(super) fn renewals(options: &Options, place: &Place) -> Vec<Standing> {
    let contestants = [tasks(Engine::Dspinlock), threads(Engine::Dspinlock).called("threads")];
    // The holder renews three times a lease.
    let (lease, window) = if options.quick { (150, 600) } else { (300, 5_000) };
    let turn = Cell::new(0_u32);
    in_turns(
        options,
        true,
        &contestants,
        |_| Ok(()),
        |contestant, ()| {
            turn.set(turn.get() + 1);
            let more = [format!("lease={lease}"), format!("turn={}", turn.get())];
            let start = || Worker::start(contestant, "turns", &place.url(), &more);
            let mut holder = start()?;
            let mut waiters = (0..WAITING).map(|_| start()).collect::<Fallible<Vec<_>>>()?;
            holder.ask("take")?;
            let sent = || {
                let calls = place.server.command_stats();
                [contestant.engine.sent(&calls), calls.get("evalsha").copied().unwrap_or(0)]
            };
            let watched = || {
                let before = sent();
                sleep(Duration::from_millis(window));
                let after = sent();
                [0, 1].map(|kind| count(after[kind] - before[kind]))
            };
            // Alone, it sends the renewals and nothing else.
            let [renewals, _] = watched();
            waiters.iter_mut().try_for_each(|waiter| waiter.tell("turn"))?;
            sleep(HOLDING);
            let each = watched().map(|sent| (sent - renewals) / renewals.max(1.0) / f64::from(WAITING));
            holder.ask("give")?;
            waiters.iter_mut().try_for_each(|waiter| waiter.hear("done").map(drop))?;
            Ok(Sample::new(each[0]).with("looks", each[1]).with("renewals", renewals))
        },
    )
}

/// The server has other keys that expire, many of them: it announces an expiry late or not at all.
const OTHER_KEYS: &str = "for i = 1, 100000 do redis.call('SET', 'other:' .. i, 'x', 'EX', 3600) end";

pub(super) fn crash(options: &Options, place: &Place) -> Vec<Standing> {
    place.server.command(&["EVAL", OTHER_KEYS, "0"]);
    let fast = vec![
        tasks(Engine::Bare).polling(1),
        tasks(Engine::Dspinlock),
        threads(Engine::Dspinlock).called("threads"),
        tasks(Engine::Rslock).fast(),
        threads(Engine::RedisPy).fast(),
        threads(Engine::PythonRedisLock),
    ];
    // python-redis-lock leases for whole seconds.
    let fast = if options.quick { fast[..4].to_vec() } else { fast };
    let lease = [if options.quick { "lease=600" } else { "lease=2000" }.to_owned()];
    let start = |contestant: &Contestant| Worker::start(contestant, "turns", &place.url(), &lease);
    in_turns(options, true, &fast, start, |contestant, waiter| {
        let mut holder = start(contestant)?;
        let before = place.commands(contestant.engine);
        let taken = holder.ask("take")?["at"];
        waiter.tell("turn")?;
        sleep(HOLDING);
        holder.crash()?;
        let next = waiter.hear("done")?["first"];
        let commands = count(place.commands(contestant.engine) - before);
        // None has renewed so far: the lease counts from the grant.
        Ok(Sample::new((next - taken) / 1e3).with("commands", commands))
    })
}
