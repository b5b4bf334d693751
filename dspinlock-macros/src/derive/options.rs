//! The options in `#[lock_key(…)]` of types, variants and fields.

use proc_macro2::Span;
use syn::meta::ParseNestedMeta;
use syn::spanned::Spanned as _;
use syn::{Attribute, Error, LitStr, Meta, Path, Result, parse_quote};

use crate::errors::Errors;

const TYPE: &str = "a type takes `name = \"…\"`, `transparent` and `crate = path`";
const VARIANT: &str = "a variant takes `name = \"…\"`";
const FIELD: &str = "a field takes `skip` and `name = \"…\"`";

/// The options of a type.
pub(super) struct TypeOptions {
    pub(super) name: Option<LitStr>,
    pub(super) transparent: Option<Span>,
    pub(super) library: Path,
}

/// The options of a field.
pub(super) struct FieldOptions {
    pub(super) name: Option<LitStr>,
    pub(super) skip: Option<Span>,
}

impl TypeOptions {
    pub(super) fn read(attributes: &[Attribute], errors: &mut Errors) -> Self {
        let (mut name, mut transparent, mut library) = (None, None, None);
        each(attributes, TYPE, errors, |option| {
            if option.path.is_ident("name") {
                once(&mut name, &option, read_name)
            } else if option.path.is_ident("transparent") {
                once(&mut transparent, &option, |option| Ok(option.path.span()))
            } else if option.path.is_ident("crate") {
                once(&mut library, &option, read_library)
            } else {
                Err(unknown(&option, TYPE))
            }
        });
        Self { name, transparent, library: library.unwrap_or_else(|| parse_quote!(::dspinlock)) }
    }
}

impl FieldOptions {
    pub(super) fn read(attributes: &[Attribute], errors: &mut Errors) -> Self {
        let (mut name, mut skip) = (None, None);
        each(attributes, FIELD, errors, |option| {
            if option.path.is_ident("name") {
                once(&mut name, &option, read_name)
            } else if option.path.is_ident("skip") {
                once(&mut skip, &option, |option| Ok(option.path.span()))
            } else {
                Err(unknown(&option, FIELD))
            }
        });
        Self { name, skip }
    }
}

/// The option `name` of a variant.
pub(super) fn variant_name(attributes: &[Attribute], errors: &mut Errors) -> Option<LitStr> {
    let mut name = None;
    each(attributes, VARIANT, errors, |option| {
        if option.path.is_ident("name") {
            once(&mut name, &option, read_name)
        } else {
            Err(unknown(&option, VARIANT))
        }
    });
    name
}

/// Calls `read` with each option of each `#[lock_key(…)]`.
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
            errors.push(Error::new_spanned(attribute, format!("`#[lock_key(…)]` needs an option: {valid}")));
        }
    }
}

fn once<T>(
    slot: &mut Option<T>,
    option: &ParseNestedMeta<'_>,
    read: impl FnOnce(&ParseNestedMeta<'_>) -> Result<T>,
) -> Result<()> {
    let value = read(option)?;
    if slot.replace(value).is_some() {
        let name = quote::ToTokens::to_token_stream(&option.path);
        return Err(option.error(format!("`{name}` is written twice: remove one of them")));
    }
    Ok(())
}

fn unknown(option: &ParseNestedMeta<'_>, valid: &str) -> Error {
    let name = quote::ToTokens::to_token_stream(&option.path);
    Error::new(option.path.span(), format!("unknown option `{name}`: {valid}"))
}

fn read_name(option: &ParseNestedMeta<'_>) -> Result<LitStr> {
    let value = option.value()?;
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

fn read_library(option: &ParseNestedMeta<'_>) -> Result<Path> {
    let value = option.value()?;
    if value.peek(LitStr) {
        let path: LitStr = value.parse()?;
        let message = format!("write the path without quotes: `crate = {}`", path.value());
        return Err(Error::new(path.span(), message));
    }
    value.call(Path::parse_mod_style)
}
