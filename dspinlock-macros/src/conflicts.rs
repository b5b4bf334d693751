//! Arguments that mean something alone, and nothing beside one another.

use std::time::Duration;

use proc_macro2::Span;
use syn::{Error, Expr, Lit};

use crate::args::{Args, Mode};
use crate::duration::{Time, ungrouped};
use crate::errors::Errors;

/// A Python process takes what has been held for longer, so a bare key may not be.
const LONGEST_BARE_BLOCK: Duration = Duration::from_secs(30 * 60);

/// How long a value lives where nothing else is written.
const CACHED_EXPIRE: Duration = Duration::from_secs(60 * 60);

pub(crate) fn check(args: &Args, errors: &mut Errors) {
    let mut refuse = |span: Span, message: String| errors.push(Error::new(span, message));

    let mut modes = args.modes();
    if let Some(first) = modes.next() {
        for second in modes {
            let message = format!("`{first}` and `{second}` are two modes; a function has at most one");
            refuse(second.span(), message);
        }
    }

    if let (Some(_), Some(span)) = (args.written("wait"), args.written("tries")) {
        refuse(span, "`wait` and `tries` both set how long to wait; write one of them".into());
    }

    if let Mode::Skip | Mode::Once | Mode::FailIfKeyExists = args.mode {
        let mode = mode_name(args.mode);
        for name in ["sleep", "wait", "tries"] {
            if let Some(span) = args.written(name) {
                refuse(
                    span,
                    format!("`{mode}` never waits for a key that is held, so `{name}` has no effect"),
                );
            }
        }
    }

    if let Some(span) = args.written("otherwise") {
        let why = match args.mode {
            Mode::Skip | Mode::Once => None,
            Mode::Lock => Some("without a mode every call runs or fails"),
            Mode::FailIfKeyExists => Some("with `fail_if_key_exists` a call that does not run is an error"),
            Mode::Cached => Some("with `cached` a call that does not run takes what was computed"),
        };
        if let Some(why) = why {
            refuse(span, format!("`otherwise` goes with `skip` or `once`; {why}"));
        }
    }

    if let (Some(lease), Some(longest)) = (&args.lease, &args.max_block)
        && let (Some(known), Some(at_most)) = (lease.known(), longest.known())
        && known > at_most
    {
        refuse(lease.span(), "`lease` is longer than `max_block`, the longest a lock may be held".into());
    }

    if let Some(ahead) = &args.cached.refresh_ahead
        && let (Some(known), Some(life)) =
            (ahead.known(), args.expire.as_ref().map_or(Some(CACHED_EXPIRE), Time::known))
        && known >= life
    {
        let message = "`refresh_ahead` is as long as `expire` (1 h where it is not written): every call would \
                       find the value due to be computed anew";
        refuse(ahead.span(), message.into());
    }

    if is_bare(args) {
        if let Some(longest) = &args.max_block
            && longest.known().is_some_and(|known| known > LONGEST_BARE_BLOCK)
        {
            let message = "`max_block` of a bare key is at most 30 minutes: Python takes what looks older";
            refuse(longest.span(), message.into());
        }
        if args.key.is_none()
            && let Some(span) = args.written("namespace")
        {
            refuse(span, "an empty namespace shares its keys with everybody, so it needs a `key`".into());
        }
    }
}

/// Whether the keys are shared with py-dspinlock.
fn is_bare(args: &Args) -> bool {
    let Some(Expr::Lit(literal)) = args.namespace.as_ref().map(ungrouped) else { return false };
    matches!(&literal.lit, Lit::Str(text) if text.value().is_empty())
}

/// The mode as it is written.
pub(crate) fn mode_name(mode: Mode) -> &'static str {
    match mode {
        Mode::Lock => "lock",
        Mode::Skip => "skip",
        Mode::Once => "once",
        Mode::FailIfKeyExists => "fail_if_key_exists",
        Mode::Cached => "cached",
    }
}
