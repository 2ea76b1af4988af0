//! What a backend's automatic differentiation promises whatever the operation, and derivatives at kinks that the
//! op set fixes.

use palimpsest_core::backend::NoGrad;
use palimpsest_core::tensor::{AdamwRates, Op, OpKind};
use palimpsest_core::{DType, DeviceHandle, Error, Result, Tensor};

use crate::outcome::Outcome;
use crate::subject::{Subject, Support};
use crate::taken_apart::taken_apart;

/// The name in place of an operation's.
pub const NAME: &str = "autograd";

type Check = fn(&DeviceHandle, DType) -> Result<()>;

/// Leaves, passes, and what is not recorded.
pub fn test(subject: &mut Subject<'_>) -> Vec<Outcome> {
    let checks: [(&str, Check); 14] = [
        ("a leaf is its own gradient", own_gradient),
        ("an unused leaf has none", unused_leaf),
        ("a leaf that is used twice", used_twice),
        ("a second pass over the same leaves", second_pass),
        ("a gradient has no history", gradient_without_history),
        ("NoGrad records nothing", nothing_recorded),
        ("recording goes on after NoGrad", recording_again),
        ("detach cuts", detached),
        ("a saved input that is given away", saved_input),
        ("a product with its own transpose", own_transpose),
        ("one tensor twice among those joined", joined_twice),
        ("gradients that share memory are kept apart", shared_memory),
        ("a pass for no leaves", no_leaves),
        ("a step of AdamW has no history", step_without_history),
    ];
    checks.into_iter().map(|(name, check)| run(subject, NAME, name, DType::F32, check)).collect()
}

/// The kinks of an operation, in every float type that the backend has it for.
pub(crate) fn kinks(subject: &mut Subject<'_>, kind: OpKind) -> Vec<Outcome> {
    let checks: &[(&str, Check)] = match kind {
        OpKind::Abs => &[("0 at 0", |device, dtype| {
            let x = leaf(device, &[-1.0, 0.0, 2.0], dtype)?;
            expect(&x.abs()?.sum_all()?.backward(&[&x])?, &[Some(&[-1.0, 0.0, 1.0])])
        })],
        OpKind::Clamp => &[("0 outside", |device, dtype| {
            let x = leaf(device, &[-1.0, 0.5, 1.0], dtype)?;
            expect(&x.clamp(-0.5, 0.75)?.sum_all()?.backward(&[&x])?, &[Some(&[0.0, 1.0, 0.0])])
        })],
        OpKind::Max => &[
            ("to the first of equals", |device, dtype| {
                let x = leaf(device, &[1.0, 3.0, 3.0, 0.0], dtype)?;
                expect(&x.max(0)?.sum_all()?.backward(&[&x])?, &[Some(&[0.0, 1.0, 0.0, 0.0])])
            }),
            ("to the first of equals in rows", |device, dtype| {
                let x = device.floats([2, 3], vec![2.0, 2.0, 1.0, 0.0, 5.0, 5.0], dtype)?.track()?;
                let due = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0];
                expect(&x.max(1)?.sum_all()?.backward(&[&x])?, &[Some(&due)])
            }),
            ("to the first of equals in columns", |device, dtype| {
                let x = device.floats([3, 2], vec![2.0, 0.0, 2.0, 5.0, 1.0, 5.0], dtype)?.track()?;
                let due = [1.0, 0.0, 0.0, 1.0, 0.0, 0.0];
                expect(&x.max(0)?.sum_all()?.backward(&[&x])?, &[Some(&due)])
            }),
        ],
        OpKind::RowEntropy => &[("finite at 0", |device, dtype| {
            let x = leaf(device, &[0.0, 1.0], dtype)?;
            let found = x.row_entropy()?.sum_all()?.backward(&[&x])?;
            let values = values(&found)?;
            let finite = values.iter().flatten().flatten().all(|value| value.is_finite());
            if finite && values.iter().all(Option::is_some) {
                Ok(())
            } else {
                Err(Error::failure(format!("{values:?}")))
            }
        })],
        _ => &[],
    };
    let mut outcomes = Vec::new();
    for dtype in [DType::F32, DType::F64, DType::Bf16] {
        if subject.support(kind, dtype) != Support::Missing {
            outcomes
                .extend(checks.iter().map(|&(name, check)| run(subject, kind.name(), name, dtype, check)));
        }
    }
    if kind == OpKind::Cast {
        for narrow in [DType::F64, DType::Bf16] {
            if subject.support(kind, narrow) == Support::Native {
                outcomes.push(run(subject, kind.name(), "there and back", narrow, there_and_back));
            }
        }
    }
    outcomes
}

/// From f32 to another float type and back, within one history.
fn there_and_back(device: &DeviceHandle, other: DType) -> Result<()> {
    let x = leaf(device, &[1.0, 2.0], DType::F32)?;
    let y = x.cast(other)?;
    // The gradient passes in the other type and arrives in the leaf's.
    let loss = y.mul(&y)?.cast(DType::F32)?.mul_scalar(0.5)?.sum_all()?;
    expect(&loss.backward(&[&x])?, &[Some(&[1.0, 2.0])])
}

fn run(
    subject: &mut Subject<'_>,
    operation: &'static str,
    name: &str,
    dtype: DType,
    check: Check,
) -> Outcome {
    let failure = subject.guard(|device| check(device, dtype)).err().map(|error| error.to_string());
    let error = if failure.is_some() { f64::INFINITY } else { 0.0 };
    Outcome { operation, dtype, case: name.to_owned(), error, limit: 0.0, failure }
}

/// Small whole numbers, so that every gradient here is exact.
fn leaf(device: &DeviceHandle, values: &[f32], dtype: DType) -> Result<Tensor> {
    device.floats([values.len()], values.to_vec(), dtype)?.track()
}

fn values(found: &[Option<Tensor>]) -> Result<Vec<Option<Vec<f32>>>> {
    found.iter().map(|gradient| gradient.as_ref().map(|g| Ok(g.download()?.into_f32())).transpose()).collect()
}

fn expect(found: &[Option<Tensor>], due: &[Option<&[f32]>]) -> Result<()> {
    let got = values(found)?;
    let same = got.iter().map(Option::as_deref).eq(due.iter().copied());
    if same { Ok(()) } else { Err(Error::failure(format!("gradients {got:?} where {due:?} are due"))) }
}

/// Backward must refuse: nothing was recorded.
fn expect_none(loss: Tensor, leaf: &Tensor) -> Result<()> {
    match loss.backward(&[leaf]) {
        Err(_) => Ok(()),
        Ok(_) => Err(Error::failure("a pass from a loss without history is not refused")),
    }
}

fn own_gradient(device: &DeviceHandle, dtype: DType) -> Result<()> {
    let x = device.full([], 2.0, dtype)?.track()?;
    expect(&x.clone().backward(&[&x])?, &[Some(&[1.0])])
}

fn unused_leaf(device: &DeviceHandle, dtype: DType) -> Result<()> {
    let (x, other) = (leaf(device, &[1.0, 2.0], dtype)?, leaf(device, &[3.0], dtype)?);
    expect(&x.mul(&x)?.sum_all()?.backward(&[&other, &x])?, &[None, Some(&[2.0, 4.0])])
}

fn used_twice(device: &DeviceHandle, dtype: DType) -> Result<()> {
    let (a, b) = (leaf(device, &[1.0, 2.0], dtype)?, leaf(device, &[3.0, 4.0], dtype)?);
    let loss = a.mul(&b)?.mul(&a)?.sum_all()?;
    // The same leaf may also be asked for twice.
    expect(&loss.backward(&[&a, &b, &a])?, &[Some(&[6.0, 16.0]), Some(&[1.0, 4.0]), Some(&[6.0, 16.0])])
}

fn second_pass(device: &DeviceHandle, dtype: DType) -> Result<()> {
    let (a, b) = (leaf(device, &[1.0, 2.0], dtype)?, leaf(device, &[3.0, 4.0], dtype)?);
    for _ in 0..2 {
        expect(&a.mul(&b)?.sum_all()?.backward(&[&a, &b])?, &[Some(&[3.0, 4.0]), Some(&[1.0, 2.0])])?;
    }
    Ok(())
}

fn gradient_without_history(device: &DeviceHandle, dtype: DType) -> Result<()> {
    let x = leaf(device, &[1.0, 2.0], dtype)?;
    match x.mul(&x)?.sum_all()?.backward(&[&x])?.into_iter().next().flatten() {
        Some(gradient) => expect_none(gradient.sum_all()?, &x),
        None => Err(Error::failure("no gradient")),
    }
}

fn nothing_recorded(device: &DeviceHandle, dtype: DType) -> Result<()> {
    let x = leaf(device, &[1.0, 2.0], dtype)?;
    let y = {
        let _off = NoGrad::new(device.backend.as_ref());
        x.mul(&x)?
    };
    expect_none(y.sum_all()?, &x)
}

fn recording_again(device: &DeviceHandle, dtype: DType) -> Result<()> {
    let x = leaf(device, &[1.0, 2.0], dtype)?;
    drop(NoGrad::new(device.backend.as_ref()));
    expect(&x.mul(&x)?.sum_all()?.backward(&[&x])?, &[Some(&[2.0, 4.0])])
}

fn detached(device: &DeviceHandle, dtype: DType) -> Result<()> {
    let x = leaf(device, &[1.0, 2.0], dtype)?;
    let square = x.mul(&x)?.detach()?;
    expect_none(square.sum_all()?, &x)?;
    // x² detached, times x: only the factor counts.
    expect(&square.mul(&x)?.sum_all()?.backward(&[&x])?, &[Some(&[1.0, 4.0])])
}

fn saved_input(device: &DeviceHandle, dtype: DType) -> Result<()> {
    let x = leaf(device, &[1.0, 2.0], dtype)?;
    // The product keeps its factors for backward: they may not be written over, though the last handle to them
    // is given away.
    let y = x.mul_scalar(2.0)?;
    let square = y.mul(&y)?;
    drop(Tensor::apply_owned(&Op::AddScalar { value: 9.0 }, vec![y])?);
    expect(&square.sum_all()?.backward(&[&x])?, &[Some(&[8.0, 16.0])])
}

fn own_transpose(device: &DeviceHandle, dtype: DType) -> Result<()> {
    let x = device.floats([2, 2], vec![1.0, 2.0, 3.0, 4.0], dtype)?.track()?;
    // d sum(x xT)/dx = 2 1 1T x: twice the sums of the columns, in every row.
    let loss = x.matmul(&x.permute(&[1, 0])?)?.sum_all()?;
    expect(&loss.backward(&[&x])?, &[Some(&[8.0, 12.0, 8.0, 12.0])])
}

fn joined_twice(device: &DeviceHandle, dtype: DType) -> Result<()> {
    let (x, y) = (leaf(device, &[1.0, 2.0], dtype)?, leaf(device, &[3.0], dtype)?);
    let weights = device.floats([5], vec![1.0, 2.0, 3.0, 4.0, 5.0], dtype)?;
    let loss = Tensor::concat(&[&x, &y, &x], 0)?.mul(&weights)?.sum_all()?;
    expect(&loss.backward(&[&x, &y])?, &[Some(&[5.0, 7.0]), Some(&[3.0])])
}

fn shared_memory(device: &DeviceHandle, dtype: DType) -> Result<()> {
    let x = leaf(device, &[1.0; 4], dtype)?;
    // The gradient of a sum is one number, expanded; asked for twice, it may be one tensor.
    let mut found = x.sum_all()?.backward(&[&x, &x])?;
    let (Some(Some(second)), Some(Some(first))) = (found.pop(), found.pop()) else {
        return Err(Error::failure("not two gradients"));
    };
    let zeros = || device.full([4], 0.0, dtype);
    let op = Op::Adamw { beta1: 0.9, beta2: 0.95, eps: 1e-8, decay: 0.0, factor: 1.0 };
    let rates = AdamwRates::new(0.1, 1).upload(device, dtype)?;
    let stepped = Tensor::apply_owned(&op, vec![first, zeros()?, zeros()?, zeros()?, rates])?.remove(0);
    let half = Tensor::apply_owned(&Op::Lerp { weight: 0.5 }, vec![stepped, zeros()?])?.remove(0);
    expect(&[Some(half), Some(second)], &[Some(&[0.5; 4]), Some(&[1.0; 4])])
}

fn no_leaves(device: &DeviceHandle, dtype: DType) -> Result<()> {
    let x = leaf(device, &[3.0, 3.0], dtype)?;
    expect(&x.mul(&x)?.sum_all()?.backward(&[])?, &[])?;
    // It leaves nothing behind.
    expect(&x.mul(&x)?.sum_all()?.backward(&[&x])?, &[Some(&[6.0, 6.0])])
}

fn step_without_history(device: &DeviceHandle, dtype: DType) -> Result<()> {
    // By the backend's kernel and as core takes it apart.
    for device in [device, &taken_apart(device)] {
        let x = leaf(device, &[1.0, 1.0, 1.0], dtype)?;
        let zeros = || device.full([3], 0.0, dtype);
        let op = Op::Adamw { beta1: 0.9, beta2: 0.95, eps: 1e-8, decay: 0.05, factor: 1.0 };
        let rates = AdamwRates { average: 0.5, ..AdamwRates::new(0.1, 1) }.upload(device, dtype)?;
        let inputs = vec![x.clone(), x.mul(&x)?, zeros()?, zeros()?, rates, zeros()?];
        for made in Tensor::apply_owned(&op, inputs)? {
            expect_none(made.sum_all()?, &x)?;
        }
        expect(&[Some(x)], &[Some(&[1.0; 3])])?;
    }
    Ok(())
}
