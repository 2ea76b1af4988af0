//! Textured backgrounds in two colours, and colours of items.

use palimpsest_core::random::Philox;

/// A colour of the given ranges of saturation and value, of any hue (HSV).
pub(super) fn colour(random: &mut Philox, saturation: (f32, f32), value: (f32, f32)) -> [f32; 3] {
    let hue = 6.0 * random.uniform();
    let between = |(low, high): (f32, f32), share: f32| low + (high - low) * share;
    let saturation = between(saturation, random.uniform());
    let value = between(value, random.uniform());
    // Red, green and blue peak at 0, 2 and 4 of the circle.
    [5.0f32, 3.0, 1.0].map(|phase| {
        let k = (phase + hue) % 6.0;
        value * (1.0 - saturation * k.min(4.0 - k).clamp(0.0, 1.0))
    })
}

/// [height, width, 3] values in 0..1.
pub(super) fn background((width, height): (usize, usize), random: &mut Philox) -> Vec<f32> {
    let colours = [0, 1].map(|_| colour(random, (0.1, 0.7), (0.15, 0.75)));
    let pattern = random.below(4);
    // A direction without sines, which differ between platforms: scenes have the same bytes everywhere.
    let tangent = 2.0 * random.uniform() - 1.0;
    let (cos, sin) =
        ((1.0 - tangent * tangent) / (1.0 + tangent * tangent), 2.0 * tangent / (1.0 + tangent * tangent));
    let period = 6.0 + 18.0 * random.uniform();
    let lattice = Lattice::draw(random);
    let mut out = Vec::with_capacity(width * height * 3);
    for y in 0..height {
        for x in 0..width {
            let (u, v) = (x as f32 * cos + y as f32 * sin, y as f32 * cos - x as f32 * sin);
            let share = match pattern {
                // Stripes, checks, clouds, and a gradient with clouds.
                0 => 2.0 * (u / period - (u / period).floor() - 0.5).abs(),
                1 => f32::from(((u / period).floor() + (v / period).floor()).rem_euclid(2.0) < 0.5),
                2 => lattice.at(x as f32 / period, y as f32 / period),
                _ => {
                    let slope = 0.5 + 0.5 * u / (width + height) as f32;
                    0.6 * slope + 0.4 * lattice.at(x as f32 / period, y as f32 / period)
                }
            };
            let grain = 0.06 * (random.uniform() - 0.5);
            out.extend([0, 1, 2].map(|c| colours[0][c] + (colours[1][c] - colours[0][c]) * share + grain));
        }
    }
    out
}

/// Value noise: random values on a lattice that repeats, smoothly interpolated.
struct Lattice([f32; Self::SIDE * Self::SIDE]);

impl Lattice {
    const SIDE: usize = 16;

    fn draw(random: &mut Philox) -> Self {
        Self(std::array::from_fn(|_| random.uniform()))
    }

    fn at(&self, x: f32, y: f32) -> f32 {
        let smooth = |t: f32| t * t * (3.0 - 2.0 * t);
        let (left, top) = (x.floor() as usize, y.floor() as usize);
        let (across, down) = (smooth(x - x.floor()), smooth(y - y.floor()));
        let value =
            |dx: usize, dy: usize| self.0[(top + dy) % Self::SIDE * Self::SIDE + (left + dx) % Self::SIDE];
        let row = |dy: usize| value(0, dy) + (value(1, dy) - value(0, dy)) * across;
        row(0) + (row(1) - row(0)) * down
    }
}
