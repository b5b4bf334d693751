//! The arguments of one attribute, read as the [table](super::table) says.

use proc_macro2::{Ident, Span, TokenStream};
use syn::{Error, Expr, ExprLit, Lit, LitStr, Result};

use super::argument::Argument;
use super::mode::Mode;
use super::syntax::{List, Written, WrittenValue};
use super::table::Place;
use super::unknown;
use super::value::Value;
use crate::errors::Errors;

/// The mode and the arguments of one attribute, with the options of `cached`.
#[derive(Default)]
pub(crate) struct Args {
    pub(crate) mode: Mode,
    /// All modes that are written; more than one is an error.
    pub(crate) modes: Vec<Ident>,
    /// Whether something is written that may be meant as the key, and has an error already.
    pub(crate) has_a_nameless_key: bool,
    given: Vec<Given>,
}

/// One argument that is written.
struct Given {
    argument: &'static Argument,
    span: Span,
    /// The value, if it is valid.
    value: Option<Value>,
}

impl Args {
    /// Reads the tokens between the parentheses of the attribute.
    pub(crate) fn read(tokens: TokenStream, errors: &mut Errors) -> Self {
        let mut args = Self::default();
        args.read_list(tokens, Place::Attribute, errors);
        args
    }

    /// The value of an argument, if it is written and valid.
    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.find(name)?.value.as_ref()
    }

    /// The place where an argument is written, whether its value is valid or not.
    pub(crate) fn span(&self, name: &str) -> Option<Span> {
        self.find(name).map(|given| given.span)
    }

    /// The arguments that are written, in their order, with the places of their names.
    pub(crate) fn written(&self) -> impl Iterator<Item = (&'static Argument, Span)> {
        self.given.iter().map(|given| (given.argument, given.span))
    }

    /// The valid arguments, in the order of the table.
    pub(crate) fn values(&self) -> impl Iterator<Item = (&'static Argument, &Value)> {
        Place::all_rows().filter_map(|argument| Some((argument, self.get(argument.name)?)))
    }

    fn find(&self, name: &str) -> Option<&Given> {
        debug_assert!(
            Place::all_rows().any(|argument| argument.name == name),
            "`{name}` has no row in the table"
        );
        self.given.iter().find(|given| given.argument.name == name)
    }

    fn read_list(&mut self, tokens: TokenStream, place: Place, errors: &mut Errors) {
        for written in errors.take(syn::parse2(tokens)).map_or_else(Vec::new, |List(list)| list) {
            self.has_a_nameless_key |= written.is_err() && place == Place::Attribute;
            let taken = written.and_then(|written| self.take(written, place, errors));
            errors.take(taken);
        }
    }

    fn take(&mut self, written: Written, place: Place, errors: &mut Errors) -> Result<()> {
        let (text, span) = (written.name.to_string(), written.name.span());
        if self.modes.contains(&written.name) || self.given.iter().any(|given| given.argument.name == text) {
            return Err(Error::new(span, format!("`{text}` is written twice: remove one of them")));
        }
        if let Some(mode) = Mode::named(&text).filter(|_| place == Place::Attribute) {
            return self.take_mode(mode, written, errors);
        }
        let Some(argument) = place.find(&text) else {
            let alone = matches!(written.value, WrittenValue::None);
            let message = unknown::message(&text, place, alone);
            self.has_a_nameless_key |= message.may_be_the_key;
            return Err(Error::new(span, message.text));
        };
        let value = value_of(argument, written, place).and_then(|expr| Value::read(argument, expr));
        // An argument counts as written even if its value is not valid.
        self.given.push(Given { argument, span, value: errors.take(value) });
        Ok(())
    }

    fn take_mode(&mut self, mode: Mode, Written { name, value }: Written, errors: &mut Errors) -> Result<()> {
        self.mode = mode;
        self.modes.push(name.clone());
        match value {
            WrittenValue::None => Ok(()),
            WrittenValue::Broken(error) => Err(error),
            WrittenValue::Expr(expr) => Err(Error::new_spanned(
                &expr,
                format!("`{name}` is a mode without a value: write `{name}` alone"),
            )),
            WrittenValue::List(list) if mode == Mode::Cached => {
                self.read_list(list, Place::Cached, errors);
                Ok(())
            }
            WrittenValue::List(list) if list.is_empty() => Ok(()),
            WrittenValue::List(list) => Err(Error::new_spanned(
                &list,
                format!("`{name}` is a mode without options: write `{name}` alone"),
            )),
        }
    }
}

/// The expression after `=`, or the one that the name alone stands for.
fn value_of(argument: &Argument, Written { name, value }: Written, place: Place) -> Result<Expr> {
    let example = place.example(argument);
    match (value, argument.alone) {
        (WrittenValue::Expr(expr), _) => Ok(*expr),
        (WrittenValue::Broken(error), _) => Err(error),
        (WrittenValue::None, Some(alone)) => {
            Ok(Expr::Lit(ExprLit { attrs: Vec::new(), lit: Lit::Str(LitStr::new(alone, name.span())) }))
        }
        (WrittenValue::None, None) => {
            Err(Error::new(name.span(), format!("`{name}` needs a value: write `{example}`")))
        }
        (WrittenValue::List(list), _) => {
            let message = format!("`{name}` takes its value after `=`: write `{example}`");
            Err(Error::new_spanned(&list, message))
        }
    }
}
