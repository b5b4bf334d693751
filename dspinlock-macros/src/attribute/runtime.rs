//! The runtime, `dspinlock::__private`: all names by which the generated code calls it, except the setters of arguments,
//! which have the names in the [table](super::table).

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Expr, Type};

use super::function::Function;
use super::mode::Mode;
use super::qualifiers::{Qualifier, QualifierKind};
use super::site::position;

/// The runtime as one function calls it.
pub(crate) struct Runtime {
    private: TokenStream,
    /// The return type.
    output: Type,
    /// The place of the return type, where the compiler reports types that do not fit.
    span: Span,
    is_async: bool,
}

impl Runtime {
    pub(crate) fn new(library: &TokenStream, output: Type, span: Span, is_async: bool) -> Self {
        Self { private: quote!(#library::__private), output, span: at(span), is_async }
    }

    /// The start of a chain of setters; with `is_named`, the runtime can derive the name of the function in the fleet.
    pub(crate) fn call(&self, function: &Function, is_companion: bool, is_named: bool) -> TokenStream {
        self.chain(&quote!(Call), function, is_companion, is_named)
    }

    /// [`call`](Self::call) for the look-up of a local copy.
    pub(crate) fn lookup(&self, function: &Function, is_named: bool) -> TokenStream {
        self.chain(&quote!(Lookup), function, false, is_named)
    }

    fn chain(
        &self,
        start: &TokenStream,
        function: &Function,
        is_companion: bool,
        is_named: bool,
    ) -> TokenStream {
        let (private, site) = (&self.private, self.site(function, is_companion));
        // The type of a closure names the surrounding `impl`, trait or function.
        let place = is_named.then(|| quote!(.place(::core::any::type_name_of_val(&|| ()))));
        quote!(#private::#start::new(#site) #place)
    }

    /// The place of the function in the source, from which the runtime derives its name.
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

    /// The setter of the mode.
    pub(crate) fn mode(&self, mode: Mode) -> Option<TokenStream> {
        let mode = match mode {
            Mode::Lock => return None,
            Mode::Skip => quote!(Skip),
            Mode::Once => quote!(Once),
            Mode::FailIfKeyExists => quote!(FailIfKeyExists),
            Mode::Cached => quote!(Cached),
        };
        let mode = self.item(&quote!(Mode::#mode));
        Some(quote!(.mode(#mode)))
    }

    /// The key, by reference. Nothing is moved into it: `(tenant, day)` becomes `(&tenant, &day)`.
    pub(crate) fn key(&self, key: Option<&Expr>) -> TokenStream {
        let key = key.map_or_else(|| quote!(()), |key| self.by_reference(key));
        quote!(&#key)
    }

    /// Each part of a key by reference. A list stays as it is: a list of `u8` is bytes, and one of references is not.
    fn by_reference(&self, key: &Expr) -> TokenStream {
        let (private, span) = (&self.private, at(key.span()));
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
            // The runtime's function asks for a key, so the compiler reports a part that is none in its place.
            other => quote_spanned!(span=> #private::key_part(&(#other))),
        }
    }

    /// A statement that adds a qualifier to the call, or to its look-up.
    pub(crate) fn qualifier(Qualifier { conditions, kind }: &Qualifier) -> TokenStream {
        let call = local("call");
        let setter = match kind {
            QualifierKind::TypeParam(ident) => quote!(qualifier(::core::any::type_name::<#ident>())),
            QualifierKind::ConstParam(ident) => quote!(constant(&#ident)),
            QualifierKind::Argument(ident) => quote!(qualifier(::core::any::type_name_of_val(&#ident))),
        };
        quote!(#(#conditions)* let #call = #call.#setter;)
    }

    /// An item of the runtime.
    pub(crate) fn item(&self, path: &TokenStream) -> TokenStream {
        let private = &self.private;
        quote!(#private::#path)
    }

    /// An expression of the return type that is never evaluated.
    pub(crate) fn never(&self) -> TokenStream {
        let Self { private, output, span, .. } = self;
        quote_spanned!(*span=> #private::never::<#output>())
    }

    /// The closure that the runtime calls, with the variable `granted`.
    pub(crate) fn closure(&self, body: &TokenStream) -> TokenStream {
        let (granted, output, never, span) = (local("granted"), &self.output, self.never(), self.span);
        if !self.is_async {
            return quote!(move |#granted| -> #output { #body });
        }
        // This tells the compiler the type of the block before it reads the body: it then coerces values to the type, and
        // reports a wrong value in its place and not at the whole function.
        let typed = quote_spanned!(span=> if false { return #never; });
        quote!(move |#granted| async move { #typed #body })
    }

    /// The return value of a call that was turned away, for types that have one.
    pub(crate) fn turned_away(&self) -> TokenStream {
        let Self { private, output, span, .. } = self;
        quote_spanned!(*span=> <#output as #private::TurnedAway>::turned_away())
    }

    /// The closure that turns an error of the lock into the return value, for types that can carry one.
    pub(crate) fn on_error(&self) -> TokenStream {
        let Self { private, output, span, .. } = self;
        let error = local("error");
        quote_spanned!(*span=> |#error| <#output as #private::CarriesLockError>::from_lock_error(#error))
    }

    /// Runs the body under the lock.
    pub(crate) fn run(&self, body: &TokenStream, on_error: &TokenStream) -> TokenStream {
        let (call, returned, has_failed) = (local("call"), local("returned"), self.has_failed());
        let run = self.item(&if self.is_async { quote!(run_async) } else { quote!(run) });
        self.awaited(&quote!(#run(#call, #body, |#returned| #has_failed, #on_error)))
    }

    /// Runs the body unless there is a value. All of it has the place of the return type, where the compiler reports a
    /// value that cannot be stored.
    pub(crate) fn run_cached(
        &self,
        body: &TokenStream,
        keep: &TokenStream,
        on_error: &TokenStream,
    ) -> TokenStream {
        let (call, sharing, failure) = (local("call"), local("sharing"), self.failure());
        let run = self.item(&if self.is_async { quote!(run_cached_async) } else { quote!(run_cached) });
        let run = located(run, self.span);
        let run = quote_spanned!(self.span=> #run(#call, #sharing, #body, #failure, #keep, #on_error));
        self.awaited(&run)
    }

    /// A statement that looks for a local copy of the value, with the setters of what identifies it.
    pub(crate) fn find(&self, setters: &TokenStream, key: &TokenStream) -> TokenStream {
        let (call, sharing, sought) = (local("call"), local("sharing"), local("sought"));
        let find = quote_spanned!(self.span=> .find(#key, &#sharing));
        quote!(let #sought = #call #setters #find;)
    }

    /// The value of the copy, or the result of these statements, which make the call.
    pub(crate) fn found_or_called(&self, call_it: &TokenStream) -> TokenStream {
        let (call, sought, returned) = (local("call"), local("sought"), local("returned"));
        let (found, missing) = (self.item(&quote!(Sought::Found)), self.item(&quote!(Sought::Call)));
        quote! {
            match #sought {
                #found(#returned) => #returned,
                #missing(#call) => { #call_it }
            }
        }
    }

    fn awaited(&self, run: &TokenStream) -> TokenStream {
        if self.is_async { quote!(#run.await) } else { run.clone() }
    }

    /// Whether the variable `returned`, the return value of the body, is a failure.
    fn has_failed(&self) -> TokenStream {
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

    /// A statement that says how the value is stored, and perhaps cloned for a local copy. The compiler finds it by the return
    /// type.
    pub(crate) fn sharing(&self, codec: Option<&TokenStream>, clones: bool) -> TokenStream {
        let Self { private, output, span, .. } = self;
        let sharing = local("sharing");
        let codec = codec.cloned().unwrap_or_else(|| quote!(#private::Json));
        let clones = clones.then(|| quote_spanned!(*span=> ClonedResult as _, ClonedReturn as _,));
        quote_spanned! {*span=> let #sharing = {
            use #private::sharing::{AnyReturn as _, BorrowedReturn as _, #clones KnownReturn as _, ResultReturn as _};
            (&&&&&#private::sharing::pick::<#output, #codec>()).__dspinlock_sharing()
        };}
    }

    /// The stored value of the call, for the companion.
    pub(crate) fn entry(&self, codec: Option<&TokenStream>) -> TokenStream {
        let (call, sharing, how) = (local("call"), local("sharing"), self.sharing(codec, false));
        quote!(#how #call.entry(#sharing))
    }

    /// The message for the waiters of a call that failed.
    fn failure(&self) -> TokenStream {
        let Self { private, span, .. } = self;
        let (returned, failed, has_failed) = (local("returned"), local("failed"), self.has_failed());
        quote_spanned! {*span=> |#returned| {
            use #private::sharing::{DebuggedError as _, DisplayedError as _, NoError as _, SilentError as _};
            // The message alone would tell a failure, but this also refuses futures with an explanation.
            let #failed = #has_failed;
            if #failed {
                (&&&&#private::sharing::Told(#returned)).__dspinlock_message()
            } else {
                ::core::option::Option::None
            }
        }}
    }
}

/// A name in the generated code that no name of the user can meet.
pub(crate) fn local(name: &str) -> Ident {
    Ident::new(&format!("__dspinlock_{name}"), Span::mixed_site())
}

/// Generated code that the compiler reports at a place of the user.
pub(crate) fn at(span: Span) -> Span {
    Span::mixed_site().located_at(span)
}

/// The same tokens, reported at a place of the user.
fn located(path: TokenStream, place: Span) -> TokenStream {
    let moved = |mut token: TokenTree| {
        token.set_span(token.span().located_at(place));
        token
    };
    path.into_iter().map(moved).collect()
}
