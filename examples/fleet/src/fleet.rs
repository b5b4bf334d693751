//! The worker processes, from start to end.

use std::io::{BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;
use std::{env, thread};

use indicatif::{ProgressBar, ProgressStyle};

use crate::Failure;
use crate::args::Args;
use crate::log::Log;
use crate::output::{self, Message};

/// How the workers ended, by their numbers.
pub(crate) struct Ended {
    pub(crate) failed: Vec<usize>,
    /// The one that was killed while it computed.
    pub(crate) killed: Option<usize>,
}

/// Workers that run; dropping it ends those that still do.
pub(crate) struct Fleet {
    workers: Vec<Child>,
    /// The directory of the log.
    out: PathBuf,
    /// The messages of each worker; `None` when it has ended.
    messages: Receiver<(usize, Option<Message>)>,
}

impl Fleet {
    /// Starts the workers, and returns when all their callers are ready.
    pub(crate) fn start(
        args: &Args,
        processes: usize,
        callers: usize,
        out: &Path,
        url: &str,
    ) -> Result<Self, Failure> {
        let (sender, messages) = channel();
        let mut fleet = Self { workers: Vec::with_capacity(processes), out: out.to_owned(), messages };
        for number in 0..processes {
            let mut worker = Command::new(env::current_exe()?)
                .args(args.of_worker(number, callers, out))
                .env("DSPINLOCK_URL", url)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()?;
            let output = worker.stdout.take().ok_or("a worker has no output")?;
            fleet.workers.push(worker);
            let sender = sender.clone();
            thread::spawn(move || {
                for message in output::listen(BufReader::new(output)) {
                    // The receiver is dropped only when the fleet ends.
                    let _ = sender.send((number, Some(message)));
                }
                let _ = sender.send((number, None));
            });
        }
        let mut ready = 0;
        while ready < processes {
            match fleet.messages.recv()? {
                (_, Some(Message::Ready)) => ready += 1,
                (_, Some(_)) => {}
                (number, None) => return Err(format!("process {number} ended before the start").into()),
            }
        }
        Ok(fleet)
    }

    /// Lets all callers go.
    pub(crate) fn go(&mut self) -> Result<(), Failure> {
        for worker in &mut self.workers {
            worker.stdin.as_mut().ok_or("a worker has no input")?.write_all(b"go\n")?;
        }
        Ok(())
    }

    /// Shows the progress until all workers have ended, and kills the first that computes if it is told to.
    pub(crate) fn finish(mut self, callers: usize, kill_leader: bool) -> Result<Ended, Failure> {
        let bar = ProgressBar::new(callers as u64).with_style(ProgressStyle::with_template(
            "{spinner} {elapsed:>4} [{bar:40}] {pos} of {len} callers have their answer, {msg}",
        )?);
        bar.set_message("none has computed yet");
        bar.enable_steady_tick(Duration::from_millis(100));
        let (mut computations, mut killed) = (0, None);
        let mut running = self.workers.len();
        while running > 0 {
            match self.messages.recv()? {
                (_, Some(Message::Done)) => bar.inc(1),
                (number, Some(Message::Computing)) => {
                    computations += 1;
                    if kill_leader && killed.is_none() {
                        self.workers[number].kill()?;
                        killed = Some(number);
                    }
                    bar.set_message(format!("{computations} computed (the last in process {number})"));
                }
                (_, Some(Message::Ready)) => {}
                (number, None) => {
                    // One that was killed could not write that its computations are over.
                    Log::open(&self.out, number)?.note_end_of(self.workers[number].id())?;
                    running -= 1;
                }
            }
        }
        bar.finish_and_clear();
        let mut failed = Vec::new();
        for (number, worker) in self.workers.iter_mut().enumerate() {
            if !worker.wait()?.success() && killed != Some(number) {
                failed.push(number);
            }
        }
        Ok(Ended { failed, killed })
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        for worker in &mut self.workers {
            // One that has ended and was waited for is left alone by `kill`.
            let _ = worker.kill();
            let _ = worker.wait();
        }
    }
}
