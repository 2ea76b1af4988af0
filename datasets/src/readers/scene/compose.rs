//! Laying items down, the foremost first.

use palimpsest_core::Result;
use palimpsest_core::data::{Dataset, Image, Image8};
use palimpsest_core::random::{Philox, Stream};
use palimpsest_targets::{LabelMap, Object, Rle};

use super::background::{background, colour};
use super::cut_out::CutOut;
use super::settings::SceneSettings;
use crate::split::Split;

/// Scenes are drawn at steps that no training run reaches, so that they share no draws with crops.
const STEPS: u64 = 0x5CE0 << 32;
/// Places that an item is tried at.
const TRIES: usize = 8;

/// A composed scene.
#[derive(Debug, Clone, PartialEq)]
pub struct Scene {
    /// The image, RGB.
    pub image: Image8,
    /// The visible items, the foremost first.
    pub objects: Vec<Object>,
    /// For each object, which sample of the items it is.
    pub items: Vec<usize>,
    /// For each object, which share of its area is visible.
    pub visible: Vec<f64>,
}

impl Scene {
    /// The class of each pixel: 0 for the background, else the item's class + 1.
    pub fn labels(&self) -> LabelMap {
        let mut labels = vec![0; self.image.width * self.image.height];
        for object in &self.objects {
            let Some(mask) = &object.mask else { continue };
            for (start, length) in mask.ones() {
                for at in start..start + length {
                    labels[at % mask.height() * mask.width() + at / mask.height()] = object.class as u8 + 1;
                }
            }
        }
        LabelMap::new(self.image.width, self.image.height, labels)
    }
}

/// Composes the scene `index` of a part out of `items`: grey images on black, with classes.
///
/// # Errors
/// An item that can't be loaded.
pub fn compose(items: &dyn Dataset, settings: &SceneSettings, split: Split, index: u64) -> Result<Scene> {
    let mut random =
        Philox::new(settings.seed, Stream::Augment, STEPS + u64::from(split == Split::Test), index);
    let (width, height) = settings.size;
    let mut canvas = background(settings.size, &mut random);
    let mut scene = Scene {
        image: Image { width, height, channels: 3, pixels: Vec::new() },
        objects: Vec::new(),
        items: Vec::new(),
        visible: Vec::new(),
    };
    let (least, most) = settings.items;
    let wanted = least + random.below(most - least + 1);
    let mut taken = vec![false; width * height];
    for _ in 0..wanted {
        let item = random.below(items.len());
        let Ok(image) = items.load(item)?.into_8_bit() else { continue };
        let Some(cut_out) = CutOut::of(&image) else { continue };
        let Some(class) = items.label(item) else { continue };
        let tint = colour(&mut random, (0.2, 0.9), (0.6, 1.0));
        for _ in 0..TRIES {
            let laid = Laid::draw(&cut_out, settings, &mut random);
            let (pixels, area) = laid.visible(&cut_out, &taken, settings.size);
            let visible = pixels.len() as f64 / area.max(1) as f64;
            if pixels.is_empty() || visible < settings.least_visible {
                continue;
            }
            for &(at, grey) in &pixels {
                taken[at] = true;
                let shade = 0.3 + 0.7 * grey;
                canvas[3 * at..3 * at + 3].iter_mut().zip(tint).for_each(|(out, tint)| *out = tint * shade);
            }
            let mut own = vec![0; width * height];
            pixels.iter().for_each(|&(at, _)| own[at] = 1);
            scene.objects.push(Object::masked(class, Rle::encode(width, height, &own)));
            scene.items.push(item);
            scene.visible.push(visible);
            break;
        }
    }
    scene.image.pixels = canvas.iter().map(|v| (255.0 * v.clamp(0.0, 1.0)).round() as u8).collect();
    Ok(scene)
}

/// Where and how an item lies.
struct Laid {
    left: i64,
    top: i64,
    size: (usize, usize),
    flip: bool,
}

impl Laid {
    /// The item's centre is anywhere in the scene.
    fn draw(cut_out: &CutOut, settings: &SceneSettings, random: &mut Philox) -> Self {
        let (small, large) = settings.item_size;
        let share = small + (large - small) * random.uniform_f64();
        let side = settings.size.0.min(settings.size.1) as f64;
        let size = cut_out.scaled(share * side / cut_out.longer_side() as f64);
        let left = random.below(settings.size.0) as i64 - size.0 as i64 / 2;
        let top = random.below(settings.size.1) as i64 - size.1 as i64 / 2;
        Self { left, top, size, flip: random.uniform() < 0.5 }
    }

    /// The pixels in the scene that nothing covers with their grey values, and the item's whole area.
    fn visible(
        &self,
        cut_out: &CutOut,
        taken: &[bool],
        (width, height): (usize, usize),
    ) -> (Vec<(usize, f32)>, usize) {
        let (mut pixels, mut area) = (Vec::new(), 0);
        for y in 0..self.size.1 {
            for x in 0..self.size.0 {
                let column = if self.flip { self.size.0 - 1 - x } else { x };
                let Some(grey) = cut_out.sample((column, y), self.size) else { continue };
                area += 1;
                let (x, y) = (self.left + x as i64, self.top + y as i64);
                let inside = (0..width as i64).contains(&x) && (0..height as i64).contains(&y);
                let at = y.max(0) as usize * width + x.max(0) as usize;
                if inside && !taken[at] {
                    pixels.push((at, grey));
                }
            }
        }
        (pixels, area)
    }
}
