//! `#[dspinlock]`: reads the arguments and the function, checks them, and generates the function with its lock.

mod args;
mod argument;
mod checks;
mod companion;
mod conflicts;
mod duration;
mod function;
#[cfg(test)]
mod fuzz;
mod generate;
mod lowered;
mod mode;
mod qualifiers;
mod returns;
mod runtime;
mod site;
mod size;
mod spelling;
mod syntax;
#[macro_use]
mod table;
mod text_key;
mod unknown;
mod value;

use proc_macro2::TokenStream;
use quote::quote;
use syn::parse::{ParseStream, Parser};
use syn::spanned::Spanned;
use syn::{Result, ReturnType};

use self::args::Args;
use self::function::Function;
use self::generate::Generator;
use self::mode::Mode;
use self::returns::Returns;
use self::runtime::Runtime;
use self::value::Value;
use crate::errors::Errors;

/// The function with its lock, or the item as it was and the errors.
pub(crate) fn attribute(args: TokenStream, item: TokenStream) -> TokenStream {
    let original = item.clone();
    syn::parse2(item).and_then(|function| expand(args, &function)).unwrap_or_else(|error| {
        let error = error.into_compile_error();
        let is_expression = (|input: ParseStream<'_>| {
            let is_closure = function::starts_a_closure(input);
            input.parse::<TokenStream>().map(|_| is_closure)
        })
        .parse2(original.clone());
        if is_expression.unwrap_or(false) { quote!({ #error #original }) } else { quote!(#original #error) }
    })
}

/// # Errors
/// Errors in the arguments, in the function, and between the two.
fn expand(args: TokenStream, function: &Function) -> Result<TokenStream> {
    let mut errors = Errors::default();
    let args = Args::read(args, &mut errors);
    let lowered = lowered::recognise(function);
    let returns = Returns(match (&lowered, &function.sig.output) {
        (Some(lowered), _) => Some(&lowered.output),
        (None, ReturnType::Type(_, ty)) => Some(&**ty),
        (None, ReturnType::Default) => None,
    });
    let is_async = function.sig.asyncness.is_some() || lowered.is_some();

    conflicts::check(&args, returns, &mut errors);
    checks::check_shape(function, is_async, &mut errors);
    checks::check_twice(function, lowered.as_ref(), &mut errors);
    checks::check_cancel(&args, is_async, &mut errors);
    checks::check_key(&args, function, &mut errors);
    checks::check_room_for_an_error(&args, function, returns, &mut errors);
    checks::check_value(&args, function, returns, &mut errors);
    let qualifiers =
        if needs_a_name(&args, returns) { errors.take(qualifiers::of(&function.sig)) } else { None };
    errors.finish(())?;

    let library = args.get("crate").map_or_else(|| quote!(::dspinlock), |library| library.code.clone());
    let span = returns.0.map_or_else(|| function.sig.ident.span(), Spanned::span);
    let runtime = Runtime::new(&library, returns.nameable(), span, is_async);
    let generator = Generator { args: &args, runtime, qualifiers, borrows: returns.may_borrow() };
    let entry = args
        .get("entry")
        .and_then(Value::name)
        .map(|name| companion::companion(name, function, lowered.as_ref(), returns, &library, &generator));
    let body = generator.body(function, lowered.as_ref());
    let Function { attrs, vis, sig, body: original } = function;
    let body = function::same_braces(original, body);
    Ok(quote!(#(#attrs)* #vis #sig #body #entry))
}

/// Whether the runtime needs the name of the function in the fleet: for its namespace, or as the schema of its values.
fn needs_a_name(args: &Args, returns: Returns<'_>) -> bool {
    let marks_values =
        args.mode == Mode::Cached && args.get("schema").is_none() && returns.stored().is_some();
    args.get("namespace").is_none() || marks_values
}

#[cfg(test)]
mod tests {
    use proc_macro2::TokenStream;
    use quote::quote;

    use super::attribute;

    /// What an editor sees while somebody types: the tokens of the user, in their order.
    fn contains(expansion: &TokenStream, tokens: &TokenStream) -> bool {
        expansion.to_string().contains(&tokens.to_string())
    }

    #[test]
    fn a_half_typed_body_is_still_there() {
        let body = quote!({ let usage = self.load(id) . ; usage. });
        let item = quote!(async fn usage(&self, id: u64) -> Result<u64, Error> #body);
        for args in [quote!(key = id), quote!(key = id, once), quote!(key = id, cached(local, entry = e))] {
            let expansion = attribute(args, item.clone());
            assert!(contains(&expansion, &body) && !contains(&expansion, &quote!(compile_error)));
        }
    }

    #[test]
    fn an_item_is_still_there_if_the_attribute_is_wrong() {
        let items = [
            quote!(pub fn usage(id: u64) -> Result<u64, Error> { id. }),
            quote!(
                pub const fn usage() -> Result<u64, Error> {
                    Ok(1)
                }
            ),
            quote!(
                pub struct Usage {
                    id: u64,
                }
            ),
            quote!(fn usage(&self, id: u64)),
            quote!(let usage = || 1;),
            quote!(|id| id + 1),
        ];
        for item in items {
            for args in [quote!(key = ), quote!(self.id), quote!(nothing, once, skip)] {
                let expansion = attribute(args, item.clone());
                assert!(
                    contains(&expansion, &item) && contains(&expansion, &quote!(compile_error)),
                    "{item}"
                );
            }
        }
    }
}
