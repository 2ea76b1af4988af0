//! Masks from colour-filtered noise: Hinojosa et al., "ColorMAE: Exploring data-independent masking
//! strategies in Masked AutoEncoders" (ECCV 2024). White noise on the grid of patches is filtered to a
//! band of spatial frequencies, and the patches where it is strongest are masked: green noise (a middle
//! band) makes blobs of a chosen size, blue noise spreads masks evenly, red noise makes large areas.
//!
//! The paper crops precomputed noise of a larger size; here it is drawn for each image on a torus of the
//! grid's own size, so that every position is masked as often.

use palimpsest_sdk::prelude::*;

/// A colour: which frequencies of the noise stay.
#[derive(Debug, Clone, Copy, PartialEq, Choice)]
enum Colour {
    /// All.
    White,
    /// Low ones.
    Red,
    /// High ones.
    Blue,
    /// A middle band.
    Green,
    /// All but a middle band.
    Purple,
}

/// Masks where filtered noise is strongest.
#[derive(Parameters)]
struct ColourNoise {
    /// Mask ratio: `round(L * ratio)` of L patches, exactly.
    #[param(default = 0.75, range = 0.0..=1.0)]
    ratio: f64,
    /// white, red (low frequencies), blue (high), green (a middle band) or purple (all but it).
    #[param(default = Colour::Green)]
    colour: Colour,
    /// Standard deviation of the finer Gaussian filter, in patches.
    #[param(default = 0.8, range = 0.1..=32.0)]
    fine: f64,
    /// Standard deviation of the coarser Gaussian filter, in patches.
    #[param(default = 1.6, range = 0.1..=32.0)]
    coarse: f64,
}

impl Corruption for ColourNoise {
    const ID: &'static str = "org.palimpsest.colour-noise";
    const SUMMARY: &'static str = "masks from colour-filtered noise (ColorMAE)";
    const UNBIASED: bool = true;
    const EQUAL_COUNTS: bool = true;

    fn check(&self, _: &Geometry) -> Result<()> {
        if self.fine < self.coarse || !matches!(self.colour, Colour::Green | Colour::Purple) {
            return Ok(());
        }
        Err(Error::user(format!("no band lies between filters of {} and {} patches", self.fine, self.coarse))
            .at("corruption.fine")
            .help("choose corruption.fine below corruption.coarse"))
    }

    fn plan(&self, request: &PlanRequest<'_>, plan: &mut Plan<'_>) -> Result<()> {
        let grid = [request.geometry.grid_h, request.geometry.grid_w];
        let masked = (self.ratio * request.tokens as f64).round() as usize;
        let fine = Gaussian::new(self.fine, grid);
        let coarse = Gaussian::new(self.coarse, grid);
        let mut order: Vec<usize> = (0..request.tokens).collect();
        for mut image in plan.images() {
            let mut noise = vec![0.0; request.tokens];
            image.random().fill_normal(&mut noise);
            let noise = self.filtered(noise, &fine, &coarse);
            if (1..request.tokens).contains(&masked) {
                let stronger = |a: &usize, b: &usize| noise[*b].total_cmp(&noise[*a]).then(a.cmp(b));
                order.select_nth_unstable_by(masked - 1, stronger);
            }
            order[..masked].iter().for_each(|&token| image.mask(token));
        }
        Ok(())
    }
}

impl ColourNoise {
    fn filtered(&self, white: Vec<f32>, fine: &Gaussian, coarse: &Gaussian) -> Vec<f32> {
        let less = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a - b).collect::<Vec<f32>>();
        match self.colour {
            Colour::White => white,
            Colour::Red => coarse.blur(&white),
            Colour::Blue => less(&white, &fine.blur(&white)),
            Colour::Green => less(&fine.blur(&white), &coarse.blur(&white)),
            Colour::Purple => {
                let green = less(&fine.blur(&white), &coarse.blur(&white));
                less(&white, &green)
            }
        }
    }
}

/// A Gaussian filter on a torus of `rows` x `columns`: a circulant matrix for each axis.
struct Gaussian {
    rows: Vec<Vec<f32>>,
    columns: Vec<Vec<f32>>,
}

impl Gaussian {
    fn new(sigma: f64, [rows, columns]: [usize; 2]) -> Self {
        Self { rows: Self::circulant(sigma, rows), columns: Self::circulant(sigma, columns) }
    }

    /// Weights by the distance round a circle of `n`, each row with sum 1. Three turns suffice: a wider filter is
    /// as good as flat.
    fn circulant(sigma: f64, n: usize) -> Vec<Vec<f32>> {
        let weight = |x: f64| (-0.5 * (x / sigma).powi(2)).exp();
        let turns = [-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0];
        let wrapped = |i: usize| turns.iter().map(|turn| weight(i as f64 + turn * n as f64)).sum::<f64>();
        let weights: Vec<f64> = (0..n).map(wrapped).collect();
        let total: f64 = weights.iter().sum();
        (0..n).map(|i| (0..n).map(|j| (weights[(i + n - j) % n] / total) as f32).collect()).collect()
    }

    fn blur(&self, values: &[f32]) -> Vec<f32> {
        let columns = self.columns.len();
        let mut rowwise = vec![0.0; values.len()];
        for (from, to) in values.chunks(columns).zip(rowwise.chunks_mut(columns)) {
            // The matrix is symmetric, so its rows serve as columns.
            for (value, weights) in from.iter().zip(&self.columns) {
                to.iter_mut().zip(weights).for_each(|(out, weight)| *out += weight * value);
            }
        }
        let mut blurred = vec![0.0; values.len()];
        for (out, weights) in blurred.chunks_mut(columns).zip(&self.rows) {
            for (row, weight) in rowwise.chunks(columns).zip(weights) {
                out.iter_mut().zip(row).for_each(|(out, value)| *out += weight * value);
            }
        }
        blurred
    }
}

export_plugin!(ColourNoise);

#[cfg(test)]
mod tests {
    use super::*;
    use palimpsest_sdk::testing;

    /// Masked patches with a masked neighbour to the right, of all masked ones.
    fn clustering(colour: Colour) -> f64 {
        let strategy = ColourNoise { ratio: 0.5, colour, ..ColourNoise::defaults() };
        let plan = testing::plan(strategy, &Geometry::of_grid(14, 14), 32, 1).expect("a plan");
        let masked = |image: usize, row: usize, column: usize| {
            plan.roles[image * 196 + row * 14 + column % 14] == Role::Masked
        };
        let places = (0..32).flat_map(|i| (0..14).flat_map(move |r| (0..14).map(move |c| (i, r, c))));
        let all: Vec<_> = places.filter(|&(i, r, c)| masked(i, r, c)).collect();
        assert_eq!(all.len(), 32 * 98);
        all.iter().filter(|&&(i, r, c)| masked(i, r, c + 1)).count() as f64 / all.len() as f64
    }

    #[test]
    fn colours_differ_in_their_clusters() {
        let [white, red, blue, green] =
            [Colour::White, Colour::Red, Colour::Blue, Colour::Green].map(clustering);
        // Half of the neighbours are masked by chance; the standard error is below 0.01.
        assert!((white - 0.5).abs() < 0.03, "{white}");
        assert!(red > 0.75 && green > 0.6 && blue < 0.45, "{red} {green} {blue}");
        assert!(red > green);
    }

    #[test]
    fn a_filter_keeps_the_mean_and_wraps_round() {
        let mut point = vec![0.0; 6 * 8];
        point[0] = 1.0;
        let blurred = Gaussian::new(1.0, [6, 8]).blur(&point);
        assert!((blurred.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        // The neighbours of the corner, on both sides.
        assert_eq!(blurred[1], blurred[7]);
        assert!((blurred[8] - blurred[40]).abs() < 1e-9);
    }
}
