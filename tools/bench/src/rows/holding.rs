//! A process that holds many locks, and one whose locks have large values beside them.

use crate::Fallible;
use crate::child::Worker;
use crate::contestants::{Contestant, Engine};
use crate::measure::{Sample, Standing, in_turns};
use crate::options::Options;
use crate::place::Place;
use std::thread::sleep;
use std::time::Duration;

/// How many locks one process holds.
const LOCKS: u32 = 100_000;

/// The default.
const LEASE: Duration = Duration::from_secs(10);

/// A lease is renewed three times while it lasts.
const ROUNDS: f64 = 3.0;

/// The memory of a lock that is held; then what the renewals cost, for as long as a lease.
pub(super) fn many(options: &Options, place: &Place) -> Vec<Standing> {
    // rslock renews nothing: its locks end with their lease.
    let contestants = [Contestant::task(Engine::Dspinlock), Contestant::task(Engine::Rslock).aside()];
    let settings = [format!("locks={LOCKS}")];
    in_turns(
        options,
        true,
        &contestants,
        |_| Ok(()),
        |contestant, ()| {
            place.server.command(&["FLUSHALL"]);
            let mut holder = Worker::start(contestant, "held", &place.url(), &settings)?;
            let taken = holder.ask("take")?;
            let sample = Sample::new(taken["bytes"] / f64::from(LOCKS))
                .with("take_s", taken["seconds"])
                .with("refused", taken["refused"]);
            if contestant.engine != Engine::Dspinlock {
                holder.crash()?;
                return Ok(sample);
            }
            let sample = with_renewals(sample, place, contestant, &mut holder, LOCKS)?;
            holder.crash()?;
            Ok(sample)
        },
    )
}

/// Adds what the renewals of so many locks cost, for as long as a lease.
fn with_renewals(
    sample: Sample,
    place: &Place,
    contestant: &Contestant,
    holder: &mut Worker,
    locks: u32,
) -> Fallible<Sample> {
    let (before, began) = (place.work(), holder.ask("look")?);
    sleep(LEASE);
    let (served, ended) = (place.since(&before, contestant.engine), holder.ask("look")?);
    let of_a_core = |micros: f64| micros / LEASE.as_secs_f64() / 1e4;
    Ok(sample
        .with("commands_a_round", served.commands / ROUNDS)
        .with("server_cpu_%", of_a_core(served.cpu_us))
        .with("cpu_%", of_a_core(ended["cpu"] - began["cpu"]))
        .with("lost", f64::from(locks) - ended["held"]))
}

/// How many processes are connected to one server. Each is a client of its own in one process.
const CLIENTS: u32 = 1_000;

/// The memory that the server needs for each process which holds a lock, and the work of its renewals.
pub(super) fn many_clients(options: &Options, place: &Place) -> Vec<Standing> {
    let contestants = [Contestant::task(Engine::Dspinlock)];
    let settings = [format!("locks={CLIENTS}"), format!("clients={CLIENTS}")];
    in_turns(
        options,
        true,
        &contestants,
        |_| Ok(()),
        |contestant, ()| {
            place.server.command(&["FLUSHALL"]);
            let number = |section: &str, name: &str| -> Fallible<f64> {
                let info = place.server.info(section);
                Ok(info.get(name).ok_or_else(|| format!("no {name}"))?.parse()?)
            };
            let (memory, connections) =
                (number("memory", "used_memory")?, number("clients", "connected_clients")?);
            let mut holder = Worker::start(contestant, "held", &place.url(), &settings)?;
            let taken = holder.ask("take")?;
            let each = |now: f64, before: f64| (now - before) / f64::from(CLIENTS);
            // The connections for renewals are opened with the first of them.
            let renewed = with_renewals(Sample::new(0.0), place, contestant, &mut holder, CLIENTS)?;
            let sample = Sample { value: each(number("memory", "used_memory")?, memory), ..renewed }
                .with("connections", each(number("clients", "connected_clients")?, connections))
                .with("refused", taken["refused"]);
            holder.crash()?;
            Ok(sample)
        },
    )
}

/// 64 callers read values of 4 MB; one takes small locks, first alone and then beside them.
pub(super) fn beside_hits(options: &Options, place: &Place) -> Vec<Standing> {
    let contestants = [
        Contestant::task(Engine::Plain),
        Contestant::task(Engine::Dspinlock),
        Contestant::thread(Engine::Dspinlock).called("threads"),
        // Its hits take longer than the limit of 500 ms that `cached` leaves to the `redis` crate, and fail.
        Contestant::task(Engine::Rslock).called("cached").aside(),
    ];
    let settings = ["callers=64".to_owned(), "bytes=4000000".to_owned()];
    let length = if options.quick { 1_000 } else { 3_000 };
    let prepare = |contestant: &Contestant| -> Fallible<Worker> {
        Worker::start(contestant, "beside", &place.url(), &settings)
    };
    in_turns(options, true, &contestants, prepare, |_, worker| {
        let alone = worker.ask(&format!("alone {length}"))?;
        let beside = worker.ask(&format!("beside {length}"))?;
        Ok(Sample::new(beside["slowest"])
            .with("locks", beside["locks"])
            .with("refused", beside["refused"])
            .with("p99", beside["p99"])
            .with("p99_alone", alone["p99"])
            .with("slowest_alone", alone["slowest"])
            .with("times_p99_alone", beside["slowest"] / alone["p99"].max(1e-3))
            .with("hits_a_second", beside["hits"])
            .with("failed_hits", beside["failed_hits"]))
    })
}
