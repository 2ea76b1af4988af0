//! What scenes are like.

use palimpsest_core::{Error, Result};

palimpsest_core::settings! {
    /// `[data.reader]` of `scenes`: how they are composed.
    #[derive(Copy)]
    pub struct SceneSettings {
        /// Width and height of a scene in pixels.
        size: (usize, usize) = (96, 96);
        /// The least and greatest number of items that are laid down. One that finds no place where enough of it is
        /// visible is left out.
        items: (usize, usize) = (2, 5);
        /// The least and greatest length of an item's longer side, as a share of the scene's shorter side.
        item_size: (f64, f64) = (0.3, 0.6);
        /// The least share of an item's area that must be visible, neither covered nor beyond the edge.
        least_visible: f64 = 0.35;
        /// How many training and test scenes there are.
        count: (usize, usize) = (2_000, 500);
        /// What the scenes are drawn by.
        seed: u64 = 0;
    }
}

impl SceneSettings {
    /// Checks the numbers.
    ///
    /// # Errors
    /// A number out of range.
    pub fn check(&self) -> Result<()> {
        let wrong = |text: String, help: &str| Err(Error::user(text).at("scenes").help(help));
        let (width, height) = self.size;
        if !(16..=4096).contains(&width) || !(16..=4096).contains(&height) {
            return wrong(format!("size = {width}x{height}"), "use 16 to 4096 pixels a side");
        }
        let (least, most) = self.items;
        if least > most || most == 0 || most > 100 {
            return wrong(format!("items = {least}..{most}"), "use least <= greatest, 1 to 100");
        }
        let (small, large) = self.item_size;
        if !(small > 0.0 && small <= large && large <= 2.0) {
            return wrong(format!("item_size = {small}..{large}"), "use 0 < least <= greatest <= 2");
        }
        if !(self.least_visible > 0.0 && self.least_visible <= 1.0) {
            return wrong(format!("least_visible = {}", self.least_visible), "use a share above 0, up to 1");
        }
        if self.count.0 == 0 || self.count.1 == 0 {
            return wrong(format!("count = {} and {}", self.count.0, self.count.1), "use at least 1 of each");
        }
        Ok(())
    }
}
