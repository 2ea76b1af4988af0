//! Products at every level that the machine has, against sums in f64.

use half::bf16;
use palimpsest_core::random::{Philox, Stream};
use palimpsest_kernels::Level;

use super::{Matrix, sbgemm, sgemm};

/// Sizes (rows, steps of k, columns) around those of tiles, panels, runs and blocks, and those of models.
const SIZES: [[usize; 3]; 16] = [
    [1, 1, 1],
    [5, 3, 7],
    [12, 16, 32],
    [13, 17, 33],
    [6, 256, 16],
    [31, 257, 47],
    [32, 32, 32],
    [33, 513, 65],
    [4, 1030, 15],
    [197, 64, 197],
    [197, 197, 64],
    [37, 96, 288],
    [200, 384, 96],
    [96, 1184, 288],
    [64, 2048, 48],
    [3, 0, 5],
];

fn values(count: usize, seed: u64) -> Vec<f32> {
    let mut values = vec![0.0; count];
    Philox::new(seed, Stream::Init, 0, 0).fill_normal(&mut values);
    values
}

/// Those that the machine has, and that of tiles where only these are missing: a test's tiles are emulated then.
fn levels() -> impl Iterator<Item = Level> {
    let tiles = cfg!(target_os = "linux") && Level::highest() >= Level::Avx512;
    Level::ALL.into_iter().filter(move |level| *level <= Level::highest() || (tiles && *level == Level::Amx))
}

/// The product, and the sum of its terms' magnitudes.
fn expected(a: &[f32], b: &[f32], [rows, depth, columns]: [usize; 3], turned: [bool; 2]) -> Vec<(f64, f64)> {
    let left = |i: usize, p: usize| f64::from(if turned[0] { a[p * rows + i] } else { a[i * depth + p] });
    let right = |p: usize, j: usize| f64::from(if turned[1] { b[j * depth + p] } else { b[p * columns + j] });
    let at = |n: usize| {
        let terms = (0..depth).map(|p| left(n / columns, p) * right(p, n % columns));
        terms.fold((0.0, 0.0), |(sum, size), term| (sum + term, size + term.abs()))
    };
    (0..rows * columns).map(at).collect()
}

fn matrix<T>(data: &[T], rows: usize, columns: usize, turned: bool) -> Matrix<'_, T> {
    if turned { Matrix::dense(data, columns, rows).transposed() } else { Matrix::dense(data, rows, columns) }
}

#[test]
fn every_level_multiplies_what_is_turned_and_what_is_not() {
    for size @ [rows, depth, columns] in SIZES {
        let (a, b, bias) = (values(rows * depth, 1), values(depth * columns, 2), values(columns, 3));
        let round = |values: &[f32]| values.iter().map(|&x| bf16::from_f32(x)).collect::<Vec<_>>();
        let (narrow_a, narrow_b) = (round(&a), round(&b));
        let widen = |values: &[bf16]| values.iter().map(|x| x.to_f32()).collect::<Vec<_>>();
        let (wide_a, wide_b) = (widen(&narrow_a), widen(&narrow_b));
        for turned in [[false, false], [true, false], [false, true], [true, true]] {
            let exact = expected(&a, &b, size, turned);
            let exact_of_rounded = expected(&wide_a, &wide_b, size, turned);
            for level in levels() {
                for bias in [None, Some(bias.as_slice())] {
                    let added = |j: usize| bias.map_or(0.0, |bias| f64::from(bias[j % columns]));
                    let mut out = vec![f32::NAN; rows * columns];
                    let (left, right) =
                        (matrix(&a, rows, depth, turned[0]), matrix(&b, depth, columns, turned[1]));
                    sgemm::at(level, &mut out, left, right, bias);
                    for (j, (&got, &(sum, size))) in out.iter().zip(&exact).enumerate() {
                        // Each of `depth` additions rounds by 2^-24 of the sum so far, at most.
                        let bound = (depth as f64 + 2.0) * 2f64.powi(-24) * (size + 1.0);
                        let want = sum + added(j);
                        assert!(
                            (f64::from(got) - want).abs() <= bound,
                            "{level} {turned:?}: {got}, not {want}"
                        );
                    }
                    let mut out = vec![bf16::NAN; rows * columns];
                    let left = matrix(&narrow_a, rows, depth, turned[0]);
                    let right = matrix(&narrow_b, depth, columns, turned[1]);
                    sbgemm::at(level, &mut out, left, right, bias);
                    for (j, (&got, &(sum, size))) in out.iter().zip(&exact_of_rounded).enumerate() {
                        // As above, and the result is rounded to 8 bits once.
                        let want = sum + added(j);
                        let bound = (depth as f64 + 2.0) * 2f64.powi(-24) * (size + 1.0) + want.abs() / 256.0;
                        assert!(
                            (got.to_f64() - want).abs() <= bound,
                            "{level} {turned:?}: {got}, not {want}"
                        );
                    }
                }
            }
        }
    }
}

/// Rows of other rows' blocks, and other numbers of threads, change no bit.
#[test]
fn threads_change_no_bit() {
    let [rows, depth, columns] = [301, 700, 130];
    let (a, b) = (values(rows * depth, 4), values(depth * columns, 5));
    let narrow = |values: &[f32]| values.iter().map(|&x| bf16::from_f32(x)).collect::<Vec<_>>();
    let (narrow_a, narrow_b) = (narrow(&a), narrow(&b));
    for level in levels() {
        let with = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
            pool.install(|| {
                let mut out = vec![0f32; rows * columns];
                sgemm::at(
                    level,
                    &mut out,
                    Matrix::dense(&a, rows, depth),
                    Matrix::dense(&b, depth, columns),
                    None,
                );
                let mut rounded = vec![bf16::ZERO; rows * columns];
                let (left, right) =
                    (Matrix::dense(&narrow_a, rows, depth), Matrix::dense(&narrow_b, depth, columns));
                sbgemm::at(level, &mut rounded, left, right, None);
                (out, rounded)
            })
        };
        let one = with(1);
        for threads in [2, 3, 5] {
            assert!(with(threads) == one, "{level}: {threads} threads");
        }
    }
}
