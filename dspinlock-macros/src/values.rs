//! What `cached` generates in place of the ordinary door.
//!
//! ```text
//! private::run_cached_async(
//!     call,
//!     { use …; (&&&private::sharing::pick::<Result<Usage, AppError>, private::Json>()).__dspinlock_sharing() },
//!     move |granted| async move { … },
//!     |returned| …,                     // what those who wait are told if the body failed
//!     |value| …,                        // the option `if`
//!     |error| …,
//! )
//! ```

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};

use crate::expand::{Generator, local};

impl Generator<'_> {
    /// The call of the library's door for values. All of it has the place of the return type, where the compiler reports
    /// a value that can't be stored.
    pub(crate) fn cached_door(&self, name: &str, body: &TokenStream) -> TokenStream {
        let Self { args, private, span, .. } = self;
        let run = Ident::new(&name.replacen("run", "run_cached", 1), Span::mixed_site());
        let run = located(quote!(#private::#run), *span);
        let (call, sharing, failure, on_error) =
            (local("call"), self.sharing(), self.failure(), self.on_error());
        let keep = args.cached.keep.as_ref().map_or_else(|| quote!(|_| true), ToTokens::to_token_stream);
        quote_spanned!(*span=> #run(#call, #sharing, #body, #failure, #keep, #on_error))
    }

    /// How values are shared: found by the compiler, by the type.
    pub(crate) fn sharing(&self) -> TokenStream {
        let Self { args, private, output, span, .. } = self;
        let codec =
            args.cached.codec.as_ref().map_or_else(|| quote!(#private::Json), ToTokens::to_token_stream);
        quote_spanned! {*span=> {
            use #private::sharing::{AnyReturn as _, KnownReturn as _, ResultReturn as _};
            (&&&#private::sharing::pick::<#output, #codec>()).__dspinlock_sharing()
        }}
    }

    /// What the callers that waited are told if the body failed.
    fn failure(&self) -> TokenStream {
        let Self { private, span, .. } = self;
        let (returned, failed, has_failed) = (local("returned"), local("failed"), self.has_failed());
        quote_spanned! {*span=> |#returned| {
            use #private::sharing::{DebuggedError as _, DisplayedError as _, NoError as _, SilentError as _};
            // Asked although the message says it too: it is this that refuses futures, in words.
            let #failed = #has_failed;
            if #failed {
                (&&&&#private::sharing::Told(#returned)).__dspinlock_message()
            } else {
                ::core::option::Option::None
            }
        }}
    }
}

/// The same tokens, which the compiler reports at a place of the user.
fn located(path: TokenStream, place: Span) -> TokenStream {
    let moved = |mut token: TokenTree| {
        token.set_span(token.span().located_at(place));
        token
    };
    path.into_iter().map(moved).collect()
}
