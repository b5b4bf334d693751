//! One caller holds and others wait: the time of a hand-over, and the costs of waiting and of a crash.

use crate::Fallible;
use crate::child::Worker;
use crate::contestants::{Contestant, Engine};
use crate::measure::{Sample, Spread, Standing, in_turns};
use crate::options::Options;
use crate::place::Place;
use std::cell::Cell;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long the holder of a hand-over holds.
const HOLDING: Duration = Duration::from_millis(200);

/// A quick run leaves out those that poll as rarely as by default, which are slow.
fn with_defaults(options: &Options, mut contestants: Vec<Contestant>, slow: [Engine; 4]) -> Vec<Contestant> {
    if !options.quick {
        contestants.extend(slow.map(|engine| {
            if engine == Engine::Rslock { Contestant::task(engine) } else { Contestant::thread(engine) }
        }));
    }
    contestants
}

/// The yardstick is one round trip after the same idling.
pub(super) fn handover(options: &Options, place: &Place) -> Vec<Standing> {
    let trip = Contestant::thread(Engine::Plain).named("round-trip");
    let fast = vec![
        trip.clone(),
        Contestant::task(Engine::Dspinlock),
        Contestant::thread(Engine::Dspinlock).called("threads"),
        Contestant::task(Engine::Plain).fast().aside(),
        Contestant::task(Engine::Rslock).fast(),
        Contestant::thread(Engine::Redlock).fast(),
        Contestant::thread(Engine::RedisPy).fast(),
        Contestant::thread(Engine::PythonRedisLock),
        Contestant::thread(Engine::PyDspinlock).fast(),
    ];
    let slow = [Engine::Rslock, Engine::Redlock, Engine::RedisPy, Engine::PyDspinlock];
    let contestants = with_defaults(options, fast, slow);
    let is_trip = |contestant: &Contestant| contestant.name == trip.name;
    let prepare = |contestant: &Contestant| -> Fallible<(Worker, Worker)> {
        let role = if is_trip(contestant) { "pause" } else { "turns" };
        let start = || Worker::start(contestant, role, &place.url(), &[]);
        Ok((start()?, start()?))
    };
    let each = if options.quick { 2 } else { 8 };
    in_turns(options, false, &contestants, prepare, |contestant, (holder, waiter)| {
        // The time of the hand-over, and of the release by itself.
        let one = |_| -> Fallible<(f64, f64)> {
            if is_trip(contestant) {
                let took = holder.ask(&HOLDING.as_millis().to_string())?["took"];
                return Ok((took, took));
            }
            holder.ask("take")?;
            waiter.tell("turn")?;
            sleep(HOLDING);
            let given = holder.ask("give")?;
            Ok((waiter.hear("done")?["first"] - given["at"], given["took"]))
        };
        let before = place.work();
        let (latencies, releases): (Vec<f64>, Vec<f64>) =
            (0..each).map(one).collect::<Fallible<Vec<_>>>()?.into_iter().unzip();
        let commands = place.since(&before, contestant.engine).commands / f64::from(each);
        Ok(Sample::new(Spread::of(latencies).median)
            .with("commands", commands)
            .with("release_us", Spread::of(releases).median))
    })
}

/// How long 100 callers may take their turns. A contestant that takes longer has this figure.
const DRAINING: Duration = Duration::from_millis(1_500);

pub(super) fn idle(options: &Options, place: &Place) -> Vec<Standing> {
    let fast = vec![
        Contestant::task(Engine::Plain),
        Contestant::task(Engine::Dspinlock),
        Contestant::thread(Engine::Dspinlock).called("threads"),
        Contestant::task(Engine::Rslock),
    ];
    let more = [Engine::RedisPy, Engine::PythonRedisLock, Engine::Redlock, Engine::PyDspinlock];
    let contestants =
        if options.quick { fast } else { fast.into_iter().chain(more.map(Contestant::thread)).collect() };
    let (settling, window) = if options.quick { (200, 500) } else { (500, 2_000) };
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
            let (before, start) = (place.work(), Instant::now());
            sleep(Duration::from_millis(window));
            let commands = place.since(&before, contestant.engine).commands;
            let seconds = start.elapsed().as_secs_f64();
            let given = holder.ask("give")?["at"];
            let drain =
                waiters.hear_within("done", DRAINING)?.map_or(f64::INFINITY, |done| done["last"] - given);
            waiters.crash()?;
            let drain = drain.min(DRAINING.as_secs_f64() * 1e6);
            Ok(Sample::new(commands / seconds).with("all_done_ms", drain / 1e3))
        },
    )
}

/// How many processes wait, with one caller each, while the holder renews.
const WAITING: u32 = 10;

/// Only `dspinlock` renews by itself. The others hold for their first lease.
pub(super) fn renewals(options: &Options, place: &Place) -> Vec<Standing> {
    let contestants =
        [Contestant::task(Engine::Dspinlock), Contestant::thread(Engine::Dspinlock).called("threads")];
    // The holder renews three times a lease.
    let (lease, window) = if options.quick { (150, 600) } else { (300, 3_000) };
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
            let watched = || {
                let before = place.work();
                sleep(Duration::from_millis(window));
                let served = place.since(&before, contestant.engine);
                [served.commands, served.scripts]
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
        Contestant::task(Engine::Plain).polling(1),
        Contestant::task(Engine::Dspinlock),
        Contestant::thread(Engine::Dspinlock).called("threads"),
        Contestant::task(Engine::Rslock).fast(),
        Contestant::thread(Engine::RedisPy).fast(),
        Contestant::thread(Engine::PythonRedisLock),
    ];
    // python-redis-lock leases for whole seconds.
    let fast = if options.quick { fast[..4].to_vec() } else { fast };
    let lease_ms = if options.quick { 600 } else { 2_000 };
    let lease = [format!("lease={lease_ms}")];
    let start = |contestant: &Contestant| Worker::start(contestant, "turns", &place.url(), &lease);
    in_turns(options, true, &fast, start, |contestant, waiter| {
        let mut holder = start(contestant)?;
        let before = place.work();
        let taken = holder.ask("take")?["at"];
        waiter.tell("turn")?;
        sleep(HOLDING);
        holder.crash()?;
        let next = waiter.hear("done")?["first"];
        let commands = place.since(&before, contestant.engine).commands;
        // None has renewed so far: the lease counts from the grant.
        let took = (next - taken) / 1e3;
        Ok(Sample::new(took).with("after_lease_ms", took - f64::from(lease_ms)).with("commands", commands))
    })
}
