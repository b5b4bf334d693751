//! The words that a worker writes to its parent, one on each line: for the progress only, not for the figures.

use std::io::{self, BufRead, Write};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Message {
    /// All callers are ready to start.
    Ready,
    /// A caller has begun to compute.
    Computing,
    /// A caller has its answer.
    Done,
}

const WORDS: [(Message, &str); 3] =
    [(Message::Ready, "ready"), (Message::Computing, "computing"), (Message::Done, "done")];

/// Says it to the parent.
pub(crate) fn tell(message: Message) {
    let word = WORDS.iter().find(|(known, _)| *known == message).map_or("", |(_, word)| word);
    // A parent that no longer reads must not stop a caller.
    let _ = writeln!(io::stdout(), "{word}");
}

/// The messages of a worker until it ends.
pub(crate) fn listen(output: impl BufRead) -> impl Iterator<Item = Message> {
    let lines = output.lines().map_while(Result::ok);
    lines.filter_map(|line| WORDS.iter().find(|(_, word)| *word == line).map(|(message, _)| *message))
}
