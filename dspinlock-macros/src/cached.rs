//! The options inside `cached(…)`.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::spanned::Spanned;
use syn::{Error, Expr, Lit, Path, Result, UnOp};

use crate::args::{Argument, List, Value, new_name, unquoted};
use crate::duration::{Time, Zero, ungrouped};
use crate::errors::Errors;
use crate::names;

/// What a value in Redis can hold at the most.
const LARGEST: u64 = 512 << 20;

/// How long a copy is served where `local` stands alone.
const LOCAL: &str = "5s";

/// The options, each valid by itself.
#[derive(Default)]
pub(crate) struct Cached {
    pub(crate) refresh_ahead: Option<Time>,
    pub(crate) stale_if_error: Option<Time>,
    pub(crate) err_expire: Option<Time>,
    pub(crate) local: Option<Time>,
    pub(crate) max_value: Option<TokenStream>,
    pub(crate) schema: Option<Expr>,
    pub(crate) codec: Option<Path>,
    /// The option `if`: whether a value is kept.
    pub(crate) keep: Option<Expr>,
    /// What the companion is called.
    pub(crate) entry: Option<Ident>,
    written: Vec<Ident>,
}

impl Cached {
    /// Reads the tokens between the parentheses of `cached(…)`.
    pub(crate) fn read(&mut self, tokens: TokenStream, errors: &mut Errors) {
        for option in errors.take(syn::parse2(tokens)).map_or_else(Vec::new, |List(options)| options) {
            let taken = option.and_then(|option| self.take(option));
            errors.take(taken);
        }
    }

    /// The place where an option was written.
    pub(crate) fn written(&self, name: &str) -> Option<Span> {
        self.written.iter().find(|written| *written == name).map(Ident::span)
    }

    fn take(&mut self, Argument { name, value }: Argument) -> Result<()> {
        let text = name.to_string();
        let Some(example) = names::option_example(&text) else {
            return Err(Error::new(name.span(), names::unknown_option(&text)));
        };
        if self.written(&text).is_some() {
            return Err(Error::new(name.span(), format!("`{text}` is written twice")));
        }
        self.written.push(name.clone());
        match value {
            Value::Expr(expr) => self.take_value(&text, *expr),
            // Alone it has a length of its own.
            Value::None if text == "local" => {
                let usual = Expr::Lit(syn::ExprLit {
                    attrs: Vec::new(),
                    lit: Lit::Str(syn::LitStr::new(LOCAL, name.span())),
                });
                self.take_value(&text, usual)
            }
            Value::Broken(error) => Err(error),
            Value::None => {
                Err(Error::new(name.span(), format!("`{text}` takes a value: `cached({example})`")))
            }
            Value::List(list) => {
                let message = format!("`{text}` takes a value after `=`: `cached({example})`");
                Err(Error::new_spanned(&list, message))
            }
        }
    }

    fn take_value(&mut self, name: &str, value: Expr) -> Result<()> {
        match name {
            "refresh_ahead" => {
                let zero = Zero::Refused("nothing would be computed ahead; leave it out or write \"30s\"");
                self.refresh_ahead = Some(Time::read(name, &value, zero)?);
            }
            "stale_if_error" => {
                let zero = Zero::Refused("nothing would be kept for it; leave it out or write \"1h\"");
                self.stale_if_error = Some(Time::read(name, &value, zero)?);
            }
            "err_expire" => {
                let zero = Zero::Refused("failures are not remembered anyway; leave it out or write \"1s\"");
                self.err_expire = Some(Time::read(name, &value, zero)?);
            }
            "local" => {
                let zero = Zero::Refused("no copy would be served; leave it out or write \"5s\"");
                self.local = Some(Time::read(name, &value, zero)?);
            }
            "max_value" => self.max_value = Some(size(&value)?),
            "schema" => self.schema = Some(schema(value)?),
            "codec" => self.codec = Some(codec(&value)?),
            "if" => self.keep = Some(unquoted(name, "|value| …", value)?),
            _ => self.entry = Some(entry(&value)?),
        }
        Ok(())
    }
}

/// A number of bytes: text with a unit, or an expression.
fn size(value: &Expr) -> Result<TokenStream> {
    match ungrouped(value) {
        Expr::Lit(literal) => match &literal.lit {
            Lit::Str(text) => {
                let bytes = bytes(&text.value()).map_err(|message| Error::new(text.span(), message))?;
                // Not above 512 MiB.
                let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
                let generated = Span::mixed_site().located_at(text.span());
                Ok(quote_spanned!(generated=> #bytes))
            }
            Lit::Int(number) => {
                let number = number.base10_digits();
                let message = format!(
                    "`max_value = {number}` has no unit; write \"{number}B\", \"{number}KiB\" or \"{number}MiB\""
                );
                Err(Error::new_spanned(value, message))
            }
            _ => Err(Error::new_spanned(value, NOT_A_SIZE)),
        },
        Expr::Unary(unary) if matches!(unary.op, UnOp::Neg(_)) => Err(Error::new_spanned(value, NOT_A_SIZE)),
        _ => Ok(value.to_token_stream()),
    }
}

const NOT_A_SIZE: &str =
    "`max_value` is a number of bytes: write a text like \"1MiB\", or an expression of type `usize`";

fn bytes(text: &str) -> std::result::Result<u64, String> {
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
        "" if !number.is_empty() => {
            return Err(format!(
                "`max_value = \"{text}\"` has no unit; write \"{number}B\", \"{number}KiB\" or \"{number}MiB\""
            ));
        }
        _ => {
            return Err(format!(
                "\"{text}\" is not a number of bytes: write a whole number and one of B, KiB, MiB, GiB, kB, MB and GB"
            ));
        }
    };
    let number: u64 = number.parse().map_err(|_| format!("\"{text}\" is not a number of bytes"))?;
    match number.checked_mul(scale) {
        Some(0) => Err("`max_value` is zero: nothing could be stored".to_owned()),
        Some(bytes) if bytes <= LARGEST => Ok(bytes),
        _ => Err(format!("`max_value = \"{text}\"` is above 512MiB, the most that Redis stores at a key")),
    }
}

fn schema(value: Expr) -> Result<Expr> {
    let example = "`schema` is a text that changes with the form of the value: `schema = \"usage-2\"`";
    match ungrouped(&value) {
        Expr::Lit(literal) => match &literal.lit {
            Lit::Str(text) if !text.value().is_empty() => Ok(value),
            _ => Err(Error::new_spanned(&value, example)),
        },
        _ => Ok(value),
    }
}

fn codec(value: &Expr) -> Result<Path> {
    match ungrouped(value) {
        Expr::Path(path) if path.qself.is_none() => Ok(path.path.clone()),
        _ => {
            let message =
                "`codec` names a type that implements `Codec`, without quotes: `codec = dspinlock::Json`";
            Err(Error::new_spanned(value, message))
        }
    }
}

fn entry(value: &Expr) -> Result<Ident> {
    let message = "`entry` names a new function, without quotes: `entry = usage_entry`";
    new_name(value).ok_or_else(|| Error::new(value.span(), message))
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn sizes() {
        assert_eq!(bytes("1MiB"), Ok(1 << 20));
        assert_eq!(bytes(" 64 kB "), Ok(64_000));
        assert_eq!(bytes("512MiB"), Ok(512 << 20));
        for (text, why) in [
            ("1024", "has no unit"),
            ("1mb", "is not a number of bytes"),
            ("1.5MiB", "is not a number of bytes"),
            ("", "is not a number of bytes"),
            ("0B", "is zero"),
            ("1GiB", "above 512MiB"),
            ("99999999999999999999B", "is not a number of bytes"),
            ("9999999999GiB", "above 512MiB"),
        ] {
            let refused = bytes(text).unwrap_err();
            assert!(refused.contains(why), "{text}: {refused}");
        }
    }
}
