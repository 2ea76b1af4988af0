//! `#[derive(Parameters)]`.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{
    Attribute, Data, DeriveInput, Error, Expr, ExprArray, ExprRange, Field, Fields, Lit, LitFloat, LitStr,
    RangeLimits, Result, Type,
};

/// Keys of the recipe's table that are not the strategy's.
const RESERVED: [&str; 2] = ["kind", "at"];

pub(crate) fn derive(input: &DeriveInput) -> Result<TokenStream> {
    let name = &input.ident;
    let Data::Struct(data) = &input.data else {
        return Err(Error::new_spanned(name, "`Parameters` is for structs; an enum derives `Choice`"));
    };
    if !input.generics.params.is_empty() {
        return Err(Error::new_spanned(&input.generics, "a strategy's parameters can't be generic"));
    }
    let fields: Vec<&Field> = match &data.fields {
        Fields::Named(fields) => fields.named.iter().collect(),
        Fields::Unit => Vec::new(),
        Fields::Unnamed(fields) => {
            return Err(Error::new_spanned(fields, "a parameter needs a name: write `struct Name { field: type }`"));
        }
    };
    let mut made = Vec::new();
    let mut wrong: Option<Error> = None;
    for (i, field) in fields.into_iter().enumerate() {
        match parameter(i, field) {
            Ok(parameter) => made.push(parameter),
            Err(error) => match &mut wrong {
                Some(all) => all.combine(error),
                None => wrong = Some(error),
            },
        }
    }
    if let Some(wrong) = wrong {
        return Err(wrong);
    }
    let idents: Vec<_> = made.iter().map(|p| &p.ident).collect();
    let describe: Vec<_> = made.iter().map(|p| &p.describe).collect();
    let read: Vec<_> = made.iter().map(|p| &p.read).collect();
    let check: Vec<_> = made.iter().map(|p| &p.check).collect();
    Ok(quote! {
        #(#check)*
        impl ::palimpsest_sdk::Parameters for #name {
            const PARAMETERS: &'static [::palimpsest_sdk::export::abi::corruption::Parameter] = &[#(#describe),*];
            fn from_arguments(arguments: &::palimpsest_sdk::export::Arguments) -> Self {
                let _ = arguments;
                Self { #(#idents: #read),* }
            }
        }
    })
}

/// What a field becomes.
struct Made {
    ident: syn::Ident,
    /// An expression: its description.
    describe: TokenStream,
    /// An expression: its value from `arguments`.
    read: TokenStream,
    /// An item: what the compiler has to check.
    check: TokenStream,
}

/// `#[param(…)]` as written.
#[derive(Default)]
struct Attributes {
    default: Option<Expr>,
    range: Option<ExprRange>,
    choices: Option<Vec<LitStr>>,
}

fn parameter(i: usize, field: &Field) -> Result<Made> {
    let Some(ident) = field.ident.clone() else {
        return Err(Error::new_spanned(field, "a parameter needs a name"));
    };
    let name = ident.to_string();
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if !name.chars().all(plain) {
        return Err(Error::new_spanned(&ident, "a parameter's name has lower case letters, digits and `_`"));
    }
    if RESERVED.contains(&name.as_str()) {
        return Err(Error::new_spanned(&ident, format!("`{name}` is a key of every recipe: choose another name")));
    }
    let doc = crate::docs::line(&field.attrs);
    if doc.is_empty() {
        return Err(Error::new_spanned(
            &ident,
            format!("`{name}` needs a doc comment: it is what users read of the parameter"),
        ));
    }
    let attributes = attributes(&field.attrs)?;
    let Some(default) = attributes.default else {
        return Err(Error::new_spanned(&ident, format!("`{name}` needs a default: #[param(default = …)]")));
    };
    let kind = kind(&field.ty);
    let numeric = matches!(kind, Kind::Integer | Kind::Float);
    if let (Some(range), false) = (&attributes.range, numeric) {
        return Err(Error::new_spanned(range, "a range is for numbers"));
    }
    if let (Some([first, ..]), false) = (attributes.choices.as_deref(), matches!(kind, Kind::Text)) {
        return Err(Error::new_spanned(first, "choices are for a String; an enum with `Choice` has its own"));
    }
    let ty = &field.ty;
    let span = default.span();
    let describe = quote!(::palimpsest_sdk::export::describe);
    let made = |describe, read, check| Made { ident: ident.clone(), describe, read, check };
    Ok(match kind {
        Kind::Flag => {
            made(quote!(#describe::flag(#name, #doc, #default)), quote!(arguments.flag(#i)), quote!())
        }
        Kind::Integer => {
            let (low, high) = ends(attributes.range.as_ref())?;
            let low_or = low.map_or_else(|| quote!(<#ty>::MIN), |low| quote!(#low));
            let high_or = high.map_or_else(|| quote!(<#ty>::MAX), |high| quote!(#high));
            // The bounds of i64 are no bounds; usize is wider than what crosses.
            let text = quote!(#ty).to_string();
            let min = if low.is_none() && text == "i64" { quote!(f64::NEG_INFINITY) } else { quote!(MIN as f64) };
            let max = if high.is_none() && text != "u32" { quote!(f64::INFINITY) } else { quote!(MAX as f64) };
            let message = format!("the default of `{name}` is outside its range");
            made(
                quote! {{
                    const DEFAULT: #ty = #default;
                    const MIN: #ty = #low_or;
                    const MAX: #ty = #high_or;
                    #describe::integer(#name, #doc, DEFAULT as i64, #min, #max)
                }},
                quote!(arguments.integer(#i) as #ty),
                quote_spanned!(span=> const _: () = {
                    const DEFAULT: #ty = #default;
                    assert!(DEFAULT >= #low_or && DEFAULT <= #high_or, #message);
                };),
            )
        }
        Kind::Float => {
            let (low, high) = ends(attributes.range.as_ref())?;
            let default = real(&default);
            let low = low.map_or_else(|| quote!(f64::NEG_INFINITY), real);
            let high = high.map_or_else(|| quote!(f64::INFINITY), real);
            let message = format!("the default of `{name}` is outside its range");
            made(
                quote!(#describe::real(#name, #doc, #default, #low, #high)),
                quote!(arguments.real(#i) as #ty),
                quote_spanned!(span=> const _: () = {
                    const DEFAULT: f64 = #default;
                    assert!(DEFAULT >= #low && DEFAULT <= #high, #message);
                };),
            )
        }
        Kind::Text => {
            let choices = attributes.choices.unwrap_or_default();
            if !choices.is_empty() {
                let listed = match &default {
                    Expr::Lit(literal) => match &literal.lit {
                        Lit::Str(text) => choices.iter().any(|choice| choice.value() == text.value()),
                        _ => false,
                    },
                    _ => false,
                };
                if !listed {
                    return Err(Error::new_spanned(&default, format!("the default of `{name}` is not one of its choices")));
                }
            }
            made(
                quote! {{
                    const CHOICES: &[::palimpsest_sdk::export::abi::Str] =
                        &[#(::palimpsest_sdk::export::abi::Str::of(#choices)),*];
                    #describe::text(#name, #doc, #default, CHOICES)
                }},
                quote!(arguments.text(#i).to_owned()),
                quote!(),
            )
        }
        Kind::Choice => made(
            quote! {{
                const DEFAULT: #ty = #default;
                #describe::choice(#name, #doc, DEFAULT as usize, <#ty as ::palimpsest_sdk::Choice>::NAMES)
            }},
            quote!(arguments.choice::<#ty>(#i)),
            quote!(),
        ),
    })
}

fn attributes(all: &[Attribute]) -> Result<Attributes> {
    let mut out = Attributes::default();
    for attribute in all.iter().filter(|attribute| attribute.path().is_ident("param")) {
        attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("default") {
                out.default = Some(meta.value()?.parse()?);
            } else if meta.path.is_ident("range") {
                let expr: Expr = meta.value()?.parse()?;
                let Expr::Range(range) = expr else {
                    return Err(Error::new_spanned(expr, "a range is written as in `0.0..=1.0` or `1..`"));
                };
                out.range = Some(range);
            } else if meta.path.is_ident("choices") {
                let list: ExprArray = meta.value()?.parse()?;
                let text = |expr: &Expr| match expr {
                    Expr::Lit(literal) => match &literal.lit {
                        Lit::Str(text) => Ok(text.clone()),
                        other => Err(Error::new_spanned(other, "a choice is a text")),
                    },
                    other => Err(Error::new_spanned(other, "a choice is a text")),
                };
                out.choices = Some(list.elems.iter().map(text).collect::<Result<_>>()?);
            } else {
                return Err(meta.error("unknown: a parameter has `default`, `range` and `choices`"));
            }
            Ok(())
        })?;
    }
    Ok(out)
}

enum Kind {
    Flag,
    Integer,
    Float,
    Text,
    Choice,
}

fn kind(ty: &Type) -> Kind {
    let Type::Path(path) = ty else { return Kind::Choice };
    match path.path.segments.last().map(|segment| segment.ident.to_string()).as_deref() {
        Some("bool") => Kind::Flag,
        Some("i64" | "u32" | "usize") => Kind::Integer,
        Some("f32" | "f64") => Kind::Float,
        Some("String") => Kind::Text,
        _ => Kind::Choice,
    }
}

/// The ends of a range, which it includes.
fn ends(range: Option<&ExprRange>) -> Result<(Option<&Expr>, Option<&Expr>)> {
    let Some(range) = range else { return Ok((None, None)) };
    if matches!(range.limits, RangeLimits::HalfOpen(_)) && range.end.is_some() {
        return Err(Error::new_spanned(range, "a range includes its ends: write `..=`"));
    }
    Ok((range.start.as_deref(), range.end.as_deref()))
}

/// A whole number may stand for a real one.
fn real(expr: &Expr) -> TokenStream {
    match expr {
        Expr::Unary(unary) if matches!(unary.op, syn::UnOp::Neg(_)) => {
            let inner = real(&unary.expr);
            quote!(-#inner)
        }
        Expr::Lit(literal) => match &literal.lit {
            Lit::Int(number) if number.suffix().is_empty() => {
                let number = LitFloat::new(&format!("{}.0", number.base10_digits()), number.span());
                quote!(#number)
            }
            other => quote!(#other),
        },
        other => quote!(#other),
    }
}
