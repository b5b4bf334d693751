//! Durations: text with a unit, which is read while compiling, or any expression of type `Duration`.

use std::time::Duration;

use humantime::DurationError;
use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::{Error, Expr, Lit, LitStr, Result};

use super::argument::{Argument, Zero};
use super::spelling::{is_negative, literal};

/// A longer duration is more likely a mistake in the unit.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The server counts in milliseconds.
const SHORTEST: Duration = Duration::from_millis(1);

/// The code for the duration, and the duration if it is text.
pub(crate) fn read(argument: &Argument, zero: Zero, expr: &Expr) -> Result<(TokenStream, Option<Duration>)> {
    let name = argument.name;
    match literal(expr) {
        Some(Lit::Str(text)) => {
            let duration = from_text(argument, zero, text)?;
            let (seconds, nanoseconds) = (duration.as_secs(), duration.subsec_nanos());
            let generated = Span::mixed_site().located_at(text.span());
            let code = quote_spanned!(generated=> ::core::time::Duration::new(#seconds, #nanoseconds));
            Ok((code, Some(duration)))
        }
        Some(Lit::Int(number)) => Err(no_unit(argument, number.base10_digits(), number.span(), zero)),
        Some(Lit::Float(number)) => Err(no_unit(argument, number.base10_digits(), number.span(), zero)),
        Some(other) => {
            let message = format!(
                "`{name}` is a duration: write text such as {}, or an expression of type `Duration`",
                argument.value
            );
            Err(Error::new(other.span(), message))
        }
        None if is_negative(expr) => {
            let message = format!("`{name}` is a duration and cannot be negative: write {}", argument.value);
            Err(Error::new_spanned(expr, message))
        }
        None => Ok((expr.to_token_stream(), None)),
    }
}

fn from_text(argument: &Argument, zero: Zero, literal: &LitStr) -> Result<Duration> {
    let (name, text, span) = (argument.name, literal.value(), literal.span());
    let refuse = |message: String| Err(Error::new(span, message));
    let trimmed = text.trim();
    if !trimmed.is_empty() && trimmed.chars().all(|c| c.is_ascii_digit() || c == '.') && trimmed != "0" {
        return Err(no_unit(argument, trimmed, span, zero));
    }
    if trimmed.split(|c: char| !c.is_ascii_alphabetic()).any(|unit| unit == "M") {
        return refuse(format!("the \"M\" of \"{text}\" is a month: write \"m\" for minutes, or \"months\""));
    }
    let duration = match humantime::parse_duration(trimmed) {
        Ok(duration) => duration,
        Err(error) => {
            let cause = match error {
                DurationError::UnknownUnit { unit, .. } if !unit.is_empty() => {
                    format!("unknown unit \"{unit}\"")
                }
                other => other.to_string(),
            };
            return refuse(format!(
                "\"{text}\" is not a duration ({cause}): write text such as \"100ms\", \"5s\" or \"1h 30m\""
            ));
        }
    };
    match zero {
        Zero::Refused(why) if duration.is_zero() => Err(is_zero(argument, why, span)),
        Zero::Refused(_) if duration < SHORTEST => {
            refuse(format!("`{name}` is shorter than a millisecond: write at least \"1ms\""))
        }
        _ if duration > LONGEST => {
            refuse(format!("`{name}` is longer than 365 days: write at most \"365d\""))
        }
        _ => Ok(duration),
    }
}

fn is_zero(argument: &Argument, why: &str, span: Span) -> Error {
    Error::new(span, format!("`{}` is zero, so {why}: write {}", argument.name, argument.value))
}

fn no_unit(argument: &Argument, number: &str, span: Span, zero: Zero) -> Error {
    if let Zero::Refused(why) = zero
        && number.chars().all(|c| c == '0' || c == '.')
    {
        return is_zero(argument, why, span);
    }
    // A whole number for `sleep` most likely means milliseconds. A fraction, as in py-dspinlock, means seconds.
    let unit = if argument.value.ends_with("ms\"") && !number.contains('.') { "ms" } else { "s" };
    Error::new(span, format!("`{} = {number}` has no unit: write \"{number}{unit}\"", argument.name))
}
