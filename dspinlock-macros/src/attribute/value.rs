//! The value of an argument, read as its kind says.

use std::time::Duration;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote};
use syn::{Error, Expr, Lit, Path, Result};

use super::argument::{Argument, Kind};
use super::spelling::{is_negative, literal, path, text, ungrouped};
use super::{duration, size};

/// A valid value.
pub(crate) struct Value {
    /// As it is written.
    pub(crate) expr: Expr,
    /// As the generated code has it.
    pub(crate) code: TokenStream,
    /// The duration, if it is known while compiling.
    pub(crate) duration: Option<Duration>,
}

impl Value {
    /// # Errors
    /// The value is not of the argument's kind.
    pub(crate) fn read(argument: &Argument, expr: Expr) -> Result<Self> {
        if let Kind::Duration(zero) = argument.kind {
            let (code, duration) = duration::read(argument, zero, &expr)?;
            return Ok(Self { expr, code, duration });
        }
        let code = code(argument, &expr)?;
        Ok(Self { expr, code, duration: None })
    }

    /// The text, if the value is one.
    pub(crate) fn text(&self) -> Option<String> {
        text(&self.expr)
    }

    /// The name, if the value is one.
    pub(crate) fn name(&self) -> Option<Ident> {
        new_name(&self.expr)
    }
}

fn code(argument: &Argument, expr: &Expr) -> Result<TokenStream> {
    let (is_valid, what) = match argument.kind {
        Kind::Expr | Kind::Duration(_) => (true, ""),
        Kind::Size => return size::read(argument, expr),
        Kind::Choice(ty, choices) => return choice(argument, expr, ty, choices),
        Kind::Count => (is_count(argument, expr)?, "a whole number (`wait = \"5s\"` is a time)"),
        Kind::Namespace => (is_namespace(expr)?, "text"),
        Kind::Schema => {
            let is_text = text(expr).is_some_and(|text| !text.is_empty());
            (is_text || literal(expr).is_none(), "text that changes with the form of the value")
        }
        Kind::Callback => (literal(expr).is_none(), "a path or a closure, without quotes"),
        Kind::NewName(what) => (new_name(expr).is_some(), what),
        Kind::Type(what) => (is_type(argument, expr)?, what),
        Kind::Module => (path(expr).is_some_and(is_module), "the path of the library, without quotes"),
    };
    if !is_valid {
        let message = format!("`{}` is {what}: write `{}`", argument.name, argument.example());
        return Err(Error::new_spanned(expr, message));
    }
    let is_path = matches!(argument.kind, Kind::NewName(_) | Kind::Type(_) | Kind::Module);
    Ok(if is_path { ungrouped(expr) } else { expr }.to_token_stream())
}

fn choice(argument: &Argument, expr: &Expr, ty: &str, choices: &[(&str, &str)]) -> Result<TokenStream> {
    let chosen = text(expr).and_then(|text| choices.iter().find(|(word, _)| *word == text));
    let Some((_, variant)) = chosen else {
        let words: Vec<_> = choices.iter().map(|(word, _)| format!("{word:?}")).collect();
        let message = format!("`{}` takes one of these values: {}", argument.name, words.join(", "));
        return Err(Error::new_spanned(expr, message));
    };
    let (ty, variant) = (Ident::new(ty, Span::call_site()), Ident::new(variant, Span::call_site()));
    Ok(quote!(#ty::#variant))
}

fn is_count(argument: &Argument, expr: &Expr) -> Result<bool> {
    let Some(literal) = literal(expr) else { return Ok(!is_negative(expr)) };
    let Lit::Int(number) = literal else { return Ok(false) };
    let name = argument.name;
    let message = match number.base10_parse::<u32>() {
        Ok(0) => format!("`{name}` is zero, so no call would try: write `wait = \"0s\"` for one try"),
        Ok(_) => return Ok(true),
        Err(_) => format!("`{name}` is too large: write at most {}", u32::MAX),
    };
    Err(Error::new_spanned(expr, message))
}

/// The library's own codecs need their path: without an import, the compiler would advise a type parameter of that name, and
/// other crates have a `Json`, too.
fn is_type(argument: &Argument, expr: &Expr) -> Result<bool> {
    let Some(path) = path(expr) else { return Ok(false) };
    if let Some(name) = path.get_ident().filter(|name| *name == "Json" || *name == "MessagePack") {
        let argument = argument.name;
        let message = format!(
            "`{name}` needs its path: write `{argument} = dspinlock::{name}`, or `{argument} = self::{name}` for a type of your own"
        );
        return Err(Error::new_spanned(expr, message));
    }
    Ok(true)
}

fn is_namespace(expr: &Expr) -> Result<bool> {
    let Some(literal) = literal(expr) else { return Ok(true) };
    let Lit::Str(text) = literal else { return Ok(false) };
    let Some(bad) = text.value().chars().find(|c| ['{', '}', ','].contains(c)) else { return Ok(true) };
    let message =
        format!("a namespace cannot contain `{bad}`, because keys in Redis use it as a separator: remove it");
    Err(Error::new(text.span(), message))
}

/// A name that something new can have, unlike `self` and the other keywords of paths.
fn new_name(expr: &Expr) -> Option<Ident> {
    let name = path(expr)?.get_ident()?;
    let is_taken = ["self", "Self", "super", "crate"].iter().any(|keyword| name == keyword);
    (!is_taken).then(|| name.clone())
}

/// Whether a path can stand in a `use`, where there are neither types nor their arguments.
fn is_module(path: &Path) -> bool {
    path.segments.iter().all(|segment| segment.ident != "Self" && segment.arguments.is_none())
}

#[cfg(test)]
mod tests {
    use syn::{parse_quote, parse_str};

    use super::Value;
    use crate::attribute::table::Place;

    #[test]
    fn the_examples_of_the_table_are_valid() {
        for argument in Place::all_rows() {
            let value = parse_str(argument.value).expect("an expression");
            assert!(Value::read(argument, value).is_ok(), "{}", argument.example());
        }
    }

    #[test]
    fn the_library_is_the_path_of_a_module() {
        let argument = Place::Attribute.find("crate").expect("a row");
        let read = |value| Value::read(argument, value).map(|value| value.code.to_string());
        assert_eq!(read(parse_quote!(my::dspinlock)).ok().as_deref(), Some("my :: dspinlock"));
        for refused in [parse_quote!(Self), parse_quote!(a::<u8>), parse_quote!(<A>::b), parse_quote!("a::b")]
        {
            assert!(read(refused).unwrap_err().to_string().contains("without quotes"));
        }
    }
}
