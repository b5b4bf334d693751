//! One process of the fleet: blocking and async callers, all started at the same moment.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use tokio::runtime::{Builder, Handle};
use tokio::sync::watch::{self, Receiver};

use crate::Failure;
use crate::args::Args;
use crate::log::{Event, Log};
use crate::output::{self, Message};
use crate::report::Request;
use crate::run;

/// Runs the callers of worker `number`: says `ready`, waits for a line from the parent, and returns when all callers
/// have their answers.
pub(crate) fn work(args: &Args, number: usize) -> Result<(), Failure> {
    let out: PathBuf = args.out.clone().ok_or("a worker needs --out")?;
    let log = Arc::new(Log::open(&out, number)?);
    let runtime = Builder::new_multi_thread().enable_all().build()?;
    let (open, gate) = watch::channel(false);
    let request = |caller| Request {
        root: args.path.clone(),
        to: run::report(&out),
        run: args.run.clone(),
        mode: args.mode,
        kill_leader: args.kill_leader,
        out: out.clone(),
        caller,
        log: Arc::clone(&log),
    };

    let tasks = args.callers / 2;
    let tasks: Vec<_> =
        (0..tasks).map(|caller| runtime.spawn(call_from_task(request(caller), gate.clone()))).collect();
    let threads: Vec<_> = (tasks.len()..args.callers)
        .map(|caller| {
            let (request, gate, handle) = (request(caller), gate.clone(), runtime.handle().clone());
            thread::Builder::new().spawn(move || call_from_thread(&request, gate, &handle))
        })
        .collect::<io::Result<_>>()?;

    // The client comes from `DSPINLOCK_URL`, which the parent has set. Connecting does not count as waiting.
    dspinlock::current_client()?.ping_blocking()?;
    output::tell(Message::Ready);
    if io::stdin().read_line(&mut String::new())? == 0 {
        return Err("the parent has gone".into());
    }
    open.send(true)?;
    for task in tasks {
        runtime.block_on(task)??;
    }
    for thread in threads {
        thread.join().map_err(|_| "a caller panicked")??;
    }
    Ok(())
}

async fn call_from_task(request: Request, mut gate: Receiver<bool>) -> Result<(), Failure> {
    gate.wait_for(|open| *open).await?;
    request.log.note(request.caller, Event::Call)?;
    let answer = request.ask().await;
    note_answer(&request, answer)
}

fn call_from_thread(request: &Request, mut gate: Receiver<bool>, runtime: &Handle) -> Result<(), Failure> {
    runtime.block_on(gate.wait_for(|open| *open))?;
    request.log.note(request.caller, Event::Call)?;
    let answer = request.ask_blocking();
    note_answer(request, answer)
}

/// An error of one caller goes into the log like any other answer. The returned error is one of the log itself.
fn note_answer(request: &Request, answer: Result<String, Failure>) -> Result<(), Failure> {
    let event = answer.map_or_else(|error| Event::Error(error.to_string()), Event::Return);
    request.log.note(request.caller, event)?;
    output::tell(Message::Done);
    Ok(())
}
