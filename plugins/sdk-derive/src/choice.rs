//! `#[derive(Choice)]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Data, DeriveInput, Error, Fields, Result};

pub(crate) fn derive(input: &DeriveInput) -> Result<TokenStream> {
    let name = &input.ident;
    let Data::Enum(data) = &input.data else {
        return Err(Error::new_spanned(name, "`Choice` is for enums"));
    };
    if data.variants.is_empty() {
        return Err(Error::new_spanned(name, "`Choice` needs at least one variant"));
    }
    for variant in &data.variants {
        if !matches!(variant.fields, Fields::Unit) {
            return Err(Error::new_spanned(variant, "a choice is a name alone: remove the variant's fields"));
        }
        if let Some((_, number)) = &variant.discriminant {
            return Err(Error::new_spanned(number, "a choice is a name alone: remove its number"));
        }
    }
    let variants: Vec<_> = data.variants.iter().map(|variant| &variant.ident).collect();
    let names: Vec<String> = variants.iter().map(|variant| snake(&variant.to_string())).collect();
    Ok(quote! {
        impl ::palimpsest_sdk::Choice for #name {
            const NAMES: &'static [::palimpsest_sdk::export::abi::Str] =
                &[#(::palimpsest_sdk::export::abi::Str::of(#names)),*];
            const ALL: &'static [Self] = &[#(Self::#variants),*];
            fn name(self) -> &'static str {
                match self { #(Self::#variants => #names),* }
            }
        }
    })
}

/// `HalfCosine` as `half_cosine`.
fn snake(name: &str) -> String {
    let mut out = String::new();
    for (i, letter) in name.chars().enumerate() {
        if letter.is_uppercase() && i > 0 {
            out.push('_');
        }
        out.extend(letter.to_lowercase());
    }
    out
}
