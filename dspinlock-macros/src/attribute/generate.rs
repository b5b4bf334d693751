//! The code of a function with its lock.
//!
//! ```text
//! // Input:
//! #[dspinlock(key = (tenant, day), sleep = "100ms")]
//! async fn usage(tenant: &str, day: Date) -> Result<Usage, AppError> { body }
//!
//! // Output, with `private` for `::dspinlock::__private` and names that cannot meet the user's:
//! async fn usage(tenant: &str, day: Date) -> Result<Usage, AppError> {
//!     let call = private::Call::new({ static SITE: private::Site = …; &SITE })
//!         .place(type_name_of_val(&|| ()))              // in which `impl`, trait or function
//!         .sleep(Duration::new(0, 100_000_000))
//!         .key(&(private::key_part(&tenant), private::key_part(&day)));
//!     private::run_async(
//!         call,
//!         move |granted| async move {
//!             if false { return private::never::<Result<Usage, AppError>>() }
//!             match granted {
//!                 None => return …,     // turned away: by `otherwise` or by the return type
//!                 Some(_) => { body }
//!             }
//!         },
//!         |returned| …,                 // whether the body failed
//!         |error| …,                    // the return value for an error of the lock
//!     )
//!     .await
//! }
//!
//! // With `cached`:
//!     private::run_cached_async(
//!         call,
//!         { use …; (&&&private::sharing::pick::<Result<Usage, AppError>, private::Json>()).__dspinlock_sharing() },
//!         move |granted| async move { … },
//!         |returned| …,                 // the message for the waiters if the body failed
//!         |value| …,                    // the option `if`
//!         |error| …,
//!     )
//! ```
//!
//! The call is a statement of its own, so that everything that the key borrows or locks is given back before the wait. The
//! runtime takes all decisions; the generated code takes none.

use proc_macro2::{Group, Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;

use super::args::Args;
use super::argument::Passed;
use super::function::Function;
use super::lowered::Lowered;
use super::mode::Mode;
use super::qualifiers::Qualifier;
use super::runtime::{Runtime, at, local};

pub(crate) struct Generator<'a> {
    pub(crate) args: &'a Args,
    pub(crate) runtime: Runtime,
    /// What tells the instances of the function apart, if the runtime needs its name.
    pub(crate) qualifiers: Option<Vec<Qualifier>>,
}

impl Generator<'_> {
    /// `let call = Call::new(…).…;`, for the function or for its companion.
    pub(crate) fn call(&self, function: &Function, is_companion: bool) -> TokenStream {
        let Self { args, runtime, qualifiers } = self;
        let mut chain = runtime.call(function, is_companion, qualifiers.is_some());
        chain.extend(runtime.mode(args.mode));
        chain.extend(self.setters());
        chain.extend(runtime.key(args.get("key").map(|key| &key.expr)));
        let qualifiers = qualifiers.iter().flatten().map(|qualifier| runtime.qualifier(qualifier));
        let call = local("call");
        quote!(let #call = #chain; #(#qualifiers)*)
    }

    /// A setter for each argument that is written, in the order of the table.
    fn setters(&self) -> impl Iterator<Item = TokenStream> {
        self.args.values().filter_map(|(argument, value)| {
            let (setter, code) = (Ident::new(argument.name, Span::mixed_site()), &value.code);
            let code = match argument.passed {
                Passed::Specially => return None,
                Passed::Value => code.clone(),
                Passed::Reference => quote_spanned!(at(value.expr.span())=> &(#code)),
                Passed::Variant => self.runtime.item(code),
            };
            Some(quote!(.#setter(#code)))
        })
    }

    /// The body of the function: the call, which runs the body of the user.
    pub(crate) fn body(&self, function: &Function, lowered: Option<&Lowered>) -> TokenStream {
        let call = self.call(function, false);
        let Some(Lowered { items, pin, attrs, bindings, body, .. }) = lowered else {
            let run = self.run(&function.body);
            return quote!(#call #run);
        };
        let run = self.run(body);
        quote! {
            #(#items)*
            #pin(#(#attrs)* async move { #(#bindings)* #call #run })
        }
    }

    fn run(&self, body: &Group) -> TokenStream {
        let Self { args, runtime, .. } = self;
        let body = runtime.closure(&self.granted_or_turned_away(body));
        let on_error = args.get("on_error").map_or_else(|| runtime.on_error(), |value| value.code.clone());
        if args.mode == Mode::Cached {
            let keep = args.get("if").map_or_else(|| quote!(|_| true), |value| value.code.clone());
            runtime.run_cached(&body, self.codec(), &keep, &on_error)
        } else {
            runtime.run(&body, &on_error)
        }
    }

    pub(crate) fn codec(&self) -> Option<&TokenStream> {
        self.args.get("codec").map(|codec| &codec.code)
    }

    /// The body of the user, or the return value of a call that was turned away.
    ///
    /// The body is an arm and not the end of a block, where a lint would call the braces of a short one needless.
    fn granted_or_turned_away(&self, body: &Group) -> TokenStream {
        let Self { args, runtime, .. } = self;
        let granted = local("granted");
        let guard = args.get("guard").map_or_else(|| quote!(_), |guard| guard.code.clone());
        let turned_away = match args.get("otherwise") {
            Some(otherwise) => otherwise.code.clone(),
            None if args.mode.turns_away() => runtime.turned_away(),
            None => runtime.never(),
        };
        quote! {
            match #granted {
                ::core::option::Option::None => return #turned_away,
                ::core::option::Option::Some(#guard) => #body
            }
        }
    }
}
