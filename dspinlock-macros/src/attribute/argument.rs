//! What a row of the [table](super::table) says about an argument.

/// An argument of the attribute, or an option of `cached(…)`.
pub(crate) struct Argument {
    pub(crate) name: &'static str,
    /// A value as it is written, for messages and for the documentation.
    pub(crate) value: &'static str,
    pub(crate) kind: Kind,
    /// The text that the name alone stands for.
    pub(crate) alone: Option<&'static str>,
    pub(crate) rules: &'static [Rule],
    pub(crate) passed: Passed,
    /// Whether it determines which value a call gets, and so which local copy.
    pub(crate) identifies: bool,
}

/// The syntax of a value.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Expr,
    Duration(Zero),
    /// A whole number of at least one.
    Count,
    /// A number of bytes.
    Size,
    Namespace,
    Schema,
    /// One of these texts, each with the variant of the runtime's enum that it stands for.
    Choice(&'static str, &'static [(&'static str, &'static str)]),
    /// A closure or a path.
    Callback,
    /// The name of something new, with the words for it.
    NewName(&'static str),
    /// The path of a type, with the words for it.
    Type(&'static str),
    /// The path of a module.
    Module,
}

/// Whether a duration may be zero, and what would happen if it were.
#[derive(Clone, Copy)]
pub(crate) enum Zero {
    Allowed,
    Refused(&'static str),
}

/// What an argument needs to have an effect.
#[derive(Clone, Copy)]
pub(crate) enum Rule {
    /// A mode that waits for a held key.
    ModeThatWaits,
    /// A mode that returns without running the body or an error.
    ModeThatTurnsAway,
    /// A function that returns a value.
    Value,
    /// A function that returns a `Result`.
    Failure,
    /// The other argument is not written; with what both do.
    Without(&'static str, &'static str),
}

/// How the generated code passes the value to the runtime.
#[derive(Clone, Copy)]
pub(crate) enum Passed {
    /// `.name(value)` on the runtime's `Call`.
    Value,
    /// `.name(&value)`.
    Reference,
    /// `.name(runtime::value)`.
    Variant,
    /// Not by a setter: the code generator reads it.
    Specially,
}

/// An argument of type [`Kind::Expr`] without rules; rows name what differs.
pub(crate) const PLAIN: Argument = Argument {
    name: "",
    value: "",
    kind: Kind::Expr,
    alone: None,
    rules: &[],
    passed: Passed::Value,
    identifies: false,
};

impl Argument {
    /// The argument as it is written: `wait = "5s"`.
    pub(crate) fn example(&self) -> String {
        format!("{} = {}", self.name, self.value)
    }
}
