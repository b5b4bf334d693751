//! Arguments that are valid alone, but not beside the others or on this function.

use std::time::Duration;

use syn::Error;
use syn::spanned::Spanned;

use super::args::Args;
use super::argument::Rule;
use super::mode::Mode;
use super::returns::Returns;
use crate::errors::Errors;

/// Python processes take over a key that has been held for longer, so no call may hold a bare key for longer.
const LONGEST_BARE_BLOCK: Duration = Duration::from_secs(30 * 60);

/// How long a value lives without `expire`.
const CACHED_EXPIRE: Duration = Duration::from_secs(60 * 60);
const MAX_BLOCK: Duration = Duration::from_secs(30 * 60);

pub(crate) fn check(args: &Args, returns: Returns<'_>, errors: &mut Errors) {
    check_modes(args, errors);
    for (argument, span) in args.written() {
        let refusal = argument.rules.iter().find_map(|rule| refusal(*rule, argument.name, args, returns));
        if let Some(message) = refusal {
            errors.push(Error::new(span, message));
        }
    }
    check_lease(args, errors);
    check_refresh_ahead(args, errors);
    check_bare_key(args, errors);
}

fn check_modes(args: &Args, errors: &mut Errors) {
    if let Some((first, others)) = args.modes.split_first() {
        for second in others {
            let message = format!("`{first}` and `{second}` are two modes: write one of them");
            errors.push(Error::new(second.span(), message));
        }
    }
}

/// The message about an argument that breaks a rule.
fn refusal(rule: Rule, name: &str, args: &Args, returns: Returns<'_>) -> Option<String> {
    match rule {
        Rule::Without(other, both) => {
            args.span(other).map(|_| format!("`{other}` and `{name}` both {both}: write one of them"))
        }
        Rule::ModeThatWaits => {
            let mode = args.mode.name().filter(|_| !args.mode.waits())?;
            Some(format!("`{mode}` never waits for a held key, so `{name}` has no effect: remove it"))
        }
        Rule::ModeThatTurnsAway => {
            let why = match args.mode {
                Mode::Skip | Mode::Once => return None,
                Mode::Lock => "without a mode, every call runs or fails",
                Mode::FailIfKeyExists => "with `fail_if_key_exists`, a call that does not run is an error",
                Mode::Cached => "with `cached`, a call that does not run returns the stored value",
            };
            Some(format!("{why}, so `{name}` has no effect: remove it, or write the mode `skip` or `once`"))
        }
        Rule::Value => returns
            .stored()
            .is_none()
            .then(|| format!("`{name}` is about a value, and this function returns none: remove it")),
        Rule::Failure => (!returns.has_room_for_an_error())
            .then(|| format!("`{name}` is about failures, and this function returns no `Result`: remove it")),
    }
}

fn check_lease(args: &Args, errors: &mut Errors) {
    let Some(lease) = args.get("lease") else { return };
    let longest = args.get("max_block").map_or(Some(MAX_BLOCK), |longest| longest.duration);
    if lease.duration.zip(longest).is_some_and(|(lease, longest)| lease > longest) {
        let message = "`lease` is longer than `max_block` (30 min by default), the longest time that a call may hold the \
                       lock: write a shorter `lease`";
        errors.push(Error::new(lease.expr.span(), message));
    }
}

fn check_refresh_ahead(args: &Args, errors: &mut Errors) {
    let Some(ahead) = args.get("refresh_ahead") else { return };
    let expire = args.get("expire").map_or(Some(CACHED_EXPIRE), |expire| expire.duration);
    if ahead.duration.zip(expire).is_some_and(|(ahead, expire)| ahead >= expire) {
        let message = "`refresh_ahead` is not shorter than `expire` (1 h by default), so every call would refresh the \
                       value: write a shorter `refresh_ahead`";
        errors.push(Error::new(ahead.expr.span(), message));
    }
}

/// Bare keys are shared with py-dspinlock.
fn check_bare_key(args: &Args, errors: &mut Errors) {
    let Some(namespace) = args.get("namespace").filter(|namespace| namespace.text().as_deref() == Some(""))
    else {
        return;
    };
    if let Some(longest) = args.get("max_block")
        && longest.duration.is_some_and(|longest| longest > LONGEST_BARE_BLOCK)
    {
        let message = "Python takes over a bare key that has been held for 30 minutes: write at most \"30m\", or a \
                       `namespace`";
        errors.push(Error::new(longest.expr.span(), message));
    }
    if args.get("key").is_none() {
        let message =
            "an empty namespace shares its keys with every program on the server: write a `key` as well";
        errors.push(Error::new(namespace.expr.span(), message));
    }
}
