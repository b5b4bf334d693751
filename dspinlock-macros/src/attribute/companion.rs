//! The companion of a `cached` function, which `entry = NAME` puts beside it.
//!
//! ```text
//! pub fn usage_entry(tenant: &str, day: Date) -> dspinlock::Result<dspinlock::CachedEntry<Result<Usage, AppError>>> {
//!     let call = private::Call::new(…).…;     // as in the function itself
//!     call.entry(…)
//! }
//! ```

use proc_macro2::{Delimiter, Group, Ident, TokenStream};
use quote::{ToTokens, quote};
use syn::ext::IdentExt;
use syn::parse_quote;

use super::function::{self, Function};
use super::generate::Generator;
use super::lowered::Lowered;
use super::returns::Returns;
use super::runtime::at;

pub(crate) fn companion(
    name: Ident,
    function: &Function,
    lowered: Option<&Lowered>,
    returns: Returns<'_>,
    library: &TokenStream,
    generator: &Generator<'_>,
) -> TokenStream {
    let Function { attrs, vis, sig, .. } = function;
    let output = returns.0.map_or_else(|| quote!(()), ToTokens::to_token_stream);
    let mut sig = sig.clone();
    // In the `impl` of a trait, the compiler refuses the companion, and points to all of it.
    let span = at(name.span());
    sig.fn_token.span = span;
    sig.ident = name;
    sig.constness = None;
    sig.asyncness = None;
    sig.abi = None;
    sig.output = parse_quote!(-> #library::Result<#library::CachedEntry<#output>>);
    let bindings = lowered.map(|lowered| &lowered.bindings).into_iter().flatten();
    // The companion is there under the conditions of the function.
    let conditions = function::conditions(attrs);
    let doc = format!("The stored value of `{}` for these arguments.", function.sig.ident.unraw());
    let (call, entry) = (generator.call(function, true), generator.runtime.entry(generator.codec()));
    let mut body = Group::new(
        Delimiter::Brace,
        quote! {
            #(#bindings)*
            #call
            #entry
        },
    );
    body.set_span(span);
    quote! {
        #[doc = #doc]
        #(#conditions)*
        #[allow(
            unused_variables,
            unused_mut,
            clippy::all,
            clippy::pedantic,
            reason = "it has the arguments of the function, and uses those that the key is made of"
        )]
        #vis #sig #body
    }
}
