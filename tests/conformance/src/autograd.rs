//! What a backend's automatic differentiation promises whatever the operation, and derivatives at kinks that the
//! op set fixes.

use palimpsest_core::backend::NoGrad;
use palimpsest_core::tensor::{Op, OpKind};
use palimpsest_core::{DType, Error, Place, Result, Tensor};

use crate::outcome::Outcome;
use crate::subject::{Subject, Support};

/// The name in place of an operation's.
pub const NAME: &str = "autograd";

type Check = fn(&Place) -> Result<()>;

/// Leaves, passes, and what is not recorded.
pub fn test(subject: &mut Subject<'_>) -> Vec<Outcome> {
    let checks: [(&str, Check); 9] = [
        ("a leaf is its own gradient", own_gradient),
        ("an unused leaf has none", unused_leaf),
        ("a leaf that is used twice", used_twice),
        ("a second pass over the same leaves", second_pass),
        ("a gradient has no history", gradient_without_history),
        ("NoGrad records nothing", nothing_recorded),
        ("recording goes on after NoGrad", recording_again),
        ("detach cuts", detached),
        ("a saved input that is given away", saved_input),
    ];
    checks.into_iter().map(|(name, check)| run(subject, NAME, name, check)).collect()
}

/// The kinks of an operation.
pub(crate) fn kinks(subject: &mut Subject<'_>, kind: OpKind) -> Vec<Outcome> {
    let checks: &[(&str, Check)] = match kind {
        OpKind::Abs => &[("0 at 0", |place| {
            let x = leaf(place, &[-1.0, 0.0, 2.0])?;
            expect(&x.abs()?.sum_all()?.backward(&[&x])?, &[Some(&[-1.0, 0.0, 1.0])])
        })],
        OpKind::Clamp => &[("0 outside", |place| {
            let x = leaf(place, &[-1.0, 0.5, 1.0])?;
            expect(&x.clamp(-0.5, 0.75)?.sum_all()?.backward(&[&x])?, &[Some(&[0.0, 1.0, 0.0])])
        })],
        OpKind::Max => &[("to the first of equals", |place| {
            let x = leaf(place, &[1.0, 3.0, 3.0, 0.0])?;
            expect(&x.max(0)?.sum_all()?.backward(&[&x])?, &[Some(&[0.0, 1.0, 0.0, 0.0])])
        })],
        OpKind::RowEntropy => &[("finite at 0", |place| {
            let x = leaf(place, &[0.0, 1.0])?;
            let found = x.row_entropy()?.sum_all()?.backward(&[&x])?;
            let values = values(&found)?;
            let finite = values.iter().flatten().flatten().all(|value| value.is_finite());
            if finite { Ok(()) } else { Err(Error::failure(format!("{values:?}"))) }
        })],
        OpKind::Cast if subject.support(kind, DType::Bf16) == Support::Native => {
            &[("through bf16 and back", |place| {
                let x = leaf(place, &[1.0, 2.0])?;
                let there_and_back = x.cast(DType::Bf16)?.cast(DType::F32)?;
                expect(&there_and_back.mul_scalar(0.5)?.sum_all()?.backward(&[&x])?, &[Some(&[0.5, 0.5])])
            })]
        }
        _ => &[],
    };
    checks.iter().map(|&(name, check)| run(subject, kind.name(), name, check)).collect()
}

fn run(subject: &mut Subject<'_>, operation: &'static str, name: &str, check: Check) -> Outcome {
    let failure = subject.guard(check).err().map(|error| error.to_string());
    let error = if failure.is_some() { f64::INFINITY } else { 0.0 };
    Outcome { operation, dtype: DType::F32, case: name.to_owned(), error, limit: 0.0, failure }
}

/// Small whole numbers, so that every gradient here is exact.
fn leaf(place: &Place, values: &[f32]) -> Result<Tensor> {
    place.floats([values.len()], values.to_vec(), DType::F32)?.track()
}

fn values(found: &[Option<Tensor>]) -> Result<Vec<Option<Vec<f32>>>> {
    found.iter().map(|gradient| gradient.as_ref().map(|g| Ok(g.download()?.into_f32())).transpose()).collect()
}

fn expect(found: &[Option<Tensor>], due: &[Option<&[f32]>]) -> Result<()> {
    let got = values(found)?;
    let same = got.iter().map(Option::as_deref).eq(due.iter().copied());
    if same { Ok(()) } else { Err(Error::failure(format!("gradients {got:?} where {due:?} are due"))) }
}

/// Backward must refuse, or find no gradient: both say that nothing was recorded.
fn expect_none(loss: Tensor, leaf: &Tensor) -> Result<()> {
    match loss.backward(&[leaf]) {
        Err(_) => Ok(()),
        Ok(found) => expect(&found, &[None]),
    }
}

fn own_gradient(place: &Place) -> Result<()> {
    let x = place.full([], 2.0, DType::F32)?.track()?;
    expect(&x.clone().backward(&[&x])?, &[Some(&[1.0])])
}

fn unused_leaf(place: &Place) -> Result<()> {
    let (x, other) = (leaf(place, &[1.0, 2.0])?, leaf(place, &[3.0])?);
    expect(&x.mul(&x)?.sum_all()?.backward(&[&other, &x])?, &[None, Some(&[2.0, 4.0])])
}

fn used_twice(place: &Place) -> Result<()> {
    let (a, b) = (leaf(place, &[1.0, 2.0])?, leaf(place, &[3.0, 4.0])?);
    let loss = a.mul(&b)?.mul(&a)?.sum_all()?;
    // The same leaf may also be asked for twice.
    expect(&loss.backward(&[&a, &b, &a])?, &[Some(&[6.0, 16.0]), Some(&[1.0, 4.0]), Some(&[6.0, 16.0])])
}

fn second_pass(place: &Place) -> Result<()> {
    let (a, b) = (leaf(place, &[1.0, 2.0])?, leaf(place, &[3.0, 4.0])?);
    for _ in 0..2 {
        expect(&a.mul(&b)?.sum_all()?.backward(&[&a, &b])?, &[Some(&[3.0, 4.0]), Some(&[1.0, 2.0])])?;
    }
    Ok(())
}

fn gradient_without_history(place: &Place) -> Result<()> {
    let x = leaf(place, &[1.0, 2.0])?;
    match x.mul(&x)?.sum_all()?.backward(&[&x])?.into_iter().next().flatten() {
        Some(gradient) => expect_none(gradient.sum_all()?, &x),
        None => Err(Error::failure("no gradient")),
    }
}

fn nothing_recorded(place: &Place) -> Result<()> {
    let x = leaf(place, &[1.0, 2.0])?;
    let y = {
        let _off = NoGrad::new(place.backend.as_ref());
        x.mul(&x)?
    };
    expect_none(y.sum_all()?, &x)
}

fn recording_again(place: &Place) -> Result<()> {
    let x = leaf(place, &[1.0, 2.0])?;
    drop(NoGrad::new(place.backend.as_ref()));
    expect(&x.mul(&x)?.sum_all()?.backward(&[&x])?, &[Some(&[2.0, 4.0])])
}

fn detached(place: &Place) -> Result<()> {
    let x = leaf(place, &[1.0, 2.0])?;
    let square = x.mul(&x)?.detach()?;
    expect_none(square.sum_all()?, &x)?;
    // x² detached, times x: only the factor counts.
    expect(&square.mul(&x)?.sum_all()?.backward(&[&x])?, &[Some(&[1.0, 4.0])])
}

fn saved_input(place: &Place) -> Result<()> {
    let x = leaf(place, &[1.0, 2.0])?;
    // The product keeps its factors for backward: they may not be written over, though the last handle to them
    // is given away.
    let y = x.mul_scalar(2.0)?;
    let square = y.mul(&y)?;
    drop(Tensor::apply_owned(&Op::AddScalar { value: 9.0 }, vec![y])?);
    expect(&square.sum_all()?.backward(&[&x])?, &[Some(&[8.0, 16.0])])
}
