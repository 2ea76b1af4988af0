//! From the numbers of a file to samples of which 0 is dark and 1 is bright.

use palimpsest_core::data::{Image, Samples};
use palimpsest_core::{Error, Result};

/// Which values of a file become 0 and 1.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Scale {
    /// The least and greatest of the samples' type; floats stay as they are. Samples of 8 and 16 bits keep their bits.
    #[default]
    TypeRange,
    /// None: samples are the file's numbers, to be looked at.
    Stored,
    /// These two, in the file's units; what lies outside is cut.
    Range(f64, f64),
    /// These percentiles of each channel of each image, between the nearest two values as NumPy has them.
    Percentiles(f64, f64),
}

/// Numbers as a file stores them, in types that hold them exactly; 64-bit integers are rounded to 53 bits.
pub(super) enum Numbers {
    U8(Vec<u8>),
    U16(Vec<u16>),
    F32(Vec<f32>),
    F64(Vec<f64>),
}

impl Numbers {
    /// So many zeros of the same type.
    pub(super) fn zeros(&self, count: usize) -> Self {
        match self {
            Self::U8(_) => Self::U8(vec![0; count]),
            Self::U16(_) => Self::U16(vec![0; count]),
            Self::F32(_) => Self::F32(vec![0.0; count]),
            Self::F64(_) => Self::F64(vec![0.0; count]),
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::U8(numbers) => numbers.len(),
            Self::U16(numbers) => numbers.len(),
            Self::F32(numbers) => numbers.len(),
            Self::F64(numbers) => numbers.len(),
        }
    }
}

/// What the type of the numbers says of their range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NumberKind {
    /// Integers from 0, of so many bits.
    Unsigned(u32),
    /// Integers of both signs, of so many bits.
    Signed(u32),
    /// Floats.
    Float,
}

/// How numbers become samples.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Scaling {
    /// Which of them become 0 and 1.
    pub scale: Scale,
    /// What takes the place of those that are NaN or infinite; without it they are refused.
    pub nan: Option<f64>,
}

impl Scaling {
    /// [height, width, channels] numbers as an image.
    pub(super) fn image(self, numbers: Image<Numbers>, kind: NumberKind) -> Result<Image> {
        let Image { width, height, channels, pixels } = numbers;
        let samples = match (pixels, self.scale) {
            (Numbers::U8(numbers), Scale::Stored) => numbers.into(),
            (Numbers::U16(numbers), Scale::Stored) => numbers.into(),
            (Numbers::U8(numbers), Scale::TypeRange) if kind == NumberKind::Unsigned(8) => numbers.into(),
            (Numbers::U16(numbers), Scale::TypeRange) if kind == NumberKind::Unsigned(16) => numbers.into(),
            (Numbers::U8(numbers), _) => self.floats(numbers, (width, channels), kind)?,
            (Numbers::U16(numbers), _) => self.floats(numbers, (width, channels), kind)?,
            (Numbers::F32(numbers), _) => self.floats(numbers, (width, channels), kind)?,
            (Numbers::F64(numbers), _) => self.floats(numbers, (width, channels), kind)?,
        };
        Ok(Image { width, height, channels, pixels: samples })
    }

    /// An image whose samples are numbers of a file.
    pub(super) fn rescaled(self, image: Image) -> Result<Image> {
        if matches!(self.scale, Scale::TypeRange | Scale::Stored) {
            return Ok(image);
        }
        let size = (image.width, image.channels);
        let samples = match image.pixels {
            Samples::U8(numbers) => self.floats(numbers, size, NumberKind::Unsigned(8))?,
            Samples::U16(numbers) => self.floats(numbers, size, NumberKind::Unsigned(16))?,
            Samples::F32(numbers) => self.floats(numbers, size, NumberKind::Float)?,
        };
        Ok(Image { pixels: samples, ..image })
    }

    fn floats<T: Copy + Into<f64>>(
        self,
        numbers: Vec<T>,
        (width, channels): (usize, usize),
        kind: NumberKind,
    ) -> Result<Samples> {
        let filled = |number: T| {
            let number: f64 = number.into();
            if is_finite(number) { number } else { self.nan.unwrap_or(number) }
        };
        if self.scale == Scale::Stored {
            let numbers = numbers.into_iter().map(|number| number.into() as f32);
            return Ok(numbers.collect::<Vec<_>>().into());
        }
        if kind == NumberKind::Float && self.nan.is_none() {
            refuse_nan(&numbers, width, channels)?;
        }
        let ends: Vec<(f64, f64)> = match (self.scale, kind) {
            (Scale::TypeRange, NumberKind::Float) | (Scale::Stored, _) => {
                return Ok(numbers
                    .into_iter()
                    .map(|number| filled(number) as f32)
                    .collect::<Vec<_>>()
                    .into());
            }
            (Scale::TypeRange, NumberKind::Unsigned(bits)) => {
                vec![(0.0, 2f64.powi(bits as i32) - 1.0); channels]
            }
            (Scale::TypeRange, NumberKind::Signed(bits)) => {
                return Err(Error::user(format!(
                    "its samples are signed integers of {bits} bits, and which of them are dark and bright isn't told"
                ))
                .help("give data.range=[LOW,HIGH], or data.percentiles=[1,99]"));
            }
            (Scale::Range(low, high), _) => vec![(low, high); channels],
            (Scale::Percentiles(low, high), _) => {
                let of = |channel| percentiles(&numbers, (channel, channels), [low, high], self.nan);
                (0..channels).map(of).collect()
            }
        };
        let scaled = |(at, &number): (usize, &T)| {
            let (low, high) = ends[at % channels];
            let number = filled(number);
            // A channel of one value alone is dark.
            let share =
                if high > low { (number - low) / (high - low) } else { f64::from(u8::from(number > low)) };
            share.clamp(0.0, 1.0) as f32
        };
        Ok(numbers.iter().enumerate().map(scaled).collect::<Vec<_>>().into())
    }
}

/// Finite as a 32-bit float, which samples become.
fn is_finite(number: f64) -> bool {
    (number as f32).is_finite()
}

fn refuse_nan<T: Copy + Into<f64>>(numbers: &[T], width: usize, channels: usize) -> Result<()> {
    let mut wrong = numbers.iter().enumerate().filter(|(_, number)| !is_finite((**number).into()));
    let Some((first, _)) = wrong.next() else { return Ok(()) };
    let (pixel, channel) = (first / channels, first % channels);
    let count = 1 + wrong.count();
    let what = if count == 1 { "sample is" } else { "samples are" };
    Err(Error::user(format!(
        "{count} of {} {what} NaN or infinite, the first in row {}, column {}, channel {channel} (from 0)",
        numbers.len(),
        pixel / width,
        pixel % width,
    ))
    .help("repair the file, or give data.nan=0.0 to fill them with that value"))
}

/// Percentiles of a channel's finite values as `numpy.percentile` has them by default: between two values by their
/// distance. (0, 0) where there are none.
fn percentiles<T: Copy + Into<f64>>(
    numbers: &[T],
    (channel, channels): (usize, usize),
    percents: [f64; 2],
    nan: Option<f64>,
) -> (f64, f64) {
    let values = numbers.iter().skip(channel).step_by(channels).map(|&number| number.into());
    // Without a value to fill in there is none to leave out.
    let mut values: Vec<f64> = values.filter(|&value| nan.is_none() || is_finite(value)).collect();
    let Some(last) = values.len().checked_sub(1) else { return (0.0, 0.0) };
    let mut of = |percent: f64| {
        let at = percent / 100.0 * last as f64;
        let (_, &mut low, above) = values.select_nth_unstable_by(at as usize, f64::total_cmp);
        let next = above.iter().copied().min_by(f64::total_cmp).unwrap_or(low);
        low + (next - low) * at.fract()
    };
    (of(percents[0]), of(percents[1]))
}
