//! Reads `#[lock_key(…)]` of types, variants and fields.

use proc_macro2::Span;
use syn::meta::ParseNestedMeta;
use syn::spanned::Spanned as _;
use syn::{Attribute, Error, LitStr, Meta, Path, Result, parse_quote};

use crate::errors::Errors;

const TYPE: &str = "a type takes `name = \"…\"`, `transparent` and `crate = path`";
const VARIANT: &str = "a variant takes `name = \"…\"`";
const FIELD: &str = "a field takes `skip` and `name = \"…\"`";

/// The arguments on a type.
pub(super) struct OfType {
    pub(super) name: Option<LitStr>,
    pub(super) transparent: Option<Span>,
    pub(super) library: Path,
}

/// The arguments on a field.
pub(super) struct OfField {
    pub(super) name: Option<LitStr>,
    pub(super) skip: Option<Span>,
}

impl OfType {
    pub(super) fn read(attributes: &[Attribute], errors: &mut Errors) -> Self {
        let (mut name, mut transparent, mut library) = (None, None, None);
        each(attributes, TYPE, errors, |argument| {
            if argument.path.is_ident("name") {
                once(&mut name, &argument, read_name)
            } else if argument.path.is_ident("transparent") {
                once(&mut transparent, &argument, |argument| Ok(argument.path.span()))
            } else if argument.path.is_ident("crate") {
                once(&mut library, &argument, read_library)
            } else {
                Err(unknown(&argument, TYPE))
            }
        });
        Self { name, transparent, library: library.unwrap_or_else(|| parse_quote!(::dspinlock)) }
    }
}

impl OfField {
    pub(super) fn read(attributes: &[Attribute], errors: &mut Errors) -> Self {
        let (mut name, mut skip) = (None, None);
        each(attributes, FIELD, errors, |argument| {
            if argument.path.is_ident("name") {
                once(&mut name, &argument, read_name)
            } else if argument.path.is_ident("skip") {
                once(&mut skip, &argument, |argument| Ok(argument.path.span()))
            } else {
                Err(unknown(&argument, FIELD))
            }
        });
        Self { name, skip }
    }
}

/// The `name` on a variant.
pub(super) fn of_variant(attributes: &[Attribute], errors: &mut Errors) -> Option<LitStr> {
    let mut name = None;
    each(attributes, VARIANT, errors, |argument| {
        if argument.path.is_ident("name") {
            once(&mut name, &argument, read_name)
        } else {
            Err(unknown(&argument, VARIANT))
        }
    });
    name
}

/// Calls `read` with each argument of each `#[lock_key(…)]`.
fn each(
    attributes: &[Attribute],
    valid: &str,
    errors: &mut Errors,
    mut read: impl FnMut(ParseNestedMeta<'_>) -> Result<()>,
) {
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("lock_key")) {
        if let Meta::List(_) = attribute.meta {
            errors.take(attribute.parse_nested_meta(&mut read));
        } else {
            errors.push(Error::new_spanned(attribute, format!("`#[lock_key(…)]` needs arguments: {valid}")));
        }
    }
}

fn once<T>(
    slot: &mut Option<T>,
    argument: &ParseNestedMeta<'_>,
    read: impl FnOnce(&ParseNestedMeta<'_>) -> Result<T>,
) -> Result<()> {
    let value = read(argument)?;
    if slot.replace(value).is_some() {
        let name = quote::ToTokens::to_token_stream(&argument.path);
        return Err(argument.error(format!("`{name}` is written twice: remove one of them")));
    }
    Ok(())
}

fn unknown(argument: &ParseNestedMeta<'_>, valid: &str) -> Error {
    let name = quote::ToTokens::to_token_stream(&argument.path);
    Error::new(argument.path.span(), format!("unknown argument `{name}`: {valid}"))
}

fn read_name(argument: &ParseNestedMeta<'_>) -> Result<LitStr> {
    let value = argument.value()?;
    if !value.peek(LitStr) {
        return Err(value.error("a name is text: write `name = \"Report\"`"));
    }
    let name: LitStr = value.parse()?;
    if name.value().is_empty() {
        return Err(Error::new(
            name.span(),
            "the name is empty: write the one to keep, such as `name = \"Report\"`",
        ));
    }
    Ok(name)
}

fn read_library(argument: &ParseNestedMeta<'_>) -> Result<Path> {
    let value = argument.value()?;
    if value.peek(LitStr) {
        let path: LitStr = value.parse()?;
        let message = format!("write the path without quotes: `crate = {}`", path.value());
        return Err(Error::new(path.span(), message));
    }
    value.call(Path::parse_mod_style)
}
