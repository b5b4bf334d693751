//! The bounds that a derived implementation adds to the parameters of its type.

use std::collections::HashSet;

use proc_macro2::Ident;
use quote::ToTokens as _;
use syn::visit::{self, Visit};
use syn::{Generics, Path, Type, TypePath, WhereClause, parse_quote};

/// The where clause of the type, extended so that these fields are keys.
///
/// As in the derives of std, the bounds are on the parameters and on the associated types that the fields name. They are
/// not on the types of the fields, which may be private or contain the type itself.
pub(super) fn extended<'a>(
    generics: &Generics,
    fields: impl Iterator<Item = &'a Type>,
    library: &Path,
) -> Option<WhereClause> {
    let mut generics = generics.clone();
    let mut found = Found {
        parameters: generics.type_params().map(|parameter| parameter.ident.clone()).collect(),
        bounded: Vec::new(),
        seen: HashSet::new(),
    };
    fields.for_each(|field| found.visit_type(field));
    if !found.bounded.is_empty() {
        let clause = generics.make_where_clause();
        for bounded in found.bounded {
            clause.predicates.push(parse_quote!(#bounded: #library::LockKey));
        }
    }
    generics.where_clause
}

/// Collects type parameters (`T`) and their associated types (`T::Id`, `<T as Entity>::Id`), each once.
struct Found {
    parameters: HashSet<Ident>,
    bounded: Vec<TypePath>,
    /// The same as text, since types cannot be compared.
    seen: HashSet<String>,
}

impl Visit<'_> for Found {
    fn visit_type_path(&mut self, path: &TypePath) {
        let of_parameter = match &path.qself {
            Some(qself) => matches!(&*qself.ty, Type::Path(of) if self.starts_with_parameter(of)),
            None => self.starts_with_parameter(path),
        };
        if !of_parameter {
            return visit::visit_type_path(self, path);
        }
        if self.seen.insert(path.to_token_stream().to_string()) {
            self.bounded.push(path.clone());
        }
    }
}

impl Found {
    fn starts_with_parameter(&self, path: &TypePath) -> bool {
        path.path.leading_colon.is_none()
            && path.path.segments.first().is_some_and(|first| self.parameters.contains(&first.ident))
    }
}
