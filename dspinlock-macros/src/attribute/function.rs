//! The function under the attribute. Its signature is parsed; its body stays as tokens, so a half-typed one in an editor
//! still expands, and a long one takes no time.

use proc_macro2::{Delimiter, Group, Ident, TokenStream, TokenTree};
use syn::parse::{Parse, ParseStream, Parser};
use syn::visit::{self, Visit};
use syn::{AttrStyle, Attribute, Error, FnArg, Pat, PatIdent, Result, Signature, Token, Visibility};

/// A function or method with a body.
pub(crate) struct Function {
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) vis: Visibility,
    pub(crate) sig: Signature,
    /// The body with its own braces, whose spans mark the end of the function.
    pub(crate) body: Group,
}

impl Parse for Function {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let mut attrs = input.call(Attribute::parse_outer)?;
        let vis: Visibility = input.parse()?;
        let is_function = ["const", "async", "unsafe", "safe", "extern", "fn"]
            .iter()
            .any(|keyword| input.cursor().ident().is_some_and(|(ident, _)| ident == keyword));
        if !is_function || starts_a_closure(input) {
            return Err(input.error(other_item(input)));
        }
        let sig: Signature = input.parse()?;
        if input.peek(Token![;]) {
            let message =
                "this function has no body to lock: put `#[dspinlock]` on the methods of the `impl` blocks";
            return Err(input.error(message));
        }
        let token = input.parse()?;
        let body =
            braces(&token).ok_or_else(|| Error::new(token.span(), "expected the body of the function"))?;
        let body = without_inner_attributes(&body, &mut attrs)?;
        Ok(Self { attrs, vis, sig, body })
    }
}

/// Whether a closure is next, which may begin like a function.
pub(crate) fn starts_a_closure(input: ParseStream<'_>) -> bool {
    let fork = input.fork();
    let keywords = ["const", "static", "async", "move"];
    while fork.cursor().ident().is_some_and(|(ident, _)| keywords.iter().any(|keyword| ident == keyword)) {
        if fork.parse::<TokenTree>().is_err() {
            return false;
        }
    }
    fork.peek(Token![|])
}

/// What to do about an item that is no function.
fn other_item(input: ParseStream<'_>) -> &'static str {
    if input.peek(Token![let]) || starts_a_closure(input) {
        "`#[dspinlock]` goes on a function, and not on a closure: write a `fn`, or take the lock in the closure, as in `let \
         guard = client.lock(\"key\").acquire_blocking()?;`"
    } else if input.peek(Token![trait]) {
        "`#[dspinlock]` goes on a function or a method: put it on the methods of the `impl` blocks, or on a method of the trait \
         that has a body"
    } else {
        "`#[dspinlock]` goes on a function or a method: in an `impl` block, put it on each method to lock"
    }
}

/// The group in braces, perhaps inside the invisible groups that `macro_rules!` leaves around its fragments.
fn braces(token: &TokenTree) -> Option<Group> {
    let TokenTree::Group(group) = token else { return None };
    match group.delimiter() {
        Delimiter::Brace => Some(group.clone()),
        Delimiter::None => braces(&group.stream().into_iter().next()?),
        _ => None,
    }
}

/// Moves attributes inside the body (`#![…]`) above the function: the body becomes a block, which cannot have them.
fn without_inner_attributes(body: &Group, attrs: &mut Vec<Attribute>) -> Result<Group> {
    let parser = |input: ParseStream<'_>| {
        let inner = input.call(Attribute::parse_inner)?;
        Ok((inner, input.parse::<TokenStream>()?))
    };
    let (inner, rest) = parser.parse2(body.stream())?;
    if inner.is_empty() {
        return Ok(body.clone());
    }
    attrs.extend(inner.into_iter().map(|attr| Attribute { style: AttrStyle::Outer, ..attr }));
    Ok(same_braces(body, rest))
}

/// A group in braces with the span of another one.
pub(crate) fn same_braces(like: &Group, content: TokenStream) -> Group {
    let mut group = Group::new(Delimiter::Brace, content);
    group.set_span(like.span());
    group
}

/// The `#[cfg]` attributes of an item.
pub(crate) fn conditions(attrs: &[Attribute]) -> Vec<Attribute> {
    attrs.iter().filter(|attr| attr.path().is_ident("cfg")).cloned().collect()
}

/// The variables that the arguments bind.
pub(crate) fn argument_names(sig: &Signature) -> Vec<Ident> {
    let patterns = sig.inputs.iter().filter_map(|argument| match argument {
        FnArg::Typed(typed) => Some(&*typed.pat),
        FnArg::Receiver(_) => None,
    });
    patterns.flat_map(bound_names).collect()
}

pub(crate) fn bound_names(pat: &Pat) -> Vec<Ident> {
    struct Names(Vec<Ident>);
    impl<'ast> Visit<'ast> for Names {
        fn visit_pat_ident(&mut self, pat: &'ast PatIdent) {
            self.0.push(pat.ident.clone());
            visit::visit_pat_ident(self, pat);
        }
    }
    let mut names = Names(Vec::new());
    names.visit_pat(pat);
    names.0
}

#[cfg(test)]
mod tests {
    use quote::quote;
    use syn::{parse_quote, parse2};

    use super::Function;

    #[test]
    fn a_half_typed_body_is_no_error() {
        let function: Function =
            parse_quote!(async fn load(&self, id: u32) -> Result<u8, Error> { let x = self. ; x. });
        assert!(function.sig.receiver().is_some());
        assert!(
            parse2::<Function>(quote!(
                fn load() -> u8;
            ))
            .is_err()
        );
    }
}
