//! What the derives describe and read.
#![allow(unsafe_code, reason = "reads descriptions")]

use palimpsest_abi::Str;
use palimpsest_abi::corruption::{Parameter, ParameterType};
use palimpsest_sdk::prelude::*;

#[derive(Debug, Clone, Copy, PartialEq, Choice)]
enum Law {
    Linear,
    HalfCosine,
}

/// All types.
#[derive(Debug, PartialEq, Parameters)]
struct Everything {
    /// A share,
    /// in two lines.
    #[param(default = 0.25, range = 0..=1)]
    share: f64,
    /// A single-precision number.
    #[param(default = -1, range = -2.5..)]
    single: f32,
    /// A signed count.
    #[param(default = -3)]
    signed: i64,
    /// A small count.
    #[param(default = 7, range = ..=9)]
    small: u32,
    /// A size.
    #[param(default = 2, range = 1..)]
    size: usize,
    /// A flag.
    #[param(default = true)]
    flag: bool,
    /// A text.
    #[param(default = "free")]
    text: String,
    /// A law.
    #[param(default = Law::HalfCosine)]
    law: Law,
}

fn text(text: Str) -> &'static str {
    // SAFETY: the derive's static texts.
    std::str::from_utf8(unsafe { std::slice::from_raw_parts(text.ptr, text.len) }).unwrap()
}

#[test]
fn descriptions() {
    let (any, none) = (f64::NEG_INFINITY, f64::INFINITY);
    let due = [
        ("share", "A share, in two lines.", ParameterType::Real, 0.0, 1.0),
        ("single", "A single-precision number.", ParameterType::Real, -2.5, none),
        ("signed", "A signed count.", ParameterType::Integer, any, none),
        ("small", "A small count.", ParameterType::Integer, 0.0, 9.0),
        ("size", "A size.", ParameterType::Integer, 1.0, none),
        ("flag", "A flag.", ParameterType::Flag, any, none),
        ("text", "A text.", ParameterType::Text, any, none),
        ("law", "A law.", ParameterType::Text, any, none),
    ];
    let found: &[Parameter] = Everything::PARAMETERS;
    assert_eq!(found.len(), due.len());
    for (found, (name, doc, kind, min, max)) in found.iter().zip(due) {
        assert_eq!((text(found.name), text(found.doc), found.kind), (name, doc, kind as u32));
        assert_eq!((found.min, found.max), (min, max), "{name}");
    }
    let law = &found[7];
    // SAFETY: a static list with its length.
    let choices = unsafe { std::slice::from_raw_parts(law.choices, law.choice_count) };
    assert_eq!(choices.iter().map(|&c| text(c)).collect::<Vec<_>>(), ["linear", "half_cosine"]);
    assert_eq!(text(law.default.text), "half_cosine");
    assert!(found[6].choices.is_null());
}

#[test]
fn defaults() {
    let due = Everything {
        share: 0.25,
        single: -1.0,
        signed: -3,
        small: 7,
        size: 2,
        flag: true,
        text: "free".to_owned(),
        law: Law::HalfCosine,
    };
    assert_eq!(Everything::defaults(), due);
    assert_ne!(Law::Linear.name(), due.law.name());
}
