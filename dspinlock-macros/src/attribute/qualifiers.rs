//! What tells the instances of a generic function apart.

use proc_macro2::Ident;
use syn::{Attribute, Error, FnArg, GenericParam, PatType, Result, Signature};

use super::function::{bound_names, conditions};
use super::returns::has_impl_trait;

/// A parameter or an argument that is part of the name of an instance, with its `#[cfg]` attributes.
///
/// The parameters of the surrounding `impl` or trait are not visible here; the running function asks the compiler for them.
pub(crate) struct Qualifier {
    pub(crate) conditions: Vec<Attribute>,
    pub(crate) kind: QualifierKind,
}

pub(crate) enum QualifierKind {
    TypeParam(Ident),
    ConstParam(Ident),
    /// A variable of an argument whose type contains an `impl Trait`.
    Argument(Ident),
}

/// The qualifiers of a function, in the order of the signature.
///
/// # Errors
/// An argument of type `impl Trait` binds no variable of which the type could be asked.
pub(crate) fn of(sig: &Signature) -> Result<Vec<Qualifier>> {
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
                let message = "the type of an `impl Trait` argument is part of the namespace, so the argument needs a \
                               name: write one, or `namespace = \"…\"` (with `cached` also `schema = \"…\"`)";
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
