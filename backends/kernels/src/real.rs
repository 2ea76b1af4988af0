//! The float types that kernels are written for, and their elementary functions.

#![allow(clippy::excessive_precision, reason = "coefficients as they are published")]

use std::fmt::Debug;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Div, Mul, MulAssign, Neg, Sub};

/// f32, with polynomials that the compiler can turn into vector code, or f64, with the exact
/// functions of the mathematics library.
pub trait Real:
    Copy
    + Debug
    + Send
    + Sync
    + 'static
    + PartialOrd
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + MulAssign
    + Sum
{
    /// 0
    const ZERO: Self;
    /// 1
    const ONE: Self;
    /// Minus infinity, from which a search for the largest starts.
    const LOWEST: Self;
    /// Below this a probability's logarithm is taken of this value.
    const FLOOR: Self;

    /// The nearest value.
    fn of(value: f64) -> Self;
    /// The same value in f64.
    fn wide(self) -> f64;
    /// The square root.
    fn root(self) -> Self;
    /// self * factor + addend, rounded once.
    fn fma(self, factor: Self, addend: Self) -> Self;
    /// e^x; relative error below 2e-7 for f32, 0 below -87.
    fn exponential(self) -> Self;
    /// ln x of a normal number above 0.
    fn logarithm(self) -> Self;
    /// The normal distribution function and its density; absolute errors below 1.1e-7 for f32.
    fn normal(self) -> (Self, Self);
}

impl Real for f32 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;
    const LOWEST: Self = f32::NEG_INFINITY;
    const FLOOR: Self = 1e-37;

    #[inline(always)]
    fn of(value: f64) -> Self {
        value as f32
    }

    #[inline(always)]
    fn wide(self) -> f64 {
        f64::from(self)
    }

    #[inline(always)]
    fn root(self) -> Self {
        self.sqrt()
    }

    #[inline(always)]
    fn fma(self, factor: Self, addend: Self) -> Self {
        self.mul_add(factor, addend)
    }

    // After Cephes' expf: 2^n times a polynomial of the rest. Comparisons are written so that
    // a NaN passes through.
    #[inline(always)]
    fn exponential(self) -> Self {
        const LOW: f32 = -87.0;
        const HIGH: f32 = 88.0;
        // Adding 1.5 * 2^23 rounds to a whole number and leaves it in the low bits.
        const ROUND: f32 = 12_582_912.0;
        let x = if self < LOW { LOW } else { self };
        let x = if x > HIGH { HIGH } else { x };
        let shifted = x.mul_add(std::f32::consts::LOG2_E, ROUND);
        let n = shifted - ROUND;
        let r = n.mul_add(-0.693_359_4, x);
        let r = n.mul_add(2.121_944_4e-4, r);
        let p = 1.987_569_1e-4f32.mul_add(r, 1.398_2e-3);
        let p = p.mul_add(r, 8.333_452e-3);
        let p = p.mul_add(r, 4.166_579_6e-2);
        let p = p.mul_add(r, 1.666_666_5e-1);
        let p = p.mul_add(r, 5e-1);
        let scale = f32::from_bits(shifted.to_bits().wrapping_add(127) << 23);
        let y = (p.mul_add(r * r, r) + 1.0) * scale;
        let y = if self < LOW { 0.0 } else { y };
        if self > HIGH { f32::INFINITY } else { y }
    }

    // After Cephes' logf.
    #[inline(always)]
    fn logarithm(self) -> Self {
        let bits = self.to_bits();
        // The mantissa in [sqrt(1/2), sqrt(2)).
        let shifted = bits.wrapping_sub(0x3f35_04f3);
        let e = ((shifted as i32) >> 23) as f32;
        let m = f32::from_bits((shifted & 0x007f_ffff).wrapping_add(0x3f35_04f3));
        let x = m - 1.0;
        let z = x * x;
        let p = 7.037_683_6e-2f32.mul_add(x, -1.151_461e-1);
        let p = p.mul_add(x, 1.167_699_9e-1);
        let p = p.mul_add(x, -1.242_014_1e-1);
        let p = p.mul_add(x, 1.424_932_3e-1);
        let p = p.mul_add(x, -1.666_805_8e-1);
        let p = p.mul_add(x, 2.000_071_5e-1);
        let p = p.mul_add(x, -2.499_999_4e-1);
        let p = p.mul_add(x, 3.333_333_1e-1);
        let y = (p * x).mul_add(z, e * -2.121_944_4e-4);
        let y = z.mul_add(-0.5, y);
        e.mul_add(0.693_359_4, x + y)
    }

    // Phi(-a) = e^(-a^2/2) erfcx(a / sqrt 2) / 2. The scaled function erfcx is smooth in
    // t = 1 / (1 + c a): a polynomial of degree 8, fitted for the smallest relative error, so that
    // the tail below 0 is exact relative to itself.
    #[inline(always)]
    fn normal(self) -> (Self, Self) {
        const C: f32 = 0.327_591_1 * std::f32::consts::FRAC_1_SQRT_2;
        // 1 / sqrt(2 pi)
        const PEAK: f32 = 0.398_942_28;
        let a = if self < 0.0 { -self } else { self };
        let t = 1.0 / C.mul_add(a, 1.0);
        let p = t.mul_add(-0.141_663_7, 0.498_883_04);
        let p = p.mul_add(t, -0.409_607_47);
        let p = p.mul_add(t, 0.456_568_3);
        let p = p.mul_add(t, 2.371_328_5e-2);
        let p = p.mul_add(t, 0.206_398_68);
        let p = p.mul_add(t, 0.180_649_89);
        let p = p.mul_add(t, 0.185_058_09);
        let e = (-0.5 * self * self).exponential();
        let tail = 0.5 * (p * t) * e;
        let cdf = if self < 0.0 { tail } else { 1.0 - tail };
        // Near 0 the series loses less to rounding.
        let z = a * a;
        let q = z.mul_add(6.659_7e-7, -9.444_66e-6);
        let q = q.mul_add(z, 1.154_347e-4);
        let q = q.mul_add(z, -1.187_328_2e-3);
        let q = q.mul_add(z, 9.973_557e-3);
        let q = q.mul_add(z, -6.649_038e-2);
        let q = q.mul_add(z, 0.398_942_28);
        let cdf = if a < 1.0 { self.mul_add(q, 0.5) } else { cdf };
        (cdf, PEAK * e)
    }
}

impl Real for f64 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;
    const LOWEST: Self = f64::NEG_INFINITY;
    const FLOOR: Self = 1e-300;

    #[inline(always)]
    fn of(value: f64) -> Self {
        value
    }

    #[inline(always)]
    fn wide(self) -> f64 {
        self
    }

    #[inline(always)]
    fn root(self) -> Self {
        self.sqrt()
    }

    #[inline(always)]
    fn fma(self, factor: Self, addend: Self) -> Self {
        self.mul_add(factor, addend)
    }

    #[inline(always)]
    fn exponential(self) -> Self {
        self.exp()
    }

    #[inline(always)]
    fn logarithm(self) -> Self {
        self.ln()
    }

    #[inline(always)]
    fn normal(self) -> (Self, Self) {
        let cdf = 0.5 * libm::erfc(-self * std::f64::consts::FRAC_1_SQRT_2);
        (cdf, 0.398_942_280_401_432_7 * (-0.5 * self * self).exp())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polynomials_are_as_exact_as_stated() {
        let mut worst = [0f64; 3];
        for i in -1_000_000..=1_000_000i32 {
            let x = i as f32 * 9e-5;
            if (-86.9..88.0).contains(&x) {
                let want = f64::from(x).exp();
                worst[0] = worst[0].max((f64::from(x.exponential()) - want).abs() / want);
            }
            let small = x * 0.1;
            let (cdf, density) = f64::from(small).normal();
            let (near_cdf, near_density) = small.normal();
            worst[1] = worst[1].max((f64::from(near_cdf) - cdf).abs());
            worst[1] = worst[1].max((f64::from(near_density) - density).abs());
            let p = (f64::from(x) * 0.95).exp() as f32;
            if p > 1e-37 {
                let want = f64::from(p).ln();
                worst[2] = worst[2].max((f64::from(p.logarithm()) - want).abs() / want.abs().max(1.0));
            }
        }
        assert!(worst[0] < 2e-7 && worst[1] < 1.1e-7 && worst[2] < 2e-7, "{worst:?}");
        assert_eq!((-200f32).exponential(), 0.0);
        assert_eq!(f32::NEG_INFINITY.exponential(), 0.0);
        assert_eq!(100f32.exponential(), f32::INFINITY);
        assert_eq!(0f32.exponential(), 1.0);
        assert!(f32::NAN.exponential().is_nan() && f32::NAN.normal().0.is_nan());
    }
}
