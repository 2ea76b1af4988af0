//! Batches of bytes: the same values in a quarter of the memory.

use std::sync::Arc;

use palimpsest_core::Result;
use palimpsest_core::data::{Batch, BatchSource, Dataset, Image, PixelBytes, Pixels};
use palimpsest_core::random::{Philox, Stream};
use palimpsest_datasets::{
    Augment, Border, Crop, Filter, IMAGENET_MEAN, IMAGENET_STD, Images, Loader, LoaderOptions, Scratch,
    Transform,
};

/// Noise images of 20 x 16, of which some have 16 bits.
struct Noise {
    channels: usize,
    of_16_bit: Vec<usize>,
}

impl Dataset for Noise {
    fn len(&self) -> usize {
        24
    }
    fn classes(&self) -> &[String] {
        &[]
    }
    fn label(&self, _: usize) -> Option<u32> {
        None
    }
    fn load(&self, index: usize) -> Result<Image> {
        let mut random = Philox::new(3, Stream::Test, 0, index as u64);
        let (width, height, channels) = (20, 16, self.channels);
        let values = (0..width * height * channels).map(|_| random.below(65_536) as u16);
        let pixels = if self.of_16_bit.contains(&index) {
            values.collect::<Vec<u16>>().into()
        } else {
            values.map(|v| (v >> 8) as u8).collect::<Vec<u8>>().into()
        };
        Ok(Image { width, height, channels, pixels })
    }
    fn location(&self, index: usize) -> String {
        format!("noise/{index}")
    }
}

fn normalisation(channels: usize) -> [Vec<f32>; 2] {
    [&IMAGENET_MEAN, &IMAGENET_STD].map(|values| values.iter().cycle().take(channels).copied().collect())
}

fn transform(channels: usize, augment: Augment) -> Transform {
    let [mean, std] = normalisation(channels);
    Transform::new(12, channels, augment, &mean, &std).expect("is sound")
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

#[test]
fn bytes_stand_for_the_normalised_values_bit_by_bit() {
    let crops = [
        Crop::Centre { resize: 14 },
        Crop::RandomResized { scale: (0.2, 1.0), ratio: (0.75, 1.33) },
        Crop::Padded { padding: 3, border: Border::Black },
        Crop::Padded { padding: 3, border: Border::Reflect },
    ];
    for channels in [1, 2, 3, 5] {
        for crop in crops {
            let transform = transform(channels, Augment { crop, flip: 0.5, filter: Filter::Bicubic });
            let data = Noise { channels, of_16_bit: vec![] };
            for index in 0..8 {
                let random = || Philox::new(5, Stream::Augment, 0, index as u64);
                let mut scratch = Scratch::default();
                let image = data.load(index).expect("an image");
                let (mut values, mut bytes) = (vec![0.0; 144 * channels], vec![0; 144 * channels]);
                transform.apply(image.clone(), &mut random(), &mut scratch, &mut values).expect("fits");
                assert!(transform.bytes(image, &mut random(), &mut scratch, &mut bytes).expect("fits"));
                let by = transform.normalisation().clone();
                let found = PixelBytes { values: bytes, plane: 144, by }.normalised();
                assert_eq!(bits(&found), bits(&values), "{channels} channels, {crop:?}, image {index}");
            }
        }
    }
}

/// Batches as the loader gives them, and as they are put together image by image.
fn both(of_16_bit: &[usize], workers: usize) -> Vec<(Batch, Vec<f32>)> {
    let data = || Noise { channels: 3, of_16_bit: of_16_bit.to_vec() };
    let transform = transform(3, Augment::random_resized(0.2));
    let source = Images { dataset: Arc::new(data()), transform: transform.clone() };
    let options = LoaderOptions { batch: 4, workers, seed: 11, ..LoaderOptions::default() };
    let mut loader = Loader::over(source, &options).expect("is sound");
    (0..12)
        .map(|step| {
            let batch = loader.next_batch().expect("a batch");
            let mut due = vec![];
            for &index in &batch.indices {
                let mut values = vec![0.0; 432];
                let mut random = Philox::new(11, Stream::Augment, step / 6, index as u64);
                let image = data().load(index).expect("an image");
                transform.apply(image, &mut random, &mut Scratch::default(), &mut values).expect("fits");
                due.extend(values);
            }
            (batch, due)
        })
        .collect()
}

#[test]
fn batches_of_8_bit_images_have_a_byte_for_each_value() {
    for workers in [0, 2] {
        for (batch, due) in both(&[], workers) {
            assert_eq!(bits(&batch.pixels.normalised()), bits(&due));
            assert!(matches!(batch.pixels, Pixels::Bytes(_)));
            assert_eq!(batch.pixels.memory(), 4 * 3 * 12 * 12);
        }
    }
}

#[test]
fn one_image_of_16_bits_keeps_its_bits() {
    for workers in [0, 2] {
        let batches = both(&[9], workers);
        for (batch, due) in &batches {
            assert_eq!(bits(&batch.pixels.normalised()), bits(due));
            let finer = batch.indices.contains(&9);
            assert!(!finer || matches!(batch.pixels, Pixels::Normalised(_)), "{:?}", batch.indices);
        }
        assert!(
            matches!(batches[11].0.pixels, Pixels::Normalised(_)),
            "no batch is tried twice from then on"
        );
    }
}

#[test]
fn parts_and_joined_batches_keep_bytes() {
    let mut batches = both(&[], 0).into_iter();
    let ((mut first, mut due), (second, more)) =
        (batches.next().expect("a batch"), batches.next().expect("a batch"));
    first.append(second);
    due.extend(more);
    let part = first.slice(3, 6);
    assert!(matches!(part.pixels, Pixels::Bytes(_)));
    assert_eq!(bits(&part.pixels.normalised()), bits(&due[3 * 432..6 * 432]));

    // Floats behind bytes make floats of all.
    let mut mixed = part.clone();
    let mut finer = part;
    finer.pixels.normalised_mut()[0] = 7.5;
    mixed.append(finer);
    let values = mixed.pixels.into_normalised();
    assert_eq!(bits(&values[..3 * 432]), bits(&due[3 * 432..6 * 432]));
    assert_eq!(values[3 * 432], 7.5);
    mixed = first;
    mixed.truncate(2);
    assert_eq!((mixed.shape[0], mixed.labels.len()), (2, 2));
    assert_eq!(bits(&mixed.pixels.normalised()), bits(&due[..2 * 432]));
}
