//! What the spelling of expressions, paths and types says.
//!
//! `macro_rules!` leaves invisible groups around its fragments; a spelling is the same with them and with parentheses.

use syn::{Expr, GenericArgument, Lit, Path, PathArguments, PathSegment, Type, UnOp};

/// The expression inside groups and parentheses.
pub(crate) fn ungrouped(mut expr: &Expr) -> &Expr {
    loop {
        expr = match expr {
            Expr::Group(group) => &group.expr,
            Expr::Paren(paren) => &paren.expr,
            _ => return expr,
        };
    }
}

pub(crate) fn literal(expr: &Expr) -> Option<&Lit> {
    match ungrouped(expr) {
        Expr::Lit(literal) => Some(&literal.lit),
        _ => None,
    }
}

pub(crate) fn text(expr: &Expr) -> Option<String> {
    match literal(expr)? {
        Lit::Str(text) => Some(text.value()),
        _ => None,
    }
}

pub(crate) fn is_negative(expr: &Expr) -> bool {
    matches!(ungrouped(expr), Expr::Unary(unary) if matches!(unary.op, UnOp::Neg(_)))
}

pub(crate) fn path(expr: &Expr) -> Option<&Path> {
    match ungrouped(expr) {
        Expr::Path(path) if path.qself.is_none() => Some(&path.path),
        _ => None,
    }
}

/// Whether the last name of a path is one of these.
pub(crate) fn ends_in(path: &Path, names: &[&str]) -> bool {
    path.segments.last().is_some_and(|last| names.iter().any(|name| last.ident == name))
}

/// The type inside groups and parentheses.
pub(crate) fn ungrouped_type(mut ty: &Type) -> &Type {
    loop {
        ty = match ty {
            Type::Group(group) => &group.elem,
            Type::Paren(paren) => &paren.elem,
            _ => return ty,
        };
    }
}

pub(crate) fn last_segment(ty: &Type) -> Option<&PathSegment> {
    match ungrouped_type(ty) {
        Type::Path(path) => path.path.segments.last(),
        _ => None,
    }
}

/// The types in the angle brackets.
pub(crate) fn types(segment: &PathSegment) -> impl Iterator<Item = &Type> {
    let arguments = match &segment.arguments {
        PathArguments::AngleBracketed(arguments) => Some(&arguments.args),
        _ => None,
    };
    arguments.into_iter().flatten().filter_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    })
}

/// The first type in the angle brackets.
pub(crate) fn first_type(segment: &PathSegment) -> Option<&Type> {
    types(segment).next()
}
