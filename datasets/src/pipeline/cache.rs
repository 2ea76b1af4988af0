//! Decoded images that are kept in memory, so that later epochs don't decode them again.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use palimpsest_core::Result;
use palimpsest_core::data::{Dataset, Encoded, Image, Samples};

/// A data set whose decoded images are kept, in the order that they are asked for, until they fill the room that there is. None
/// is dropped again: an epoch asks for each image once, so that what was used last is of no more use than the rest.
pub struct Cached {
    inner: Arc<dyn Dataset>,
    kept: Vec<OnceLock<Image>>,
    /// Bytes that are left.
    room: AtomicUsize,
}

impl Cached {
    /// With room for so many bytes of samples.
    pub fn new(inner: Arc<dyn Dataset>, bytes: usize) -> Self {
        let kept = (0..inner.len()).map(|_| OnceLock::new()).collect();
        Self { inner, kept, room: AtomicUsize::new(bytes) }
    }

    /// How many images are kept.
    pub fn kept(&self) -> usize {
        self.kept.iter().filter(|image| image.get().is_some()).count()
    }

    /// Takes the room for an image, if it is there.
    fn takes(&self, bytes: usize) -> bool {
        self.room.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |room| room.checked_sub(bytes)).is_ok()
    }
}

impl Dataset for Cached {
    fn len(&self) -> usize {
        self.inner.len()
    }
    fn classes(&self) -> &[String] {
        self.inner.classes()
    }
    fn label(&self, index: usize) -> Option<u32> {
        self.inner.label(index)
    }
    fn load(&self, index: usize) -> Result<Image> {
        if let Some(image) = self.kept[index].get() {
            return Ok(image.clone());
        }
        // A broken file isn't kept: it may be repaired.
        let image = self.inner.load(index)?;
        let bytes = bytes_of(&image.pixels);
        if self.takes(bytes) && self.kept[index].set(image.clone()).is_err() {
            // Another thread was quicker.
            self.room.fetch_add(bytes, Ordering::Relaxed);
        }
        Ok(image)
    }
    fn location(&self, index: usize) -> String {
        self.inner.location(index)
    }
    fn name(&self, index: usize) -> Option<String> {
        self.inner.name(index)
    }
    fn encoded(&self, index: usize) -> Option<Encoded> {
        self.inner.encoded(index)
    }
}

fn bytes_of(samples: &Samples) -> usize {
    let each = match samples {
        Samples::U8(_) => 1,
        Samples::U16(_) => 2,
        Samples::F32(_) => 4,
    };
    each * samples.len()
}
