//! The companion that `cached(entry = NAME)` puts beside a function, and what its return type has to do with the options.
//!
//! ```text
//! pub fn usage_entry(tenant: &str, day: Date) -> dspinlock::Result<dspinlock::CachedEntry<Result<Usage, AppError>>> {
//!     let call = private::Call::new(…).…;     // as in the function itself
//!     call.entry(…)
//! }
//! ```

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};
use syn::ext::IdentExt;
use syn::{Error, GenericArgument, Path, PathArguments, ReturnType, Type, parse_quote};

use crate::args::{Args, Mode};
use crate::errors::Errors;
use crate::lowered::Lowered;
use crate::signature::{self, Function};

/// The options that say something about a value, and nothing where there is none.
const OF_VALUES: [&str; 7] =
    ["refresh_ahead", "stale_if_error", "local", "max_value", "schema", "codec", "if"];

/// What the options and the return type, by its spelling, say against each other.
pub(crate) fn check_options(args: &Args, function: &Function, written: Option<&Type>, errors: &mut Errors) {
    if args.mode != Mode::Cached {
        return;
    }
    let cached = &args.cached;
    if let Some(ty) = written
        && signature::has_impl_trait(value_of(ty))
    {
        let message =
            "`cached` stores this value and reads it back, so its type needs a name: not `impl Trait`";
        errors.push(Error::new_spanned(ty, message));
    }
    if let Some(borrowed) = written.map(value_of).filter(|ty| matches!(ty, Type::Reference(_))) {
        let message = "`cached` stores this value and reads it back, which then borrows from nobody: return an owned \
                       one, as a `String` in place of a `&str`";
        errors.push(Error::new_spanned(borrowed, message));
    }
    if written.is_none_or(has_no_value) {
        for (name, span) in OF_VALUES.iter().filter_map(|name| Some((name, cached.written(name)?))) {
            let message = format!("`{name}` is about a value, and this function returns none");
            errors.push(Error::new(span, message));
        }
    } else if written.is_some_and(signature::has_no_room_for_an_error) {
        for name in ["stale_if_error", "err_expire"] {
            if let Some(span) = cached.written(name) {
                let message = format!(
                    "`{name}` is about failures, and this function can't fail: it returns no `Result`"
                );
                errors.push(Error::new(span, message));
            }
        }
    }
    if written.is_none_or(is_unit)
        && let Some(span) = cached.written("err_expire")
    {
        errors.push(Error::new(
            span,
            "`err_expire` is about failures, and this function can't fail: it returns nothing",
        ));
    }
    if let Some(name) = &cached.entry {
        if name.unraw() == function.sig.ident.unraw() {
            let message = format!("the companion needs a name of its own: `entry = {}_entry`", name.unraw());
            errors.push(Error::new(name.span(), message));
        }
        if let Some(ty) = written.filter(|ty| signature::has_impl_trait(ty)) {
            let message = "`entry` needs the whole return type by name: not `impl Trait`";
            errors.push(Error::new_spanned(ty, message));
        }
    }
}

/// Whether a return type says that there is nothing to store.
pub(crate) fn has_no_value(ty: &Type) -> bool {
    is_unit(value_of(ty))
}

/// The first argument of what is spelled `Result<_, _>`, or the type itself.
fn value_of(ty: &Type) -> &Type {
    let inner = match ty {
        Type::Paren(inner) => return value_of(&inner.elem),
        Type::Group(inner) => return value_of(&inner.elem),
        Type::Path(path) => {
            path.path.segments.last().filter(|last| last.ident.to_string().ends_with("Result"))
        }
        _ => None,
    };
    let Some(PathArguments::AngleBracketed(arguments)) = inner.map(|last| &last.arguments) else { return ty };
    let first = arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::Type(first) => Some(first),
        _ => None,
    });
    first.unwrap_or(ty)
}

fn is_unit(ty: &Type) -> bool {
    match ty {
        Type::Tuple(tuple) => tuple.elems.is_empty(),
        Type::Paren(inner) => is_unit(&inner.elem),
        Type::Group(inner) => is_unit(&inner.elem),
        _ => false,
    }
}

/// The function that gives what is stored for the same arguments.
pub(crate) fn companion(
    name: &Ident,
    function: &Function,
    lowered: Option<&Lowered>,
    krate: &Path,
    call: &TokenStream,
    sharing: &TokenStream,
) -> TokenStream {
    let Function { attrs, vis, sig, .. } = function;
    let output: Type = match (lowered, &sig.output) {
        (Some(lowered), _) => lowered.output.clone(),
        (None, ReturnType::Type(_, ty)) => (**ty).clone(),
        (None, ReturnType::Default) => parse_quote!(()),
    };
    let mut sig = sig.clone();
    sig.ident = name.clone();
    sig.constness = None;
    sig.asyncness = None;
    sig.abi = None;
    sig.output = parse_quote!(-> #krate::Result<#krate::CachedEntry<#output>>);
    let bindings = lowered.map(|lowered| &lowered.bindings).into_iter().flatten();
    // Where the function is not there, its companion is not.
    let conditions = signature::conditions(attrs);
    let doc = format!(
        "What `{}` has stored for these arguments: to look at, and to forget.",
        function.sig.ident.unraw()
    );
    let local = format_ident!("__dspinlock_call", span = proc_macro2::Span::mixed_site());
    quote! {
        #[doc = #doc]
        #(#conditions)*
        #[allow(
            unused_variables,
            unused_mut,
            clippy::all,
            clippy::pedantic,
            reason = "it takes what the function takes, and uses what its key is made of"
        )]
        #vis #sig {
            #(#bindings)*
            #call
            #local.entry(#sharing)
        }
    }
}
