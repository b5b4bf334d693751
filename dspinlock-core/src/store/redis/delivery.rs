//! A batch on its way to a server that may not know its script: a decision without I/O.

use super::link::{Batch, Received};
use super::refusal;
use redis::Arg;

/// A batch that is being sent, and what has to be sent before the server can do it.
///
/// A script is named by its digest. A server that does not know it is sent the source. One that runs no sources is asked to load it,
/// and then knows the digest. One that does not do that either needs somebody who loads the scripts by hand.
pub(super) struct Delivery<'a> {
    batch: &'a Batch,
    /// What is sent at present in place of the batch.
    instead: Option<Batch>,
    step: Step,
    /// Something of this was sent twice, since the first reply was lost.
    repeated: bool,
}

enum Step {
    ByDigest,
    BySource,
    /// Has the refusal of the source.
    Loading(Received),
    /// By its digest, and whatever comes is the end.
    Loaded,
}

impl<'a> Delivery<'a> {
    pub(super) fn of(batch: &'a Batch) -> Self {
        Self { batch, instead: None, step: Step::ByDigest, repeated: false }
    }

    /// What to send next.
    pub(super) fn batch(&self) -> &Batch {
        self.instead.as_ref().unwrap_or(self.batch)
    }

    /// Takes in the reply. `None` if there is more to send.
    pub(super) fn take(&mut self, received: Received) -> Option<Received> {
        self.repeated |= received.repeated;
        let Some(script) = self.batch.script else { return Some(received) };
        let refused = received.refusal();
        let (step, instead) = match std::mem::replace(&mut self.step, Step::Loaded) {
            Step::ByDigest if refused.is_some_and(|(code, _)| code == "NOSCRIPT") => {
                (Step::BySource, Some(by_source(self.batch, script.source)))
            }
            Step::BySource if refused.is_some_and(|(_, text)| refusal::is_of("eval", text)) => {
                (Step::Loading(received), Some(loading(self.batch, script.source)))
            }
            Step::Loading(_) if received.value.is_ok() => (Step::Loaded, None),
            // The refusal of the source has the words that its user has to act on.
            Step::Loading(unloaded) if received.value.as_ref().is_err_and(refusal::is_final) => {
                return Some(self.end(unloaded));
            }
            _ => return Some(self.end(received)),
        };
        self.step = step;
        self.instead = instead;
        None
    }

    /// A repeat is not forgotten, whatever was sent after it.
    fn end(&self, received: Received) -> Received {
        Received { repeated: self.repeated, ..received }
    }
}

/// The same batch with the source of the script in place of its digest.
fn by_source(batch: &Batch, source: &str) -> Batch {
    let mut command = redis::cmd("EVAL");
    command.arg(source);
    for argument in batch.commands[0].args_iter().skip(2) {
        if let Arg::Simple(argument) = argument {
            command.arg(argument);
        }
    }
    let commands = [command].into_iter().chain(batch.commands.iter().skip(1).cloned()).collect();
    Batch { commands, ..*batch }
}

/// Has the server keep the script, on the same way.
fn loading(batch: &Batch, source: &str) -> Batch {
    let mut command = redis::cmd("SCRIPT");
    command.arg("LOAD").arg(source);
    let lane = batch.lane;
    Batch { lane, begins: batch.begins, ..Batch::plain(command) }
}

#[cfg(test)]
mod tests {
    use super::super::link::Lane;
    use super::super::scripts::{READ, RENEW};
    use super::*;
    use redis::{Cmd, RedisResult, Value};

    fn refused(code: &'static str, text: &str) -> Received {
        let line = format!("-{code} {text}\r\n");
        Received::one(redis::parse_redis_value(line.as_bytes()).and_then(Value::extract_error))
    }

    fn unknown() -> Received {
        refused("NOSCRIPT", "No matching script. Please use EVAL.")
    }

    fn no_eval() -> Received {
        refused("NOPERM", "this user has no permissions to run the 'eval' command")
    }

    fn done() -> Received {
        Received::one(Ok(Value::Int(1)))
    }

    fn script() -> Batch {
        let mut command = READ.on(&["key"], 0);
        command.arg("argument");
        Batch { script: Some(&READ), lane: Lane::Renewals, ..Batch::plain(command) }
    }

    fn words(batch: &Batch) -> Vec<String> {
        let word = |word| match word {
            Arg::Simple(word) => String::from_utf8_lossy(word).into_owned(),
            _ => String::new(),
        };
        batch.commands.iter().flat_map(Cmd::args_iter).map(word).collect()
    }

    /// The first words of all that is sent while the server answers so, and the end.
    fn sent(batch: &Batch, answers: impl IntoIterator<Item = Received>) -> (Vec<String>, Received) {
        let (mut delivery, mut sent) = (Delivery::of(batch), Vec::new());
        for answer in answers {
            assert_eq!(delivery.batch().lane, batch.lane);
            sent.push(words(delivery.batch())[0].clone());
            if let Some(end) = delivery.take(answer) {
                return (sent, end);
            }
        }
        panic!("more is sent after {sent:?}");
    }

    fn code(value: &RedisResult<Value>) -> Option<&str> {
        value.as_ref().err().and_then(redis::RedisError::code)
    }

    #[test]
    fn a_server_that_knows_the_script_gets_its_digest() {
        let (sent, end) = sent(&script(), [done()]);
        assert_eq!(sent, ["EVALSHA"]);
        assert!(end.value.is_ok() && !end.repeated);
    }

    #[test]
    fn the_source_has_every_argument() {
        let batch = script();
        let mut delivery = Delivery::of(&batch);
        assert!(delivery.take(unknown()).is_none());
        assert_eq!(words(delivery.batch()), ["EVAL", READ.source, "1", "key", "argument"]);
        assert!(delivery.take(done()).is_some_and(|end| end.value.is_ok()));
    }

    #[test]
    fn a_server_that_runs_no_source_is_asked_to_load_it() {
        for refusal in [
            no_eval(),
            refused("ERR", "unknown command 'EVAL', with args beginning with: 'local record' "),
            refused("ERR", "unknown command `EVAL`, with args beginning with: `local record` "),
            refused("ERR", "command eval is not supported"),
        ] {
            let (sent, end) = sent(&script(), [unknown(), refusal, done(), done()]);
            assert_eq!(sent, ["EVALSHA", "EVAL", "SCRIPT", "EVALSHA"]);
            assert!(end.value.is_ok());
        }
    }

    #[test]
    fn a_server_that_loads_none_either_ends_it_with_the_refusal_of_the_source() {
        let unloaded = refused("NOPERM", "this user has no permissions to run the 'script|load' command");
        let (sent, end) = sent(&script(), [unknown(), no_eval(), unloaded]);
        assert_eq!(sent, ["EVALSHA", "EVAL", "SCRIPT"]);
        assert!(end.refusal().is_some_and(|(_, text)| refusal::is_of("eval", text)));
    }

    /// Another node behind the same address, or a server that was started again.
    #[test]
    fn what_was_loaded_and_is_not_known_is_not_loaded_for_ever() {
        let (sent, end) = sent(&script(), [unknown(), no_eval(), done(), unknown()]);
        assert_eq!(sent.len(), 4);
        assert_eq!(code(&end.value), Some("NOSCRIPT"));
    }

    /// What is refused for another reason, or passes, is the caller's to judge.
    #[test]
    fn other_refusals_end_it_at_once() {
        let busy = || refused("BUSY", "Redis is busy running a script.");
        assert_eq!(sent(&script(), [busy()]).0.len(), 1);
        assert_eq!(sent(&script(), [unknown(), busy()]).0.len(), 2);
        let (_, end) = sent(&script(), [unknown(), no_eval(), busy()]);
        assert_eq!(code(&end.value), Some("BUSY"));
        let lost = || Received::one(Err(std::io::Error::from(std::io::ErrorKind::BrokenPipe).into()));
        let (_, end) = sent(&script(), [unknown(), no_eval(), lost()]);
        assert!(end.value.is_err_and(|error| error.is_io_error()), "nobody refused to load it");
        assert_eq!(sent(&Batch::plain(redis::cmd("PING")), [unknown()]).0, ["PING"]);
    }

    #[test]
    fn a_repeat_is_not_forgotten() {
        let twice = || Received { repeated: true, ..unknown() };
        assert!(sent(&script(), [twice(), done()]).1.repeated);
        let unloaded = refused("ERR", "unknown command 'SCRIPT'");
        assert!(sent(&script(), [twice(), no_eval(), unloaded]).1.repeated);
        assert!(sent(&script(), [twice(), no_eval(), done(), done()]).1.repeated);
    }

    /// Of several scripts, of which each may be refused.
    #[test]
    fn the_first_of_several_replies_is_the_scripts() {
        let commands = vec![RENEW.on(&["a"], 0), RENEW.on(&["b"], 0)];
        let batch = Batch { commands, script: Some(&RENEW), lenient: true, ..Batch::plain(Cmd::new()) };
        let several = |first: Received| {
            let error = first.value.unwrap_err().into_server_errors().unwrap();
            Received::one(Ok(Value::Array(vec![Value::ServerError(error[0].1.clone()), Value::Int(1)])))
        };
        let (sent, end) = sent(&batch, [several(unknown()), several(no_eval()), done(), done()]);
        assert_eq!(sent, ["EVALSHA", "EVAL", "SCRIPT", "EVALSHA"]);
        assert!(end.value.is_ok());
    }
}
