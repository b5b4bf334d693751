//! Sizes: text with a unit of bytes, which is read while compiling, or any expression of type `usize`.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::{Error, Expr, Lit, Result};

use super::argument::Argument;
use super::spelling::{is_negative, literal};

/// The most that Redis stores at a key.
const LARGEST: u64 = 512 << 20;

/// The code for the number of bytes.
pub(crate) fn read(argument: &Argument, expr: &Expr) -> Result<TokenStream> {
    let name = argument.name;
    let message = match literal(expr) {
        None if !is_negative(expr) => return Ok(expr.to_token_stream()),
        Some(Lit::Str(text)) => match bytes(name, &text.value()) {
            Ok(bytes) => {
                // This always fits: the largest size is below 4 GiB.
                let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
                let generated = Span::mixed_site().located_at(text.span());
                return Ok(quote_spanned!(generated=> #bytes));
            }
            Err(message) => message,
        },
        Some(Lit::Int(number)) => no_unit(name, number.base10_digits(), number.base10_digits()),
        _ => format!(
            "`{name}` is a number of bytes: write text such as {}, or an expression of type `usize`",
            argument.value
        ),
    };
    Err(Error::new_spanned(expr, message))
}

fn bytes(name: &str, text: &str) -> std::result::Result<u64, String> {
    let text = text.trim();
    let unit_at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = (&text[..unit_at], text[unit_at..].trim_start());
    let scale = match unit {
        "B" => 1,
        "kB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "" if !number.is_empty() => return Err(no_unit(name, &format!("{text:?}"), number)),
        _ => return Err(not_a_size(text)),
    };
    let number: u64 = number.parse().map_err(|_| not_a_size(text))?;
    match number.checked_mul(scale) {
        Some(0) => Err(format!("`{name}` is zero, so nothing could be stored: write at least \"1B\"")),
        Some(bytes) if bytes <= LARGEST => Ok(bytes),
        _ => Err(format!("`{name} = {text:?}` is more than Redis stores at a key: write at most \"512MiB\"")),
    }
}

fn no_unit(name: &str, value: &str, number: &str) -> String {
    format!("`{name} = {value}` has no unit: write \"{number}B\", \"{number}KiB\" or \"{number}MiB\"")
}

fn not_a_size(text: &str) -> String {
    format!(
        "{text:?} is not a number of bytes: write a whole number and one of B, KiB, MiB, GiB, kB, MB and GB"
    )
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn sizes() {
        let bytes = |text| bytes("max_value", text);
        assert_eq!(bytes("1MiB"), Ok(1 << 20));
        assert_eq!(bytes(" 64 kB "), Ok(64_000));
        assert_eq!(bytes("512MiB"), Ok(512 << 20));
        for (text, why) in [
            ("1024", "has no unit"),
            ("1mb", "is not a number of bytes"),
            ("1.5MiB", "is not a number of bytes"),
            ("", "is not a number of bytes"),
            ("0B", "is zero"),
            ("1GiB", "more than Redis stores"),
            ("99999999999999999999B", "is not a number of bytes"),
            ("9999999999GiB", "more than Redis stores"),
        ] {
            let refused = bytes(text).unwrap_err();
            assert!(refused.contains(why), "{text}: {refused}");
        }
    }
}
