//! What the spelling of a return type says. An alias hides it; the generated code leaves the decision to the compiler then.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::visit_mut::{self, VisitMut};
use syn::{
    Lifetime, ParenthesizedGenericArguments, ReturnType, Token, TraitBound, Type, TypeFnPtr, TypeImplTrait,
    TypeInfer, TypePath, TypeReference, parse_quote,
};

use super::spelling::{ends_in, first_type, last_segment, types, ungrouped_type};

/// The return type of a function; none is `()`.
#[derive(Clone, Copy)]
pub(crate) struct Returns<'a>(pub(crate) Option<&'a Type>);

impl<'a> Returns<'a> {
    /// The type as an expression may have it: `impl Trait` becomes `_`.
    pub(crate) fn nameable(self) -> Type {
        self.0.map_or_else(|| parse_quote!(()), nameable)
    }

    /// The type that `cached` stores: the first argument of a `Result`, or the whole type.
    pub(crate) fn stored(self) -> Option<&'a Type> {
        self.0.map(value_of).filter(|ty| !is_unit(ty))
    }

    /// Whether the spelling of the type has a lifetime other than `'static`.
    pub(crate) fn may_borrow(self) -> bool {
        struct Find(bool);
        impl<'ast> Visit<'ast> for Find {
            fn visit_lifetime(&mut self, lifetime: &'ast Lifetime) {
                self.0 |= lifetime.ident != "static";
            }
            fn visit_type_reference(&mut self, reference: &'ast TypeReference) {
                self.0 |= reference.lifetime.is_none();
                visit::visit_type_reference(self, reference);
            }
        }
        let mut find = Find(false);
        self.0.into_iter().for_each(|ty| find.visit_type(ty));
        find.0
    }

    /// Whether an error may fit into the type.
    pub(crate) fn has_room_for_an_error(self) -> bool {
        self.0.is_some_and(|ty| !has_no_room_for_an_error(ty))
    }
}

fn nameable(ty: &Type) -> Type {
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

/// The part of a return type that is spelled like a future.
pub(crate) fn names_a_future(output: &ReturnType) -> Option<TokenStream> {
    struct Find(Option<TokenStream>);
    impl<'ast> Visit<'ast> for Find {
        fn visit_trait_bound(&mut self, bound: &'ast TraitBound) {
            if ends_in(&bound.path, &["Future", "IntoFuture"]) {
                self.0.get_or_insert(bound.to_token_stream());
            }
            visit::visit_trait_bound(self, bound);
        }
        fn visit_type_path(&mut self, ty: &'ast TypePath) {
            if ends_in(&ty.path, &["BoxFuture", "LocalBoxFuture"]) {
                self.0.get_or_insert(ty.to_token_stream());
            }
            visit::visit_type_path(self, ty);
        }
        // A function that makes futures is not a future itself.
        fn visit_type_fn_ptr(&mut self, _: &'ast TypeFnPtr) {}
        fn visit_parenthesized_generic_arguments(&mut self, _: &'ast ParenthesizedGenericArguments) {}
    }
    let mut find = Find(None);
    find.visit_return_type(output);
    find.0
}

fn has_no_room_for_an_error(ty: &Type) -> bool {
    const WITHOUT: [&str; 20] = [
        "bool", "char", "str", "String", "Option", "Vec", "i8", "i16", "i32", "i64", "i128", "isize", "u8",
        "u16", "u32", "u64", "u128", "usize", "f32", "f64",
    ];
    match ungrouped_type(ty) {
        Type::Tuple(_)
        | Type::Reference(_)
        | Type::Slice(_)
        | Type::Array(_)
        | Type::Never(_)
        | Type::Ptr(_)
        | Type::FnPtr(_) => true,
        Type::Path(path) => path.qself.is_none() && ends_in(&path.path, &WITHOUT),
        _ => false,
    }
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

/// The first reference that a value of this type contains, as far as its spelling shows: a type of another name may not contain
/// its arguments.
pub(crate) fn reference(ty: &Type) -> Option<&TypeReference> {
    const CONTAINERS: [&str; 12] = [
        "Option",
        "Result",
        "Vec",
        "VecDeque",
        "Box",
        "Rc",
        "Arc",
        "HashMap",
        "BTreeMap",
        "HashSet",
        "BTreeSet",
        "BinaryHeap",
    ];
    match ungrouped_type(ty) {
        Type::Reference(reference) => Some(reference),
        Type::Tuple(tuple) => tuple.elems.iter().find_map(reference),
        Type::Array(array) => reference(&array.elem),
        Type::Slice(slice) => reference(&slice.elem),
        other => {
            let last = last_segment(other).filter(|last| CONTAINERS.iter().any(|name| last.ident == name))?;
            types(last).find_map(reference)
        }
    }
}

/// The first argument of a type that is spelled like a `Result`, or the type itself.
fn value_of(ty: &Type) -> &Type {
    let result = last_segment(ty).filter(|last| last.ident.to_string().ends_with("Result"));
    ungrouped_type(result.and_then(first_type).unwrap_or(ty))
}

fn is_unit(ty: &Type) -> bool {
    matches!(ty, Type::Tuple(tuple) if tuple.elems.is_empty())
}

#[cfg(test)]
mod tests {
    use quote::quote;
    use syn::{ReturnType, Type, parse_quote};

    use super::{has_no_room_for_an_error, nameable, names_a_future, reference};

    #[test]
    fn opaque_types_become_inferred_ones() {
        let ty = nameable(&parse_quote!(Result<impl Iterator<Item = u8>, Box<dyn Error>>));
        let expected: Type = parse_quote!(Result<_, Box<dyn Error>>);
        assert_eq!(quote!(#ty).to_string(), quote!(#expected).to_string());
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
    fn references_are_found_in_what_contains_them() {
        let found = |ty: Type| reference(&ty).is_some();
        assert!(found(parse_quote!(&'static str)));
        assert!(found(parse_quote!(Vec<(u8, Option<&str>)>)));
        assert!(found(parse_quote!(std::collections::HashMap<u8, [&[u8]; 2]>)));
        assert!(!found(parse_quote!(Cow<'static, str>)));
        assert!(!found(parse_quote!(Tagged<&'static str>)));
        assert!(!found(parse_quote!(Vec<fn(&str)>)));
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
