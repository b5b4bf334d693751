//! Checks of the function, and of the arguments against the function.

use proc_macro2::{Span, TokenTree};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Attribute, Error, FnArg};

use super::args::Args;
use super::function::{self, Function};
use super::lowered::Lowered;
use super::mode::Mode;
use super::returns::{self, Returns};
use super::runtime::local;
use super::spelling::ends_in;
use super::text_key;
use super::value::Value;
use crate::errors::Errors;

/// Functions that cannot be locked with any arguments.
pub(crate) fn check_shape(function: &Function, is_async: bool, errors: &mut Errors) {
    if let Some(constness) = &function.sig.constness {
        let message = "a `const fn` may run while compiling, where there is nothing to lock: remove `const`";
        errors.push(Error::new(constness.span(), message));
    }
    // An async function may return a future: the handle of a task that it has started.
    if !is_async && let Some(future) = returns::names_a_future(&function.sig.output) {
        let message = "a sync function holds the lock while it makes the future, not while the future runs: write `async fn`";
        errors.push(Error::new_spanned(future, message));
    }
}

/// A function with two attributes would wait for itself.
///
/// The first attribute sees the second one if it has its usual name. Under any other name, the second attribute sees what
/// the first one has made of the body.
pub(crate) fn check_twice(function: &Function, lowered: Option<&Lowered>, errors: &mut Errors) {
    let message =
        "`#[dspinlock]` is on this function twice, so a call would wait for itself: remove one of them";
    let is_ours = |attr: &&Attribute| ends_in(attr.path(), &["dspinlock"]);
    if let Some(second) = function.attrs.iter().find(is_ours) {
        errors.push(Error::new_spanned(second, message));
    }
    let call = local("call");
    let is_call = |token: TokenTree| matches!(token, TokenTree::Ident(ident) if ident == call);
    if lowered.map_or(&function.body, |lowered| &lowered.body).stream().into_iter().any(is_call) {
        errors.push(Error::new(Span::call_site(), message));
    }
}

/// A sync body cannot be stopped from outside.
pub(crate) fn check_cancel(args: &Args, is_async: bool, errors: &mut Errors) {
    if !is_async
        && let Some(on_lost) =
            args.get("on_lost").filter(|on_lost| on_lost.text().as_deref() == Some("cancel"))
    {
        let message = "a sync function cannot be cancelled: write \"error\", and with `guard = lock` call \
                       `lock.ensure_held()?` in the body before anything that cannot be undone";
        errors.push(Error::new(on_lost.expr.span(), message));
    }
}

pub(crate) fn check_key(args: &Args, function: &Function, errors: &mut Errors) {
    let sig = &function.sig;
    if let Some(key) = args.get("key") {
        text_key::check(&key.expr, sig, errors);
    }
    let has_a_key = args.span("key").is_some() || args.has_a_nameless_key;
    let Some(first) = sig.inputs.first().filter(|_| !has_a_key) else { return };
    let names: Vec<_> = function::argument_names(sig).iter().map(ToString::to_string).collect();
    let example = match &names[..] {
        [] if matches!(first, FnArg::Receiver(_)) => "self.id".to_owned(),
        [] => "…".to_owned(),
        [name] => name.clone(),
        names => format!("({})", names.join(", ")),
    };
    let message = format!(
        "`key` is missing: write what tells the calls apart, such as `key = {example}`, or `key = ()` for one lock for \
         all calls"
    );
    errors.push(Error::new(sig.ident.span(), message));
}

pub(crate) fn check_room_for_an_error(
    args: &Args,
    function: &Function,
    returns: Returns<'_>,
    errors: &mut Errors,
) {
    if args.span("on_error").is_some() || returns.has_room_for_an_error() {
        return;
    }
    let message = |what: &str| {
        format!(
            "the lock may fail, and {what} cannot carry its error: return a `Result<_, E>` with \
             `E: From<dspinlock::Error>`, or write `on_error = |error| …`"
        )
    };
    errors.push(match returns.0 {
        None => Error::new(function.sig.ident.span(), message("a function without a return type")),
        Some(ty) => Error::new_spanned(ty, message("this type")),
    });
}

/// The value that `cached` stores, and the companion that reads it.
pub(crate) fn check_value(args: &Args, function: &Function, returns: Returns<'_>, errors: &mut Errors) {
    if args.mode != Mode::Cached {
        return;
    }
    if let Some(ty) = returns.0
        && returns.stored().is_some_and(returns::has_impl_trait)
    {
        let message =
            "`cached` needs the name of the type that it stores: write the type in place of `impl Trait`";
        errors.push(Error::new_spanned(ty, message));
    }
    if let Some(borrowed) = returns.stored().and_then(returns::reference) {
        let message = "`cached` cannot store a borrowed value: return an owned one, such as a `String` in place of a `&str`";
        errors.push(Error::new_spanned(borrowed, message));
    }
    let Some(name) = args.get("entry").and_then(Value::name) else { return };
    if name.unraw() == function.sig.ident.unraw() {
        let message =
            format!("the companion needs a name of its own: write `entry = {}_entry`", name.unraw());
        errors.push(Error::new(name.span(), message));
    }
    if let Some(ty) = returns.0.filter(|ty| returns::has_impl_trait(ty)) {
        let message =
            "`entry` needs the name of the whole return type: write the type in place of `impl Trait`";
        errors.push(Error::new_spanned(ty, message));
    }
}
