//! Async functions that another attribute has already turned into sync ones.
//!
//! `async-trait` runs first, because it is on the `impl`, and writes
//!
//! ```text
//! fn load<'life0, 'async_trait>(&'life0 self, …) -> Pin<Box<dyn Future<Output = R> + Send + 'async_trait>> where … {
//!     Box::pin(async move {
//!         …
//!         let __self = self;
//!         let x = x;
//!         let (a, b) = { let __arg2 = __arg2; __arg2 };
//!         …
//!     })
//! }
//! ```
//!
//! A lock around this function would be held only while the future is *made*. So the call goes inside the block.

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream};
use quote::quote;
use syn::parse::Parser;
use syn::{
    Attribute, Block, Expr, ExprAsync, GenericArgument, Item, Pat, PathArguments, ReturnType, Stmt, Type,
    TypeParamBound,
};

use super::function::{self, Function};
use super::spelling::{first_type, last_segment};

/// The parts of `Box::pin(async move { … })`.
pub(crate) struct Lowered {
    /// Items before the call.
    pub(crate) items: Vec<Item>,
    /// `Box::pin`, as it was written.
    pub(crate) pin: Expr,
    pub(crate) attrs: Vec<Attribute>,
    /// The statements that bind the arguments, which the key may use.
    pub(crate) bindings: Vec<Stmt>,
    pub(crate) body: Group,
    /// The output of the future.
    pub(crate) output: Type,
}

/// The parts of a function that only returns a boxed async block; `None` for any other function.
pub(crate) fn recognise(function: &Function) -> Option<Lowered> {
    if function.sig.asyncness.is_some() {
        return None;
    }
    let ReturnType::Type(_, ty) = &function.sig.output else { return None };
    let output = boxed_output(ty)?;

    let mut stmts = Block::parse_within.parse2(function.body.stream()).ok()?;
    let Some(Stmt::Expr(Expr::Call(mut call), None)) = stmts.pop() else { return None };
    if !is_box_pin(&call.func) || call.args.len() != 1 {
        return None;
    }
    let Some(Expr::Async(ExprAsync { attrs, capture: Some(_), block, .. })) = call.args.pop() else {
        return None;
    };
    let items = stmts.into_iter().map(|stmt| if let Stmt::Item(item) = stmt { Some(item) } else { None });
    let items = items.collect::<Option<Vec<_>>>()?;

    let mut arguments = function::argument_names(&function.sig);
    let (bindings, rest): (Vec<_>, Vec<_>) =
        block.stmts.into_iter().partition(|stmt| binds_argument(stmt, &mut arguments));
    let body = braces(block.brace_token.span.join(), quote!(#(#rest)*));
    Some(Lowered { items, pin: *call.func, attrs, bindings, body, output })
}

/// `R` of `Pin<Box<dyn Future<Output = R> + …>>` and of `BoxFuture<'_, R>`.
fn boxed_output(ty: &Type) -> Option<Type> {
    let last = last_segment(ty)?;
    if last.ident == "BoxFuture" || last.ident == "LocalBoxFuture" {
        return first_type(last).cloned();
    }
    let boxed = last_segment(first_type(last).filter(|_| last.ident == "Pin")?)?;
    let Type::TraitObject(object) = first_type(boxed).filter(|_| boxed.ident == "Box")? else { return None };
    object.bounds.iter().find_map(|bound| {
        let TypeParamBound::Trait(bound) = bound else { return None };
        let future = bound.path.segments.last().filter(|last| last.ident == "Future")?;
        let PathArguments::AngleBracketed(arguments) = &future.arguments else { return None };
        arguments.args.iter().find_map(|argument| match argument {
            GenericArgument::AssocType(assoc) if assoc.ident == "Output" => Some(assoc.ty.clone()),
            _ => None,
        })
    })
}

fn is_box_pin(function: &Expr) -> bool {
    let Expr::Path(path) = function else { return false };
    let mut names = path.path.segments.iter().rev().map(|segment| &segment.ident);
    names.next().is_some_and(|name| name == "pin") && names.next().is_some_and(|name| name == "Box")
}

/// `let x = x;` or `let (a, b) = { let __arg2 = __arg2; __arg2 };`, but not `let __self = self;`, since the key has `self`.
/// An argument leaves `arguments` once it is bound: a second `let x = x;` is the user's.
fn binds_argument(stmt: &Stmt, arguments: &mut Vec<Ident>) -> bool {
    let Stmt::Local(local) = stmt else { return false };
    match (&local.pat, local.init.as_ref().map(|init| &*init.expr)) {
        (Pat::Ident(pat), Some(Expr::Path(value))) if value.path.is_ident(&pat.ident) => {
            let argument = arguments.iter().position(|argument| *argument == pat.ident);
            argument.map(|argument| arguments.swap_remove(argument)).is_some()
        }
        (_, Some(Expr::Block(value))) => {
            let Some(Stmt::Expr(Expr::Path(last), None)) = value.block.stmts.last() else { return false };
            last.path.get_ident().is_some_and(|name| name.to_string().starts_with("__arg"))
        }
        _ => false,
    }
}

fn braces(span: Span, content: TokenStream) -> Group {
    let mut group = Group::new(Delimiter::Brace, content);
    group.set_span(span);
    group
}
