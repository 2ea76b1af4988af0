//! How much of a part of the data a score stands on.

use std::collections::BTreeMap;
use std::fmt;

/// A sample whose file can't be read.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct BrokenSample {
    /// Its class; none where samples have no one class.
    pub class: Option<u32>,
    /// Its place and what is wrong with it.
    pub message: String,
}

/// The broken samples of a part, by their index in it.
pub type Broken = BTreeMap<usize, BrokenSample>;

/// What is told of broken samples that were left out of `part`: as many by name as a screen takes.
pub fn broken_messages(broken: &Broken, part: &str) -> Vec<String> {
    const MOST: usize = 10;
    let mut messages: Vec<String> = broken.values().take(MOST).map(|sample| sample.message.clone()).collect();
    if !broken.is_empty() {
        let count = counted(broken.len(), "image", "images");
        messages.push(format!("{count} of the {part} part left out as broken"));
    }
    messages
}

/// Images of one class.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ClassSize {
    /// Its name.
    pub class: String,
    /// Images that are used.
    pub images: usize,
    /// Images that can't be read.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub broken: usize,
}

/// How much of a part of the data is used: what a score stands on. Images that are used, broken, without a
/// class and not drawn are all that the part has.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct PartSize {
    /// Images that are used.
    pub images: usize,
    /// Classes that occur among them; where an image has no class of its own, those that the data name.
    pub classes: usize,
    /// Images that the part has.
    pub of: usize,
    /// Images that can't be read.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub broken: usize,
    /// Images without a class, where one is needed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unlabelled: usize,
    /// Images of which nothing is known of what a head learns, such as numbers.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub without_target: usize,
    /// Images that a limit left out.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub not_drawn: usize,
    /// Each class that the data name; empty where an image has no class of its own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub by_class: Vec<ClassSize>,
}

/// A number with what it counts.
pub fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

impl PartSize {
    /// Of images that have no one class each: `images` of `of`, in data that name `classes`.
    pub fn of_images(images: usize, of: usize, classes: usize) -> Self {
        Self { images, classes, of, not_drawn: of - images, ..Self::default() }
    }

    /// The same without the broken ones.
    #[must_use]
    pub fn without(mut self, broken: &Broken) -> Self {
        self.images -= broken.len();
        self.broken += broken.len();
        for class in broken.values().filter_map(|sample| sample.class) {
            if let Some(size) = self.by_class.get_mut(class as usize) {
                size.images -= 1;
                size.broken += 1;
            }
        }
        if !self.by_class.is_empty() {
            self.classes = self.by_class.iter().filter(|size| size.images > 0).count();
        }
        self
    }

    /// The classes with broken images, the most first.
    fn broken_classes(&self) -> String {
        let mut classes: Vec<&ClassSize> = self.by_class.iter().filter(|size| size.broken > 0).collect();
        classes.sort_by_key(|size| std::cmp::Reverse(size.broken));
        let mut list: Vec<String> =
            classes.iter().take(3).map(|size| format!("{} of {}", size.broken, size.class)).collect();
        if classes.len() > list.len() {
            list.push(format!("{} more classes", classes.len() - list.len()));
        }
        if list.is_empty() { String::new() } else { format!(": {}", list.join(", ")) }
    }
}

impl fmt::Display for PartSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.images != self.of {
            write!(f, "{} of ", self.images)?;
        }
        f.write_str(&counted(self.of, "image", "images"))?;
        if self.classes > 0 {
            write!(f, " of {}", counted(self.classes, "class", "classes"))?;
        }
        let left_out = [
            (self.broken, "broken", self.broken_classes()),
            (self.unlabelled, "without a class", String::new()),
            (self.without_target, "without a target", String::new()),
            (self.not_drawn, "not drawn", String::new()),
        ];
        let told: Vec<String> = left_out
            .iter()
            .filter(|(count, ..)| *count > 0)
            .map(|(count, why, more)| format!("{count} {why}{more}"))
            .collect();
        if told.is_empty() { Ok(()) } else { write!(f, " ({})", told.join("; ")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_told_by_reason_and_class() {
        let class = |class: &str, images| ClassSize { class: class.to_owned(), images, broken: 0 };
        let size = PartSize {
            images: 20,
            classes: 2,
            of: 30,
            unlabelled: 3,
            not_drawn: 7,
            by_class: vec![class("a", 10), class("b", 10)],
            ..PartSize::default()
        };
        assert_eq!(size.to_string(), "20 of 30 images of 2 classes (3 without a class; 7 not drawn)");
        let sample = |class| BrokenSample { class: Some(class), message: String::new() };
        let broken: Broken = (0..11).map(|i| (i, sample(u32::from(i != 3)))).take(11).collect();
        let size = size.without(&broken);
        assert_eq!(
            size.to_string(),
            "9 of 30 images of 1 class (11 broken: 10 of b, 1 of a; 3 without a class; 7 not drawn)"
        );
        assert_eq!(size.images + size.broken + size.unlabelled + size.not_drawn, size.of);
        assert_eq!(PartSize::of_images(5, 5, 0).to_string(), "5 images");
    }
}
