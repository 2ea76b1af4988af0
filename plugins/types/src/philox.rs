//! Counter-based randomness: Philox-4x32-10 (Salmon et al., "Parallel random numbers: as easy as
//! 1, 2, 3", SC 2011).
//!
//! Every draw is a pure function of (seed, stream, step, sample, counter). So a run is the same for any batch split,
//! worker count, backend or restart, and no generator state has to be saved.

/// A Philox-4x32-10 stream for one (seed, stream, step, sample).
#[derive(Debug, Clone)]
pub struct Philox {
    key: [u32; 2],
    counter: [u32; 4],
    block: [u32; 4],
    used: usize,
}

impl Philox {
    /// The stream of `sample` at `step`; both may count up to 2^48 without overlap. Host and plug-ins each have a `Stream`
    /// that says what a draw is for.
    pub fn new(seed: u64, stream: impl Into<u32>, step: u64, sample: u64) -> Self {
        let key = [seed as u32, (seed >> 32) as u32 ^ stream.into().wrapping_mul(0x9E37_79B9)];
        let high = ((sample >> 32) as u32) << 16 | ((step >> 32) as u32 & 0xFFFF);
        Self { key, counter: [0, sample as u32, step as u32, high], block: [0; 4], used: 4 }
    }

    /// The next 32 uniform bits.
    #[inline]
    pub fn next_u32(&mut self) -> u32 {
        if self.used == 4 {
            self.block = philox_4x32_10(self.counter, self.key);
            self.counter[0] = self.counter[0].wrapping_add(1);
            self.used = 0;
        }
        self.used += 1;
        self.block[self.used - 1]
    }

    /// Uniform in [0, 1), with 24 bits.
    #[inline]
    pub fn uniform(&mut self) -> f32 {
        (self.next_u32() >> 8) as f32 * (1.0 / 16_777_216.0)
    }

    /// Uniform in [0, 1), with 53 bits.
    pub fn uniform_f64(&mut self) -> f64 {
        let bits = u64::from(self.next_u32()) << 32 | u64::from(self.next_u32());
        (bits >> 11) as f64 * (1.0 / 9_007_199_254_740_992.0)
    }

    /// True with the given probability.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.uniform_f64() < probability
    }

    /// Uniform in 0..n, without bias (Lemire, "Fast random integer generation in an interval").
    ///
    /// # Panics
    /// If `n` is 0 or more than 2^32 - 1.
    #[track_caller]
    pub fn below(&mut self, n: usize) -> usize {
        assert!(n > 0, "below(0) has no value");
        let n = u32::try_from(n).expect("below counts to 2^32 - 1");
        loop {
            let product = u64::from(self.next_u32()) * u64::from(n);
            // The remainder is below n: only then the division can matter.
            if product as u32 >= n || product as u32 >= n.wrapping_neg() % n {
                return (product >> 32) as usize;
            }
        }
    }

    /// Two independent standard normal values (Box-Muller).
    #[inline]
    pub fn normal_pair(&mut self) -> (f32, f32) {
        // 1 - u is in (0, 1], so the logarithm is finite.
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        let (sin, cos) = (std::f32::consts::TAU * self.uniform()).sin_cos();
        (radius * cos, radius * sin)
    }

    /// A standard normal value; the second of its pair is dropped.
    pub fn normal(&mut self) -> f32 {
        self.normal_pair().0
    }

    /// Fills `out` with standard normal values.
    pub fn fill_normal(&mut self, out: &mut [f32]) {
        for pair in out.chunks_mut(2) {
            let (a, b) = self.normal_pair();
            pair[0] = a;
            if let Some(second) = pair.get_mut(1) {
                *second = b;
            }
        }
    }

    /// Shuffles `items` in place (Fisher-Yates, from the end).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }

    /// A uniform permutation of 0..n.
    pub fn permutation(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        self.shuffle(&mut order);
        order
    }

    /// `k` different numbers of 0..n, each choice as likely, in no order: the last `k` of what
    /// [`permutation`](Self::permutation) would give, with `k` draws. The built-in random mask is
    /// `choose(tokens, masked)`.
    ///
    /// # Panics
    /// If `k` is more than `n`.
    #[track_caller]
    pub fn choose(&mut self, n: usize, k: usize) -> Vec<usize> {
        assert!(k <= n, "choose({n}, {k}): there are no {k} different numbers");
        let mut order: Vec<usize> = (0..n).collect();
        for i in (n - k..n).rev().filter(|&i| i > 0) {
            order.swap(i, self.below(i + 1));
        }
        order.split_off(n - k)
    }
}

#[inline]
fn philox_4x32_10(mut c: [u32; 4], mut k: [u32; 2]) -> [u32; 4] {
    for round in 0..10 {
        if round > 0 {
            k = [k[0].wrapping_add(0x9E37_79B9), k[1].wrapping_add(0xBB67_AE85)];
        }
        let a = u64::from(c[0]) * 0xD251_1F53;
        let b = u64::from(c[2]) * 0xCD9E_8D57;
        c = [(b >> 32) as u32 ^ c[1] ^ k[0], b as u32, (a >> 32) as u32 ^ c[3] ^ k[1], a as u32];
    }
    c
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream;

    /// Known answers from the Random123 distribution (kat_vectors, philox4x32 10).
    #[test]
    fn known_answers() {
        let max = u32::MAX;
        for (counter, key, want) in [
            ([0; 4], [0; 2], [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]),
            ([max; 4], [max; 2], [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]),
            (
                [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
                [0xa409_3822, 0x299f_31d0],
                [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1],
            ),
        ] {
            assert_eq!(philox_4x32_10(counter, key), want);
        }
    }

    #[test]
    fn a_choice_is_the_end_of_a_permutation() {
        for n in [0usize, 1, 2, 7, 196] {
            for k in [0, 1, n / 3, n.saturating_sub(1), n] {
                let k = k.min(n);
                let draws = || Philox::new(5, stream::PLUGIN + 3, 1, 2);
                assert_eq!(draws().choose(n, k), draws().permutation(n)[n - k..], "{k} of {n}");
            }
        }
    }

    #[test]
    fn normals_have_the_right_moments() {
        let mut random = Philox::new(7, stream::PLUGIN, 0, 0);
        let values: Vec<f64> = (0..100_000).map(|_| f64::from(random.normal())).collect();
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n;
        // Five standard errors of the mean and of the variance.
        assert!(mean.abs() < 5.0 / n.sqrt(), "mean {mean}");
        assert!((variance - 1.0).abs() < 5.0 * (2.0 / n).sqrt(), "variance {variance}");
    }

    #[test]
    fn streams_steps_and_samples_differ() {
        let first = |stream: u32, step, sample| Philox::new(1, stream, step, sample).next_u32();
        let base = first(stream::MASK, 0, 0);
        assert_ne!(base, first(stream::LEVEL, 0, 0));
        assert_ne!(base, first(stream::MASK, 1, 0));
        assert_ne!(base, first(stream::MASK, 0, 1));
        assert_eq!(base, first(stream::MASK, 0, 0));
    }

    /// Computed by a program of its own in Python; `palimpsest_philox.h` draws the same.
    #[test]
    fn draws_are_what_they_were() {
        let draws = |stream: u32| Philox::new(0x0123_4567_89AB_CDEF, stream, (1 << 40) + 7, (1 << 33) + 5);
        for (of, want) in [
            (stream::MASK, [0x6ce6_b9f3, 0xfb3d_7a0c, 0x0166_7dd4, 0xc98d_abe2, 0xee27_3d9d, 0xae9f_2d8c]),
            (stream::PLUGIN, [0x0b17_306f, 0xdd87_e2a7, 0x7514_291b, 0xf04a_4bd1, 0x9fe6_f490, 0x2b94_4756]),
        ] {
            let mut random = draws(of);
            assert_eq!(std::array::from_fn(|_| random.next_u32()), want);
        }
        assert_eq!(draws(stream::MASK).permutation(12), [9, 1, 3, 6, 11, 2, 4, 8, 7, 0, 10, 5]);
        // Through logf, sinf and cosf, whose last bit is the platform's.
        let (a, b) = draws(stream::MASK).normal_pair();
        assert!((a - 1.045_51).abs() < 1e-6 && (b - (-0.122700)).abs() < 1e-6, "{a} {b}");
    }
}
