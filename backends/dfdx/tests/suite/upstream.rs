//! dfdx 0.13's own faults: why this crate records its own derivatives. Each test fails when an
//! upstream fault is fixed, and the workaround may go.

use dfdx::prelude::*;

fn device() -> Cpu {
    Cpu::seed_from_u64(0)
}

#[test]
fn upstream_accurate_gelu_has_a_wrong_derivative() {
    let x: Tensor<Rank0, f64, Cpu> = device().tensor(0.7);
    let gradient = x.leaky_trace().accurate_gelu().backward().get(&x).array();
    let phi = |x: f64| 0.5 * libm::erfc(-x * std::f64::consts::FRAC_1_SQRT_2);
    let density = (-0.5 * 0.7f64 * 0.7).exp() / (2.0 * std::f64::consts::PI).sqrt();
    let exact = phi(0.7) + 0.7 * density;
    // Its density is too large by the root of 2.
    let theirs = phi(0.7) + 0.7 * density * std::f64::consts::SQRT_2;
    assert!((gradient - exact).abs() > 0.05, "fixed: {gradient} {exact}");
    assert!((gradient - theirs).abs() < 1e-4, "another fault: {gradient} {theirs}");
}

#[test]
fn upstream_slice_assigns_its_gradient() {
    let x: Tensor<Rank1<3>, f64, Cpu> = device().tensor([1.0, 2.0, 3.0]);
    // Two slices that overlap in the middle, whose sums' gradients should add up there.
    let tracked = x.leaky_trace();
    let (x_again, tape) = tracked.split_tape();
    let first = x_again.clone().put_tape(tape).slice((0..2,)).sum::<Rank0, _>();
    let (first, tape) = first.split_tape();
    let second = x_again.put_tape(tape).slice((1..3,)).sum::<Rank0, _>();
    let gradient = (second + first).backward().get(&x).array();
    assert_ne!(gradient, [1.0, 2.0, 1.0], "fixed");
}

#[test]
fn upstream_binary_operations_panic_on_one_tensor_twice() {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let outcome = std::panic::catch_unwind(|| {
        let x: Tensor<Rank1<2>, f64, Cpu> = device().tensor([1.0, 2.0]);
        let (a, tape) = x.leaky_trace().split_tape();
        (a.clone().put_tape(tape) * a).sum::<Rank0, _>().backward().get(&x).array()
    });
    std::panic::set_hook(hook);
    assert!(outcome.is_err(), "fixed: {outcome:?}");
}
