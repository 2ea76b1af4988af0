//! The annotation of an image, by type.

/// The annotation of an image: what a head learns to tell.
pub trait Target: Clone + Send + Sync + 'static {
    /// What the data have to give, for messages: `a class for each image`.
    const NAME: &'static str;
}

/// The class of an image, an index into the data's classes; or, of two images that were mixed, both
/// classes and the first one's share.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Class {
    /// The class.
    pub class: u32,
    /// The class of the image that was mixed in; the same where none was.
    pub other: u32,
    /// The share of `class`, 0 to 1; 1 where nothing was mixed in.
    pub share: f32,
}

impl Class {
    /// An image of one class.
    pub fn pure(class: u32) -> Self {
        Self { class, other: class, share: 1.0 }
    }
}

impl Target for Class {
    const NAME: &'static str = "a class for each image";
}

/// Numbers that are true of an image: an age, an angle, a depth.
#[derive(Debug, Clone, PartialEq)]
pub struct Values(pub Vec<f32>);

impl Target for Values {
    const NAME: &'static str = "numbers for each image";
}
