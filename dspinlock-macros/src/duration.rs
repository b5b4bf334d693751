//! Durations in the arguments: text with a unit, read while compiling, or any expression of type `Duration`.

use std::time::Duration;

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::spanned::Spanned;
use syn::{Error, Expr, Lit, UnOp};

/// Longer than this is refused: such a number is a slip of the unit, not a plan.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The server counts in milliseconds.
const SHORTEST: Duration = Duration::from_millis(1);

/// The value of one duration argument.
pub(crate) struct Time {
    expr: TokenStream,
    known: Option<Duration>,
    span: Span,
}

impl Time {
    /// Reads the value of the argument `name`; `zero` says whether a duration of zero means anything for it.
    pub(crate) fn read(name: &str, value: &Expr, zero: Zero) -> syn::Result<Self> {
        let span = value.span();
        match ungrouped(value) {
            Expr::Lit(literal) => match &literal.lit {
                Lit::Str(text) => Self::from_text(name, &text.value(), text.span(), zero),
                Lit::Int(number) => Err(no_unit(name, number.base10_digits(), number.span(), zero)),
                Lit::Float(number) => Err(no_unit(name, number.base10_digits(), number.span(), zero)),
                other => Err(Error::new(other.span(), not_a_duration(name))),
            },
            Expr::Unary(unary) if matches!(unary.op, UnOp::Neg(_)) => {
                Err(Error::new_spanned(unary, format!("`{name}` is a duration, and no duration is negative")))
            }
            _ => Ok(Self { expr: value.to_token_stream(), known: None, span }),
        }
    }

    fn from_text(name: &str, text: &str, span: Span, zero: Zero) -> syn::Result<Self> {
        let trimmed = text.trim();
        if !trimmed.is_empty() && trimmed.chars().all(|c| c.is_ascii_digit() || c == '.') && trimmed != "0" {
            return Err(no_unit(name, trimmed, span, zero));
        }
        if trimmed.split(|c: char| !c.is_ascii_alphabetic()).any(|unit| unit == "M") {
            let message =
                format!("the \"M\" of \"{text}\" is a month; write \"m\" for minutes, or \"months\"");
            return Err(Error::new(span, message));
        }
        let duration = humantime::parse_duration(trimmed).map_err(|cause| {
            let cause = match cause {
                humantime::DurationError::UnknownUnit { unit, .. } if !unit.is_empty() => {
                    format!("there is no unit \"{unit}\"")
                }
                other => other.to_string(),
            };
            let message =
                format!("\"{text}\" is not a duration: {cause}; write \"100ms\", \"5s\" or \"1h 30m\"");
            Error::new(span, message)
        })?;
        if let Zero::Refused(why) = zero
            && duration.is_zero()
        {
            return Err(is_zero(name, why, span));
        }
        if matches!(zero, Zero::Refused(_)) && duration < SHORTEST {
            let message = format!("`{name}` is shorter than a millisecond: write at least \"1ms\"");
            return Err(Error::new(span, message));
        }
        if duration > LONGEST {
            return Err(Error::new(span, format!("`{name}` is longer than 365 days")));
        }
        let (seconds, nanoseconds) = (duration.as_secs(), duration.subsec_nanos());
        let generated = Span::mixed_site().located_at(span);
        let expr = quote_spanned!(generated=> ::core::time::Duration::new(#seconds, #nanoseconds));
        Ok(Self { expr, known: Some(duration), span })
    }

    /// The duration where it is known while compiling.
    pub(crate) fn known(&self) -> Option<Duration> {
        self.known
    }

    pub(crate) fn span(&self) -> Span {
        self.span
    }
}

impl ToTokens for Time {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        self.expr.to_tokens(tokens);
    }
}

/// Whether a duration of zero is an answer or a slip.
#[derive(Clone, Copy)]
pub(crate) enum Zero {
    Allowed,
    Refused(&'static str),
}

/// The expression inside parentheses and the invisible groups that `macro_rules!` leaves around its fragments.
pub(crate) fn ungrouped(mut expr: &Expr) -> &Expr {
    loop {
        expr = match expr {
            Expr::Group(group) => &group.expr,
            Expr::Paren(paren) => &paren.expr,
            _ => return expr,
        };
    }
}

fn is_zero(name: &str, why: &str, span: Span) -> Error {
    Error::new(span, format!("`{name}` is zero: {why}"))
}

fn no_unit(name: &str, number: &str, span: Span, zero: Zero) -> Error {
    if let Zero::Refused(why) = zero
        && number.chars().all(|c| c == '0' || c == '.')
    {
        return is_zero(name, why, span);
    }
    // py-dspinlock's half seconds are fractions; whole numbers for a poll interval are nearly always milliseconds.
    let unit = if name == "sleep" && !number.contains('.') { "ms" } else { "s" };
    Error::new(span, format!("`{name} = {number}` has no unit; write \"{number}{unit}\""))
}

fn not_a_duration(name: &str) -> String {
    format!("`{name}` is a duration: write a text like \"100ms\", or an expression of type `Duration`")
}
