//! The plug-in in C, built with cc alone, against the same mask written here.
#![allow(clippy::print_stderr, reason = "tells what was passed over")]
#![allow(unsafe_code, reason = "plays the host")]

use std::path::Path;
use std::process::Command;
use std::ptr;

use palimpsest_abi::corruption::{self as c, Argument, Table, Value};
use palimpsest_abi::{Code, Entry, Error, Head, Kind, MAJOR, Str};
use palimpsest_sdk::{Philox, Stream};

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../c-stripes");

fn built(folder: &Path) -> Option<libloading::Library> {
    if Command::new("cc").arg("--version").output().is_err()
        || Command::new("make").arg("-v").output().is_err()
    {
        eprintln!("passed over: no cc and make on this machine");
        return None;
    }
    let library = folder.join("libstripes.so");
    let made = Command::new("make")
        .args(["-C", SOURCE, "CFLAGS=-O1 -Werror -Wconversion"])
        .arg(format!("OUT={}", library.display()))
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    // SAFETY: built a moment ago of the source beside this crate.
    Some(unsafe { libloading::Library::new(&library) }.unwrap())
}

#[test]
fn stripes_in_c() {
    let folder = tempfile::tempdir().unwrap();
    let Some(library) = built(folder.path()) else { return };
    // SAFETY: what it exports, by the contract.
    let entry: &Entry = unsafe { &**library.get::<*const Entry>(b"palimpsest_entry").unwrap() };
    assert_eq!(
        (entry.major, entry.kind, entry.head.size),
        (MAJOR, Kind::Corruption as u32, size_of::<Entry>())
    );
    // SAFETY: a strategy's table, as its kind says.
    let table = unsafe { &*entry.table.cast::<Table>() };

    let argument = |name, integer| Argument {
        name: Str::of(name),
        value: Value { integer, real: 0.0, text: Str::of("") },
    };
    let (mut instance, mut error) = (ptr::null_mut(), Error::new());
    let bad = [argument("width", 0)];
    // SAFETY: here and below, everything lent lives until the call returns.
    let code = unsafe { (table.create)(bad.as_ptr(), 1, &raw mut instance, &raw mut error) };
    assert_eq!(code, Code::User as u32);
    assert_eq!(&error.place[..error.place_len as usize], b"width");
    let good = [argument("width", 2), argument("gap", 1)];
    // SAFETY: as above.
    let code = unsafe { (table.create)(good.as_ptr(), 2, &raw mut instance, &raw mut error) };
    assert_eq!(code, Code::Ok as u32);

    let (rows, columns, batch) = (5_u32, 7, 6);
    let geometry = c::Geometry {
        head: Head::of::<c::Geometry>(),
        channels: 3,
        height: rows * 4,
        width: columns * 4,
        patch: 4,
        grid_h: rows,
        grid_w: columns,
        prefix: 1,
        dim: 16,
        depth: 2,
        heads: 2,
    };
    let tokens = rows * columns;
    let (seed, step, first_sample) = (u64::MAX - 5, 1 << 40, (1 << 33) + 3);
    let request = c::PlanRequest {
        head: Head::of::<c::PlanRequest>(),
        geometry: &raw const geometry,
        batch,
        tokens,
        seed,
        step,
        first_sample,
        progress: 0.0,
        scores: ptr::null(),
    };
    let count = (batch * tokens) as usize;
    let (mut roles, mut gain, mut noise) = (vec![0_u8; count], vec![1.0_f32; count], vec![0.0_f32; count]);
    let mut source = vec![0_u32; count];
    let mut plan = c::Plan {
        head: Head::of::<c::Plan>(),
        roles: roles.as_mut_ptr(),
        gain: gain.as_mut_ptr(),
        noise: noise.as_mut_ptr(),
        source: source.as_mut_ptr(),
        flags: 0,
        reserved: 0,
    };
    // SAFETY: as above.
    let code = unsafe { (table.plan)(instance, &raw const request, &raw mut plan, &raw mut error) };
    assert_eq!(code, Code::Ok as u32);
    let mut phases = [0; 3];
    for (image, roles) in roles.chunks(tokens as usize).enumerate() {
        let phase = Philox::new(seed, Stream::Mask, step, first_sample + image as u64).below(3);
        phases[phase] += 1;
        for (token, &role) in roles.iter().enumerate() {
            let diagonal = token / columns as usize + token % columns as usize;
            let masked = (diagonal + phase) % 3 < 2;
            assert_eq!(role == c::MASKED, masked, "token {token} of image {image}");
        }
    }
    assert!(phases.iter().filter(|&&n| n > 0).count() > 1, "the phase differs between images: {phases:?}");

    // A host whose structs are too short is refused.
    let mut short = request;
    short.head.size = 32;
    // SAFETY: as above.
    let code = unsafe { (table.plan)(instance, &raw const short, &raw mut plan, &raw mut error) };
    assert_eq!(code, Code::Failure as u32);
    // SAFETY: made by `create`, given back once.
    unsafe { (table.destroy)(instance) };
}
