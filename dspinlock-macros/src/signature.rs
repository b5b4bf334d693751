//! The function under the attribute: its signature parsed, its body left as the tokens it is.
//!
//! Nothing here changes the signature. A body that an editor shows half-typed still expands, and a long one costs
//! nothing to read.

use proc_macro2::{Delimiter, Group, Ident, TokenStream, TokenTree};
use quote::ToTokens;
use syn::parse::{Parse, ParseStream, Parser};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::visit_mut::{self, VisitMut};
use syn::{
    AttrStyle, Attribute, Error, FnArg, GenericParam, ParenthesizedGenericArguments, Pat, PatIdent, PatType,
    Result, ReturnType, Signature, Token, TraitBound, Type, TypeFnPtr, TypeImplTrait, TypeInfer, TypePath,
    Visibility,
};

/// A function or method with a body.
pub(crate) struct Function {
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) vis: Visibility,
    pub(crate) sig: Signature,
    /// The body with its own braces, whose spans say where the function ends.
    pub(crate) body: Group,
}

impl Parse for Function {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let mut attrs = input.call(Attribute::parse_outer)?;
        let vis: Visibility = input.parse()?;
        let is_function = ["const", "async", "unsafe", "safe", "extern", "fn"]
            .iter()
            .any(|keyword| input.cursor().ident().is_some_and(|(ident, _)| ident == keyword));
        if !is_function {
            let message =
                "`#[dspinlock]` goes on a function or a method; of an `impl`, on each method to be locked";
            return Err(input.error(message));
        }
        let sig: Signature = input.parse()?;
        if input.peek(Token![;]) {
            let message =
                "there is no body to lock here; put the attribute on the functions of the `impl` blocks";
            return Err(input.error(message));
        }
        let token = input.parse()?;
        let body =
            braces(&token).ok_or_else(|| Error::new(token.span(), "expected the body of the function"))?;
        let body = without_inner_attributes(&body, &mut attrs)?;
        Ok(Self { attrs, vis, sig, body })
    }
}

/// A group in braces, also inside of the invisible groups that `macro_rules!` leaves around its fragments.
fn braces(token: &TokenTree) -> Option<Group> {
    let TokenTree::Group(group) = token else { return None };
    match group.delimiter() {
        Delimiter::Brace => Some(group.clone()),
        Delimiter::None => braces(&group.stream().into_iter().next()?),
        _ => None,
    }
}

/// Attributes inside the body (`#![…]`) move above the function: the body becomes a block, where they may not stand.
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

/// A brace group in the place of another one.
pub(crate) fn same_braces(like: &Group, content: TokenStream) -> Group {
    let mut group = Group::new(Delimiter::Brace, content);
    group.set_span(like.span());
    group
}

/// A type that can stand in an expression: `impl Trait` becomes `_`.
pub(crate) fn nameable(ty: &Type) -> Type {
    struct Infer;
    impl VisitMut for Infer {
        fn visit_type_mut(&mut self, ty: &mut Type) {
            if let Type::ImplTrait(opaque) = ty {
                *ty =
                    Type::Infer(TypeInfer { attrs: Vec::new(), underscore_token: Token![_](opaque.span()) });
            } else {
                visit_mut::visit_type_mut(self, ty);
            }
        }
    }
    let mut ty = ty.clone();
    Infer.visit_type_mut(&mut ty);
    ty
}

/// The part of a type that says by its spelling that it is a future.
pub(crate) fn names_a_future(output: &ReturnType) -> Option<TokenStream> {
    struct Find(Option<TokenStream>);
    impl<'ast> Visit<'ast> for Find {
        fn visit_trait_bound(&mut self, bound: &'ast TraitBound) {
            if bound
                .path
                .segments
                .last()
                .is_some_and(|last| last.ident == "Future" || last.ident == "IntoFuture")
            {
                self.0.get_or_insert(bound.to_token_stream());
            }
            visit::visit_trait_bound(self, bound);
        }
        fn visit_type_path(&mut self, ty: &'ast TypePath) {
            if ty
                .path
                .segments
                .last()
                .is_some_and(|last| last.ident == "BoxFuture" || last.ident == "LocalBoxFuture")
            {
                self.0.get_or_insert(ty.to_token_stream());
            }
            visit::visit_type_path(self, ty);
        }
        // A function that makes futures later is not a future.
        fn visit_type_fn_ptr(&mut self, _: &'ast TypeFnPtr) {}
        fn visit_parenthesized_generic_arguments(&mut self, _: &'ast ParenthesizedGenericArguments) {}
    }
    let mut find = Find(None);
    find.visit_return_type(output);
    find.0
}

/// Whether a type, by its spelling alone, has no room for an error.
pub(crate) fn has_no_room_for_an_error(ty: &Type) -> bool {
    match ty {
        Type::Tuple(_)
        | Type::Reference(_)
        | Type::Slice(_)
        | Type::Array(_)
        | Type::Never(_)
        | Type::Ptr(_)
        | Type::FnPtr(_) => true,
        Type::Paren(inner) => has_no_room_for_an_error(&inner.elem),
        Type::Group(inner) => has_no_room_for_an_error(&inner.elem),
        Type::Path(path) if path.qself.is_none() => path.path.segments.last().is_some_and(|last| {
            const WITHOUT: [&str; 20] = [
                "bool", "char", "str", "String", "Option", "Vec", "i8", "i16", "i32", "i64", "i128", "isize",
                "u8", "u16", "u32", "u64", "u128", "usize", "f32", "f64",
            ];
            WITHOUT.iter().any(|name| last.ident == name)
        }),
        _ => false,
    }
}

/// What tells the instances of one function apart, and where the function has it: the `#[cfg]` it is under.
///
/// What belongs to the surrounding `impl` or trait is not seen here; the compiler tells it when the function runs.
pub(crate) struct Qualifier {
    pub(crate) conditions: Vec<Attribute>,
    pub(crate) kind: QualifierKind,
}

pub(crate) enum QualifierKind {
    TypeParam(Ident),
    ConstParam(Ident),
    /// A variable bound by an argument whose type has an `impl Trait` in it.
    Argument(Ident),
}

/// The qualifiers of a function, in the order of the signature.
///
/// # Errors
/// If an argument of type `impl Trait` has no name by which its type could be asked for.
pub(crate) fn qualifiers(sig: &Signature) -> Result<Vec<Qualifier>> {
    let mut found = Vec::new();
    for param in &sig.generics.params {
        let (attrs, kind) = match param {
            GenericParam::Type(param) => (&param.attrs, QualifierKind::TypeParam(param.ident.clone())),
            GenericParam::Const(param) => (&param.attrs, QualifierKind::ConstParam(param.ident.clone())),
            GenericParam::Lifetime(_) => continue,
        };
        found.push(Qualifier { conditions: conditions(attrs), kind });
    }
    for argument in &sig.inputs {
        if let FnArg::Typed(PatType { attrs, pat, ty, .. }) = argument
            && has_impl_trait(ty)
        {
            let names = bound_names(pat);
            if names.is_empty() {
                let message = "an argument of type `impl Trait` needs a name, since its type keeps the keys apart; \
                               or write `namespace = \"…\"`, and with `cached` a `schema`";
                return Err(Error::new_spanned(argument, message));
            }
            found.extend(names.into_iter().map(|name| Qualifier {
                conditions: conditions(attrs),
                kind: QualifierKind::Argument(name),
            }));
        }
    }
    Ok(found)
}

/// On which conditions something is there.
pub(crate) fn conditions(attrs: &[Attribute]) -> Vec<Attribute> {
    attrs.iter().filter(|attr| attr.path().is_ident("cfg")).cloned().collect()
}

pub(crate) fn has_impl_trait(ty: &Type) -> bool {
    struct Find(bool);
    impl<'ast> Visit<'ast> for Find {
        fn visit_type_impl_trait(&mut self, _: &'ast TypeImplTrait) {
            self.0 = true;
        }
    }
    let mut find = Find(false);
    find.visit_type(ty);
    find.0
}

/// The variables that the arguments bind.
pub(crate) fn argument_names(sig: &Signature) -> Vec<Ident> {
    let patterns = sig.inputs.iter().filter_map(|argument| match argument {
        FnArg::Typed(typed) => Some(&*typed.pat),
        FnArg::Receiver(_) => None,
    });
    patterns.flat_map(bound_names).collect()
}

fn bound_names(pat: &Pat) -> Vec<Ident> {
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
    use syn::{ReturnType, Type, parse_quote, parse2};

    use super::{Function, has_no_room_for_an_error, nameable, names_a_future};

    #[test]
    fn opaque_types_become_inferred_ones() {
        let ty = nameable(&parse_quote!(Result<impl Iterator<Item = u8>, Box<dyn Error>>));
        let expected: Type = parse_quote!(Result<_, Box<dyn Error>>);
        assert_eq!(quote!(#ty).to_string(), quote!(#expected).to_string());
    }

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

    #[test]
    fn futures_are_known_by_their_spelling() {
        let found = |output: ReturnType| names_a_future(&output).is_some();
        assert!(found(parse_quote!(-> impl Future<Output = u8> + Send)));
        assert!(found(parse_quote!(-> Pin<Box<dyn std::future::Future<Output = u8>>>)));
        assert!(found(parse_quote!(-> Result<BoxFuture<'static, ()>, E>)));
        assert!(!found(parse_quote!(-> Result<Box<dyn Fn() -> BoxFuture<'static, ()>>, E>)));
        assert!(!found(parse_quote!(-> Result<Futures, E>)));
    }

    #[test]
    fn types_that_hold_no_error() {
        assert!(has_no_room_for_an_error(&parse_quote!(())));
        assert!(has_no_room_for_an_error(&parse_quote!(std::option::Option<u8>)));
        assert!(has_no_room_for_an_error(&parse_quote!(&'static str)));
        assert!(!has_no_room_for_an_error(&parse_quote!(Alias)));
        assert!(!has_no_room_for_an_error(&parse_quote!(Result<(), E>)));
    }
}
