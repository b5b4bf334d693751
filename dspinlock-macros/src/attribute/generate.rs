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
//!     let sharing = { use …; (&&&&&private::sharing::pick::<Result<Usage, AppError>, private::Json>()).__dspinlock_sharing() };
//!     let call = …;
//!     private::run_cached_async(
//!         call,
//!         sharing,
//!         move |granted| async move { … },
//!         |returned| …,                 // the message for the waiters if the body failed
//!         |value| …,                    // the option `if`
//!         |error| …,
//!     )
//!
//! // With `cached(local = "5s")`, and a namespace as an example of what identifies the value:
//!     let sharing = …;                  // as above, and it knows whether a copy can keep a clone of the value
//!     let sought = private::Lookup::new({ static SITE: … }).place(…).namespace(&"usage").find(&(…key…), &sharing);
//!     match sought {
//!         private::Sought::Found(returned) => returned,
//!         private::Sought::Call(call) => {
//!             let call = call.local(Duration::new(5, 0));   // the other arguments, which a hit does not evaluate
//!             private::run_cached_async(call, sharing, …).await
//!         }
//!     }
//! ```
//!
//! The call, or its look-up, is a statement of its own, so that everything that the key borrows or locks is given back before
//! the wait. The runtime takes all decisions; the generated code only asks whether there is a copy.

use proc_macro2::{Group, Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;

use super::args::Args;
use super::argument::{Argument, Passed};
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
    /// Whether the return type may borrow from the arguments.
    pub(crate) borrows: bool,
}

impl Generator<'_> {
    /// `let call = Call::new(…).…;`, for the function or for its companion.
    pub(crate) fn call(&self, function: &Function, is_companion: bool) -> TokenStream {
        let Self { args, runtime, qualifiers, .. } = self;
        let start = runtime.call(function, is_companion, qualifiers.is_some());
        let (mode, setters, key) = (runtime.mode(args.mode), self.setters(|_| true), self.key());
        let (call, qualifiers) = (local("call"), self.qualifiers());
        quote!(let #call = #start #mode #setters.key(#key); #qualifiers)
    }

    fn key(&self) -> TokenStream {
        self.runtime.key(self.args.get("key").map(|key| &key.expr))
    }

    /// Statements that add the qualifiers.
    fn qualifiers(&self) -> TokenStream {
        self.qualifiers.iter().flatten().map(Runtime::qualifier).collect()
    }

    /// A setter for each of these arguments that is written, in the order of the table.
    fn setters(&self, which: impl Fn(&Argument) -> bool) -> TokenStream {
        let setters = self.args.values().filter(|(argument, _)| which(argument));
        let setters = setters.filter_map(|(argument, value)| {
            let (setter, code) = (Ident::new(argument.name, Span::mixed_site()), &value.code);
            let code = match argument.passed {
                Passed::Specially => return None,
                Passed::Value => code.clone(),
                Passed::Reference => quote_spanned!(at(value.expr.span())=> &(#code)),
                Passed::Variant => self.runtime.item(code),
            };
            Some(quote!(.#setter(#code)))
        });
        setters.collect()
    }

    /// The body of the function: the call, which runs the body of the user.
    pub(crate) fn body(&self, function: &Function, lowered: Option<&Lowered>) -> TokenStream {
        let Some(Lowered { items, pin, attrs, bindings, body, .. }) = lowered else {
            return self.run(function, &function.body);
        };
        let run = self.run(function, body);
        quote! {
            #(#items)*
            #pin(#(#attrs)* async move { #(#bindings)* #run })
        }
    }

    /// The call with the body of the user, perhaps after the look-up of a copy.
    fn run(&self, function: &Function, body: &Group) -> TokenStream {
        let Self { args, runtime, .. } = self;
        let body = runtime.closure(&self.granted_or_turned_away(body));
        let on_error = args.get("on_error").map_or_else(|| runtime.on_error(), |value| value.code.clone());
        if args.mode != Mode::Cached {
            let (call, run) = (self.call(function, false), runtime.run(&body, &on_error));
            return quote!(#call #run);
        }
        let keep = args.get("if").map_or_else(|| quote!(|_| true), |value| value.code.clone());
        let run = runtime.run_cached(&body, &keep, &on_error);
        if args.get("local").is_some() {
            return self.unless_copied(function, &run);
        }
        let (call, sharing) = (self.call(function, false), runtime.sharing(self.codec(), false));
        quote!(#sharing #call #run)
    }

    /// The look-up of a copy. Only without one, `run` makes the call, and the other arguments are evaluated.
    fn unless_copied(&self, function: &Function, run: &TokenStream) -> TokenStream {
        let Self { runtime, qualifiers, borrows, .. } = self;
        let start = runtime.lookup(function, qualifiers.is_some());
        let sharing = runtime.sharing(self.codec(), !borrows);
        let find = runtime.find(&self.setters(|argument| argument.identifies), &self.key());
        let (call, qualifiers) = (local("call"), self.qualifiers());
        let others = self.setters(|argument| !argument.identifies);
        let call_it = quote!(let #call = #call #others; #qualifiers #run);
        let found_or_called = runtime.found_or_called(&call_it);
        quote!(#sharing let #call = #start; #qualifiers #find #found_or_called)
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
