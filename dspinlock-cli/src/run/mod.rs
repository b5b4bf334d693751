//! `run`: a program under a lock.

mod child;

use crate::args::{OnLost, Run as RunArgs};
use crate::exit::{Code, Failure, Result, code_of};
use crate::key::typed;
use crate::say;
use crate::server::Access;
use child::{Child, Signals};
use dspinlock::{DSpinlock, Entry, ErrorKind, Guard, Options};
use schemars::JsonSchema;
use serde::Serialize;
use std::path::Path;
use std::time::Duration;

/// The variable in which the command finds its fencing token.
const TOKEN: &str = "DSPINLOCK_FENCING_TOKEN";

/// What `run` writes to standard error with `--json`, when it is over. Standard output is the command's.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Outcome {
    #[serde(rename = "outcome")]
    pub(crate) word: Word,
    /// The name of the record.
    pub(crate) key: String,
    pub(crate) exit_code: u8,
    pub(crate) fencing_token: Option<u64>,
    /// Who holds the lock, or has done the work, where the command did not run.
    pub(crate) holder: Option<String>,
    pub(crate) held_for_ms: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Word {
    /// The command ran and succeeded.
    Succeeded,
    /// The command ran and failed, or did not start.
    Failed,
    /// Somebody else holds the lock, and `--skip` is set.
    Skipped,
    /// It was done within the time of `--once-per`.
    DoneBefore,
    /// The lock was lost while the command ran.
    Lost,
}

/// How a command ended, and what follows from that for the lock and for the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ended {
    code: u8,
    /// The lock was lost while it ran.
    lost: bool,
}

impl Ended {
    fn word(self) -> Word {
        match self {
            Self { lost: true, .. } => Word::Lost,
            Self { code: 0, .. } => Word::Succeeded,
            Self { .. } => Word::Failed,
        }
    }

    /// The exit code: the command's own, unless the lock was lost and that counts.
    fn exit_code(self, on_lost: OnLost) -> u8 {
        if self.lost && on_lost == OnLost::Kill { Code::Lost as u8 } else { self.code }
    }
}

/// The lock of the arguments.
fn lock_of(access: &Access, args: &RunArgs) -> Result<DSpinlock> {
    let wait = if args.skip { Duration::ZERO } else { args.wait.unwrap_or(Options::MAX_DURATION) };
    let bare = args.namespace.is_empty();
    let longest = if bare { Duration::from_secs(30 * 60) } else { Options::MAX_DURATION };
    let lock = (access.client.lock(typed(args.kind, &args.key)?))
        .namespace(&*args.namespace)
        .wait(wait)
        .sleep(Duration::from_secs(5))
        .lease(args.lease)
        .max_block(args.max_hold.unwrap_or(longest))
        .expire(args.once_per)
        .cached_if_computed(args.once_per.is_some())
        .function(program(args).leak());
    Ok(if args.once_per.is_some() { lock.expire_from_grant() } else { lock })
}

/// The program's name, as the record shows it behind host and process.
fn program(args: &RunArgs) -> String {
    let program = args.command.first().map(Path::new).and_then(Path::file_name);
    program.map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

pub(crate) fn run(access: &Access, args: &RunArgs, json: bool) -> Result<u8> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(under_lock(access, args, json))
}

async fn under_lock(access: &Access, args: &RunArgs, json: bool) -> Result<u8> {
    let lock = lock_of(access, args)?;
    let key = lock.record_key()?.to_owned();
    let mut signals = Signals::listen()?;
    let entry = tokio::select! {
        entry = lock.enter() => entry,
        signal = signals.next() => {
            // The attempt is dropped, and what it may have taken is given back before this returns.
            drop(lock);
            access.client.shutdown(Duration::from_secs(2)).await.ok();
            return Ok(signal.exit_code());
        }
    };
    let did_not_run = |word, holder: Option<&str>, code: Code, text: String| {
        if json {
            let exit_code = code as u8;
            let holder = holder.map(ToOwned::to_owned);
            report(&Outcome {
                word,
                key: key.clone(),
                exit_code,
                fencing_token: None,
                holder,
                held_for_ms: None,
            });
        } else if !args.quiet {
            eprintln!("dspinlock: {}", say::plain(&text));
        }
        Ok(code as u8)
    };
    match entry {
        Ok(Entry::Locked(guard)) => {
            let (ended, held) = hold(guard, args, signals).await?;
            let exit_code = ended.exit_code(args.on_lost);
            if json {
                let (token, held_for) = held;
                report(&Outcome {
                    word: ended.word(),
                    key,
                    exit_code,
                    fencing_token: Some(token),
                    holder: None,
                    held_for_ms: Some(crate::lock::as_millis(held_for)),
                });
            }
            Ok(exit_code)
        }
        Ok(Entry::Computed(record)) => {
            let text =
                format!("{key} was done by {} at {}; not run", record.holder(), say::moment(record.since()));
            did_not_run(Word::DoneBefore, Some(record.holder()), Code::Done, text)
        }
        Ok(_) => Err(Failure::new(Code::Unavailable, "the library gave an answer of a later version")),
        Err(error) if error.kind() == ErrorKind::Contended && args.skip => {
            let holder = error.holder().unwrap_or("somebody");
            did_not_run(
                Word::Skipped,
                error.holder(),
                Code::Done,
                format!("{key} is held by {holder}; not run"),
            )
        }
        Err(error) => Err(Failure { code: code_of(error.kind()) as u8, message: error.to_string() }),
    }
}

fn report(outcome: &Outcome) {
    // Texts and numbers.
    eprintln!("{}", serde_json::to_string(outcome).expect("it can be written as JSON"));
}

/// Runs the command while the lock is held, and gives the lock back as the command ended.
async fn hold(guard: Guard, args: &RunArgs, mut signals: Signals) -> Result<(Ended, (u64, Duration))> {
    let token = guard.fencing_token();
    let mut child = match Child::start(&args.command, &[(TOKEN, token.to_string())]) {
        Ok(child) => child,
        Err(error) => {
            give_back(guard, false, args).await;
            return Err(error);
        }
    };
    let mut lost = false;
    let status = loop {
        tokio::select! {
            // A command that has ended is not killed any more.
            biased;
            status = child.wait() => break status?,
            signal = signals.next() => child.pass_on(signal),
            () = guard.lost(), if !lost => {
                lost = true;
                let holds = guard.held_for();
                let what = format!("the lock {} was lost after {}", guard.record_key(), say::duration(holds));
                match args.on_lost {
                    OnLost::Continue => eprintln!("dspinlock: {what}; the command goes on without it"),
                    OnLost::Kill => {
                        eprintln!("dspinlock: {what}; the command is ended");
                        break child.end(args.grace).await?;
                    }
                }
            }
        }
    };
    let held_for = guard.held_for();
    // The loss may have been noticed at the same time as the end.
    lost |= !guard.is_held();
    let ended = Ended { code: child::exit_code(status), lost };
    if !lost {
        give_back(guard, ended.code == 0, args).await;
    }
    Ok((ended, (token, held_for)))
}

/// Gives the lock back. A failure is not remembered as done; without `--once-per` nothing is, and a release forgets who waited.
async fn give_back(guard: Guard, succeeded: bool, args: &RunArgs) {
    let remembered = succeeded || args.once_per.is_none();
    let given = if remembered { guard.release().await } else { guard.abandon().await };
    if let Err(error) = given {
        eprintln!("dspinlock: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_code_is_that_of_the_command_unless_a_loss_counts() {
        let ended = |code, lost| Ended { code, lost };
        assert_eq!(ended(3, false).exit_code(OnLost::Kill), 3);
        assert_eq!(ended(0, true).exit_code(OnLost::Kill), 74);
        assert_eq!(ended(3, true).exit_code(OnLost::Continue), 3);
        assert_eq!(
            [ended(0, false), ended(1, false), ended(0, true)].map(Ended::word),
            [Word::Succeeded, Word::Failed, Word::Lost]
        );
    }
}
