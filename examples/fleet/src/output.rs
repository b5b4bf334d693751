//! What a worker says to its parent, one word a line: for the progress line only, never for the figures.

use std::io::{self, BufRead, Write};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Message {
    /// All callers wait to be let go.
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
    // A parent that no longer listens does not keep a caller from its answer.
    let _ = writeln!(io::stdout(), "{word}");
}

/// What a worker says, until it ends.
pub(crate) fn listen(output: impl BufRead) -> impl Iterator<Item = Message> {
    let lines = output.lines().map_while(Result::ok);
    lines.filter_map(|line| WORDS.iter().find(|(_, word)| *word == line).map(|(message, _)| *message))
}
