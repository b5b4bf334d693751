//! The table of arguments. The parser, the checks, the messages, the documentation and the generated code all read it.
//!
//! A new argument is a row here and a setter of the same name on the runtime's `Call`, and also on its `Lookup` if the argument
//! identifies the value. Only an argument that is [passed specially](Passed::Specially) has code of its own, in
//! [`generate`](super::generate).

use super::argument::{Argument, Kind, PLAIN, Passed, Rule, Zero};

/// Defines a table, and a macro with the same rows as Markdown for the documentation of `#[dspinlock]`.
macro_rules! table {
    (
        $table:ident, $documentation:ident, $heading:literal;
        $({
            name: $name:literal, value: $value:literal, default: $default:literal,
            meaning: $meaning:literal,
            $($field:ident: $setting:expr,)*
        })*
    ) => {
        const $table: &[Argument] =
            &[$(Argument { name: $name, value: $value, $($field: $setting,)* ..PLAIN }),*];

        macro_rules! $documentation {
            () => {
                concat!(
                    "| ", $heading, " | meaning | default |\n| --- | --- | --- |\n",
                    $("| `", $name, " = ", $value, "` | ", $meaning, " | ", $default, " |\n"),*
                )
            };
        }
    };
}

table! {
    ARGUMENTS, document_arguments, "argument";
    {
        name: "key", value: "customer_id", default: "`()` for a function without arguments, otherwise required",
        meaning: "The value to lock, of any type that implements `LockKey`. It may use the arguments and `self`.",
        passed: Passed::Specially,
    }
    {
        name: "namespace", value: "\"billing\"", default: "derived from the function",
        meaning: "Keeps the keys of different functions apart, see [below](#namespaces).",
        kind: Kind::Namespace, passed: Passed::Reference, identifies: true,
    }
    {
        name: "sleep", value: "\"100ms\"", default: "500 ms",
        meaning: "How often a waiter asks the server when no wake-up arrives.",
        kind: Kind::Duration(Zero::Refused("a waiter would ask the server without a pause")),
        rules: &[Rule::ModeThatWaits],
    }
    {
        name: "wait", value: "\"5s\"", default: "5 s; with `cached`, as long as another caller computes",
        meaning: "How long a call waits for a held key. `\"0s\"` tries once.",
        kind: Kind::Duration(Zero::Allowed), rules: &[Rule::ModeThatWaits],
    }
    {
        name: "tries", value: "10", default: "set by `wait`",
        meaning: "`wait` as a number: a call waits for `tries × sleep`.",
        kind: Kind::Count, rules: &[Rule::Without("wait", "set how long to wait"), Rule::ModeThatWaits],
    }
    {
        name: "expire", value: "\"1h\"",
        default: "1 h with `once`, `fail_if_key_exists` and `cached`; otherwise a key is not computed",
        meaning: "How long a key stays computed. With `once`, the time starts with the call.",
        kind: Kind::Duration(Zero::Refused("nothing would be remembered")),
    }
    {
        name: "max_block", value: "\"30m\"", default: "30 min",
        meaning: "The longest time that a call may hold the lock.",
        kind: Kind::Duration(Zero::Refused("no call could hold the lock")),
    }
    {
        name: "lease", value: "\"10s\"", default: "10 s",
        meaning: "How long a crashed process blocks the others. The lease is renewed while a call runs.",
        kind: Kind::Duration(Zero::Refused("the lock would be gone at once")),
    }
    {
        name: "on_error", value: "AppError::locked", default: "`From<dspinlock::Error>` of the `E` in `Result<_, E>`",
        meaning: "A path or a closure, `fn(dspinlock::Error) -> Return`, that makes the return value for an error of the \
                  lock.",
        kind: Kind::Callback, passed: Passed::Specially,
    }
    {
        name: "on_lost", value: "\"cancel\"", default: "`\"error\"`; with `cached`, `\"continue\"`",
        meaning: "What happens to a call that loses its lock: `\"error\"`, `\"cancel\"` or `\"continue\"`, see \
                  [below](#lost-locks-and-outages).",
        kind: Kind::Choice("OnLost", &[("error", "Error"), ("cancel", "Cancel"), ("continue", "Continue")]),
        passed: Passed::Variant,
    }
    {
        name: "on_outage", value: "\"run_unlocked\"", default: "the setting of the client, `\"fail\"` unless changed",
        meaning: "What happens to a call while the server is unavailable: `\"fail\"` or `\"run_unlocked\"`, see \
                  [below](#lost-locks-and-outages).",
        kind: Kind::Choice("OnOutage", &[("fail", "Fail"), ("run_unlocked", "RunUnlocked")]), passed: Passed::Variant,
    }
    {
        name: "otherwise", value: "Report::empty()", default: "`()`, `None`, or `Ok` of one of them",
        meaning: "What a call returns that `skip` or `once` turned away.",
        rules: &[Rule::ModeThatTurnsAway], passed: Passed::Specially,
    }
    {
        name: "guard", value: "lock", default: "none",
        meaning: "Names a variable of the body: a `dspinlock::LockHandle`, with the fencing token and `ensure_held()`.",
        kind: Kind::NewName("the name of a new variable, without quotes"), passed: Passed::Specially,
    }
    {
        name: "client", value: "self.locks", default: "the client of `testing::scope`, otherwise the global one",
        meaning: "The `dspinlock::Client`, or a reference to one.",
        passed: Passed::Reference, identifies: true,
    }
    {
        name: "crate", value: "my_library::dspinlock", default: "`::dspinlock`",
        meaning: "The path of this library if another crate re-exports it.",
        kind: Kind::Module, passed: Passed::Specially,
    }
}

table! {
    OPTIONS, document_options, "option";
    {
        name: "refresh_ahead", value: "\"30s\"", default: "off",
        meaning: "This long before a value expires, one caller computes the next value in its own call; the others get the \
                  old one.",
        kind: Kind::Duration(Zero::Refused("no value would be refreshed")), rules: &[Rule::Value],
    }
    {
        name: "stale_if_error", value: "\"1h\"", default: "off",
        meaning: "How long past its expiry the last good value may stand in for a failure.",
        kind: Kind::Duration(Zero::Refused("no value would be kept")), rules: &[Rule::Value, Rule::Failure],
    }
    {
        name: "err_expire", value: "\"1s\"", default: "a failure goes only to the callers that wait for it",
        meaning: "How long a failure is cached for all callers.",
        kind: Kind::Duration(Zero::Refused("no failure would be cached")), rules: &[Rule::Failure],
    }
    {
        name: "local", value: "\"5s\"", default: "off",
        meaning: "How long at most this process serves a copy without asking the server. A change of the value ends the \
                  copy. `local` alone is 5 s.",
        kind: Kind::Duration(Zero::Refused("no copy would be served")), alone: Some("5s"), rules: &[Rule::Value],
    }
    {
        name: "max_value", value: "\"1MiB\"", default: "64 MiB",
        meaning: "The largest value that is stored; a larger one is returned, with a warning. Text with `B`, `KiB`, `MiB`, \
                  `GiB`, `kB`, `MB` or `GB`, or a `usize`.",
        kind: Kind::Size, rules: &[Rule::Value],
    }
    {
        name: "schema", value: "\"usage-2\"", default: "the names of the type, the function and its type parameters",
        meaning: "Names the form of the value. A stored value of another schema is a miss. Functions with the same \
                  `namespace` and `schema` share values.",
        kind: Kind::Schema, rules: &[Rule::Value], identifies: true,
    }
    {
        name: "codec", value: "dspinlock::Json", default: "`dspinlock::Json`",
        meaning: "A type that implements `dspinlock::Codec`.",
        kind: Kind::Type("a type that implements `Codec`, without quotes"),
        rules: &[Rule::Value], passed: Passed::Specially,
    }
    {
        name: "if", value: "Usage::is_complete", default: "every value is stored",
        meaning: "A path or a closure over `&T` that says whether a value is stored. It is called after the body.",
        kind: Kind::Callback, rules: &[Rule::Value], passed: Passed::Specially,
    }
    {
        name: "entry", value: "usage_entry", default: "none",
        meaning: "Makes a [companion](#companions) with this name.",
        kind: Kind::NewName("the name of a new function, without quotes"), passed: Passed::Specially,
    }
}

/// Where arguments are written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Attribute,
    Cached,
}

impl Place {
    /// The rows of all places.
    pub(crate) fn all_rows() -> impl Iterator<Item = &'static Argument> {
        ARGUMENTS.iter().chain(OPTIONS)
    }

    pub(crate) fn rows(self) -> &'static [Argument] {
        match self {
            Self::Attribute => ARGUMENTS,
            Self::Cached => OPTIONS,
        }
    }

    pub(crate) fn find(self, name: &str) -> Option<&'static Argument> {
        self.rows().iter().find(|argument| argument.name == name)
    }

    /// The argument as it is written here: `wait = "5s"` or `cached(local = "5s")`.
    pub(crate) fn example(self, argument: &Argument) -> String {
        match self {
            Self::Attribute => argument.example(),
            Self::Cached => format!("cached({})", argument.example()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::Place;
    use crate::attribute::mode::MODES;

    #[test]
    fn no_two_arguments_have_the_same_name() {
        let mut names = HashSet::from(MODES.map(|(name, _)| name));
        for argument in Place::all_rows() {
            assert!(names.insert(argument.name), "{}", argument.name);
        }
    }
}
