//! What the attribute turns a function into.
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
//!         .key(&(private::key_part(&tenant), private::key_part(&day)))
//!         .sleep(Duration::new(0, 100_000_000));
//!     private::run_async(
//!         call,
//!         move |granted| async move {
//!             if false { return private::never::<Result<Usage, AppError>>() }
//!             match granted {
//!                 None => return …,     // turned away: what `otherwise` or the type says
//!                 Some(_) => { body }
//!             }
//!         },
//!         |returned| …,                 // did the body fail?
//!         |error| …,                    // what to return where there is no lock
//!     )
//!     .await
//! }
//! ```
//!
//! The call is one statement of its own, so that whatever the key borrows or locks for a moment is given back before
//! the wait. All decisions are in the library; nothing is decided in the generated code.

use proc_macro2::{Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Attribute, Error, Expr, FnArg, Result, ReturnType, Type, parse_quote};

use crate::args::{Args, Mode, OnLost, OnOutage};
use crate::companion;
use crate::errors::Errors;
use crate::lowered::{self, Lowered};
use crate::signature::{self, Function, Qualifier, QualifierKind};
use crate::text_key;

/// What stands in the place of an item and its attribute: the function with its lock, or the item as it was, with what
/// is wrong.
pub(crate) fn attribute(args: TokenStream, item: TokenStream) -> TokenStream {
    let original = item.clone();
    syn::parse2(item).and_then(|function| expand(args, &function)).unwrap_or_else(|error| {
        let error = error.into_compile_error();
        quote!(#original #error)
    })
}

/// The function with its lock.
///
/// # Errors
/// Everything that is wrong with the arguments, the signature, and the two together.
fn expand(args: TokenStream, function: &Function) -> Result<TokenStream> {
    let mut errors = Errors::default();
    let args = Args::read(args, &mut errors);
    let lowered = lowered::recognise(function);
    let written = match (&lowered, &function.sig.output) {
        (Some(lowered), _) => Some(&lowered.output),
        (None, ReturnType::Type(_, ty)) => Some(&**ty),
        (None, ReturnType::Default) => None,
    };
    let is_async = function.sig.asyncness.is_some() || lowered.is_some();
    check_shape(function, is_async, &mut errors);
    check_twice(function, lowered.as_ref(), &mut errors);
    if !is_async {
        check_cancel(&args, &mut errors);
    }
    check_key(&args, function, &mut errors);
    check_room_for_an_error(&args, function, written, &mut errors);
    companion::check_options(&args, function, written, &mut errors);
    let qualifiers =
        if needs_a_name(&args, written) { errors.take(signature::qualifiers(&function.sig)) } else { None };
    errors.finish(())?;

    let krate = args.krate();
    let generator = Generator {
        args: &args,
        private: quote!(#krate::__private),
        output: written.map_or_else(|| parse_quote!(()), signature::nameable),
        span: at(written.map_or_else(|| function.sig.ident.span(), Spanned::span)),
        is_async,
    };
    let call = generator.call(function, qualifiers.as_deref(), false);
    let entry = args.cached.entry.as_ref().map(|name| {
        let call = generator.call(function, qualifiers.as_deref(), true);
        companion::companion(name, function, lowered.as_ref(), &krate, &call, &generator.sharing())
    });
    let body = match &lowered {
        Some(lowered) => generator.lowered(lowered, &call),
        None if function.sig.asyncness.is_some() => generator.run_async(&function.body, &call),
        None => generator.run(function, &call),
    };
    let Function { attrs, vis, sig, body: original } = function;
    let body = signature::same_braces(original, body);
    Ok(quote!(#(#attrs)* #vis #sig #body #entry))
}

/// What no arguments could mend.
fn check_shape(function: &Function, is_async: bool, errors: &mut Errors) {
    let sig = &function.sig;
    if let Some(constness) = &sig.constness {
        let message = "a `const fn` may run while compiling, where there is nothing to lock; remove `const`";
        errors.push(Error::new(constness.span(), message));
    }
    // What an async function gives may well be a future: a handle of a task that it has started.
    if !is_async && let Some(bound) = signature::names_a_future(&sig.output) {
        let message =
            "the lock would be held only while the future is made, not while it runs; write an `async fn`";
        errors.push(Error::new_spanned(bound, message));
    }
}

/// Whether the library asks for the name that the function has in the fleet: for its namespace, or to mark its values.
fn needs_a_name(args: &Args, written: Option<&Type>) -> bool {
    let marks_values = args.mode == Mode::Cached
        && args.cached.schema.is_none()
        && written.is_some_and(|written| !companion::has_no_value(written));
    args.namespace.is_none() || marks_values
}

/// The first of two attributes sees the second beside it, by its usual name. Under any other name the second sees what the
/// first has made of the body.
fn check_twice(function: &Function, lowered: Option<&Lowered>, errors: &mut Errors) {
    let message =
        "`#[dspinlock]` stands twice on this function, which would wait for itself; write one attribute";
    let is_ours =
        |attr: &&Attribute| attr.path().segments.last().is_some_and(|last| last.ident == "dspinlock");
    if let Some(second) = function.attrs.iter().find(is_ours) {
        errors.push(Error::new_spanned(second, message));
    }
    let call = local("call");
    let is_call = |token: TokenTree| matches!(token, TokenTree::Ident(ident) if ident == call);
    if lowered.map_or(&function.body, |lowered| &lowered.body).stream().into_iter().any(is_call) {
        errors.push(Error::new(Span::call_site(), message));
    }
}

/// A blocking body can't be stopped from outside.
fn check_cancel(args: &Args, errors: &mut Errors) {
    if let Some(span) = args.cancel {
        let message = "a blocking body can't be cancelled: it would have to stop by itself; write \"error\", name the \
                       guard (`guard = lock`), and call `lock.ensure_held()?` before what can't be undone";
        errors.push(Error::new(span, message));
    }
}

fn check_key(args: &Args, function: &Function, errors: &mut Errors) {
    let sig = &function.sig;
    if let Some(key) = &args.key {
        text_key::check(key, sig, errors);
    }
    let Some(first) = sig.inputs.first() else { return };
    if args.written("key").is_some() {
        return;
    }
    let message = if matches!(first, FnArg::Receiver(_)) && sig.inputs.len() == 1 {
        "`key` is missing: write `key = self.…` to lock by value, or `key = ()` for one lock for all of them"
    } else {
        "`key` is missing: write the argument that tells the calls apart, or `key = ()` for one lock for all"
    };
    errors.push(Error::new(sig.ident.span(), message));
}

fn check_room_for_an_error(args: &Args, function: &Function, written: Option<&Type>, errors: &mut Errors) {
    if args.written("on_error").is_some() {
        return;
    }
    let message = |what: &str| {
        format!(
            "the lock may fail, and {what} cannot carry its error: return a `Result<_, E>` with \
             `E: From<dspinlock::Error>`, or write `on_error = |error| …`"
        )
    };
    match written {
        None => {
            errors.push(Error::new(function.sig.ident.span(), message("a function without a return type")));
        }
        Some(ty) if signature::has_no_room_for_an_error(ty) => {
            errors.push(Error::new_spanned(ty, message("this type")));
        }
        Some(_) => {}
    }
}

pub(crate) struct Generator<'a> {
    pub(crate) args: &'a Args,
    pub(crate) private: TokenStream,
    /// What the body returns.
    pub(crate) output: Type,
    /// Where that is written.
    pub(crate) span: Span,
    pub(crate) is_async: bool,
}

impl Generator<'_> {
    /// `let call = Call::new(…).…;`, with the function's own site or one of its companion.
    fn call(&self, function: &Function, qualifiers: Option<&[Qualifier]>, is_companion: bool) -> TokenStream {
        let Self { args, private, .. } = self;
        let call = local("call");
        let site = self.site(function, is_companion);
        let mut chain = quote!(#private::Call::new(#site));
        let mode = match args.mode {
            Mode::Lock => None,
            Mode::Skip => Some(quote!(Skip)),
            Mode::Once => Some(quote!(Once)),
            Mode::FailIfKeyExists => Some(quote!(FailIfKeyExists)),
            Mode::Cached => Some(quote!(Cached)),
        };
        chain.extend(mode.map(|mode| quote!(.mode(#private::Mode::#mode))));
        chain.extend(qualifiers.map(|_| quote!(.place(::core::any::type_name_of_val(&|| ())))));
        let mut parts = TokenStream::new();
        for Qualifier { conditions, kind } in qualifiers.into_iter().flatten() {
            let part = match kind {
                QualifierKind::TypeParam(ident) => quote!(::core::any::type_name::<#ident>()),
                QualifierKind::ConstParam(ident) => quote!(#private::debug_text(&#ident)),
                QualifierKind::Argument(ident) => quote!(::core::any::type_name_of_val(&#ident)),
            };
            parts.extend(quote!(#(#conditions)* let #call = #call.qualifier(#part);));
        }
        chain.extend(args.namespace.as_ref().map(|namespace| {
            let namespace = quote_spanned!(at(namespace.span())=> &(#namespace));
            quote!(.namespace(#namespace))
        }));
        let times = [
            ("sleep", &args.sleep),
            ("wait", &args.wait),
            ("expire", &args.expire),
            ("max_block", &args.max_block),
            ("lease", &args.lease),
            ("refresh_ahead", &args.cached.refresh_ahead),
            ("stale_if_error", &args.cached.stale_if_error),
            ("err_expire", &args.cached.err_expire),
            ("local", &args.cached.local),
        ];
        for (name, time) in times {
            let name = Ident::new(name, Span::mixed_site());
            chain.extend(time.iter().map(|time| quote!(.#name(#time))));
        }
        chain.extend(args.tries.as_ref().map(|tries| quote!(.tries(#tries))));
        chain.extend(args.cached.max_value.as_ref().map(|bytes| quote!(.max_value(#bytes))));
        chain.extend(args.cached.schema.as_ref().map(|schema| quote!(.schema(#schema))));
        chain.extend(args.on_lost.map(|on_lost| match on_lost {
            OnLost::Error => quote!(.on_lost(#private::OnLost::Error)),
            OnLost::Cancel => quote!(.on_lost(#private::OnLost::Cancel)),
            OnLost::Continue => quote!(.on_lost(#private::OnLost::Continue)),
        }));
        chain.extend(args.on_outage.map(|on_outage| match on_outage {
            OnOutage::Fail => quote!(.on_outage(#private::OnOutage::Fail)),
            OnOutage::RunUnlocked => quote!(.on_outage(#private::OnOutage::RunUnlocked)),
        }));
        chain.extend(args.client.as_ref().map(|client| {
            let client = quote_spanned!(at(client.span())=> &(#client));
            quote!(.client(#client))
        }));
        let key = args.key.as_ref().map_or_else(|| quote!(()), |key| self.by_reference(key));
        quote!(let #call = #chain.key(&#key); #parts)
    }

    /// Where the function stands, of which the library makes a name.
    fn site(&self, function: &Function, is_companion: bool) -> TokenStream {
        let (private, site, name) = (&self.private, local("SITE"), function.sig.ident.unraw().to_string());
        let position = position(function);
        let method = function.sig.receiver().map(|_| quote!(.method()));
        let companion = is_companion.then(|| quote!(.companion()));
        quote!({
            static #site: #private::Site = #private::Site::new(
                ::core::concat!(::core::module_path!(), "::", #name),
                ::core::file!(),
                ::core::line!(),
            )
            .package(::core::option_env!("CARGO_PKG_NAME"), ::core::option_env!("CARGO_BIN_NAME"))
            .position(::core::concat!(::core::line!(), ":", ::core::column!(), #position))
            #method
            #companion;
            &#site
        })
    }

    fn run(&self, function: &Function, call: &TokenStream) -> TokenStream {
        let output = &self.output;
        let (granted, body) = (local("granted"), self.body(&function.body));
        let run = self.door("run", &quote!(move |#granted| -> #output { #body }));
        quote!(#call #run)
    }

    fn run_async(&self, body: &Group, call: &TokenStream) -> TokenStream {
        let Self { private, output, span, .. } = self;
        let (granted, body) = (local("granted"), self.body(body));
        // Tells the compiler the type of the block before it reads the body, so that values are coerced to it, and a
        // wrong one is reported where it stands and not at the whole function.
        let typed = quote_spanned!(*span=> if false { return #private::never::<#output>(); });
        let run = self.door("run_async", &quote!(move |#granted| async move { #typed #body }));
        quote!(#call #run.await)
    }

    /// The call of the library: the door by this name, or the one beside it for values.
    fn door(&self, name: &str, body: &TokenStream) -> TokenStream {
        if self.args.mode == Mode::Cached {
            return self.cached_door(name, body);
        }
        let Self { private, .. } = self;
        let (run, call, returned) = (Ident::new(name, Span::mixed_site()), local("call"), local("returned"));
        let (has_failed, on_error) = (self.has_failed(), self.on_error());
        quote!(#private::#run(#call, #body, |#returned| #has_failed, #on_error))
    }

    fn lowered(&self, lowered: &Lowered, call: &TokenStream) -> TokenStream {
        let Lowered { items, pin, attrs, bindings, body, .. } = lowered;
        let run = self.run_async(body, call);
        quote! {
            #(#items)*
            #pin(#(#attrs)* async move { #(#bindings)* #run })
        }
    }

    /// The body, or what is returned because the call was turned away.
    ///
    /// The body is an arm and not the end of a block, where the braces of a short one would count as needless.
    fn body(&self, body: &Group) -> TokenStream {
        let Self { args, private, output, span, .. } = self;
        let granted = local("granted");
        let guard = args.guard.as_ref().map_or_else(|| quote!(_), ToTokens::to_token_stream);
        let turned_away = match (&args.otherwise, args.mode) {
            (Some(otherwise), _) => quote!(#otherwise),
            (None, Mode::Skip | Mode::Once) => {
                quote_spanned!(*span=> <#output as #private::TurnedAway>::turned_away())
            }
            (None, Mode::Lock | Mode::FailIfKeyExists | Mode::Cached) => {
                quote_spanned!(*span=> #private::never::<#output>())
            }
        };
        quote! {
            match #granted {
                ::core::option::Option::None => return #turned_away,
                ::core::option::Option::Some(#guard) => #body
            }
        }
    }

    /// Whether what the body returned, the variable `returned`, is a failure.
    pub(crate) fn has_failed(&self) -> TokenStream {
        let Self { private, span, is_async, .. } = self;
        let returned = local("returned");
        let refuses_futures =
            (!is_async).then(|| quote_spanned!(*span=> use #private::probe::FutureReturn as _;));
        quote_spanned! {*span=> {
            #refuses_futures
            use #private::probe::{AnyReturn as _, ResultReturn as _};
            (&&&&#private::probe::Probe(#returned)).__dspinlock_failed()
        }}
    }

    /// What is returned where there is no lock.
    pub(crate) fn on_error(&self) -> TokenStream {
        let Self { args, private, output, span, .. } = self;
        let error = local("error");
        args.on_error.as_ref().map_or_else(
            || quote_spanned!(*span=> |#error| <#output as #private::CarriesLockError>::from_lock_error(#error)),
            ToTokens::to_token_stream,
        )
    }

    /// The key without moving anything into it: `(tenant, day)` becomes `(&tenant, &day)`. Each part passes through a
    /// function that asks for a key, so that a part that is none is reported where it stands. Lists stay as they are: a
    /// list of `u8` is bytes, and one of references is not.
    fn by_reference(&self, key: &Expr) -> TokenStream {
        let span = at(key.span());
        match key {
            Expr::Paren(paren) => self.by_reference(&paren.expr),
            Expr::Group(group) => self.by_reference(&group.expr),
            Expr::Reference(reference) if reference.mutability.is_none() => {
                self.by_reference(&reference.expr)
            }
            Expr::Tuple(tuple) if !tuple.elems.is_empty() => {
                let elems = tuple.elems.iter().map(|elem| self.by_reference(elem));
                quote_spanned!(span=> (#(#elems,)*))
            }
            other => {
                let private = &self.private;
                quote_spanned!(span=> #private::key_part(&(#other)))
            }
        }
    }
}

/// A name that no name of the user meets.
pub(crate) fn local(name: &str) -> Ident {
    Ident::new(&format!("__dspinlock_{name}"), Span::mixed_site())
}

/// What tells functions of one name within another function apart: where the name is written, behind the place of the
/// attribute (for the compiler all that one call of a macro writes stands at one place), and what they do. The latter keeps a
/// function from having the place that another one had in the release before.
fn position(function: &Function) -> String {
    // FNV-1a, which is the same in every build.
    let text = function.body.to_string();
    let digest = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |digest, byte| {
        (digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    if !proc_macro::is_available() {
        return format!(":{digest:x}");
    }
    let name = function.sig.ident.span().unwrap();
    format!(":{}:{}:{digest:x}", name.line(), name.column())
}

/// Code of ours that the compiler reports at a place of the user.
fn at(span: Span) -> Span {
    Span::mixed_site().located_at(span)
}
