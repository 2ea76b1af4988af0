//! The tiles of a TIFF's page, put together.
//!
//! The decoder cuts off each tile what lies beyond the image, and fails there: row by row it takes sound LZW for truncated
//! where several rows stand in the last bytes, and of several planes it cuts the first alone. So a page is made as large
//! as its tiles are together, each tile is decoded as a whole, and it is cut here.

use std::io::Cursor;

use palimpsest_core::Result;
use tiff::decoder::Decoder;
use tiff::tags::Tag;

use super::scaling::{NumberKind, Numbers};
use super::tiff::{numbers, told, unread};
use super::tiff_directory::{Directory, tag};
use crate::decode::broken;

/// How a page is cut into tiles.
pub(super) struct Tiles {
    /// Width and height of the page.
    size: [usize; 2],
    /// Width and height of a tile.
    pub(super) tile: [usize; 2],
    /// Planes, one after the other, and channels of each.
    pub(super) planes: usize,
    depth: usize,
}

impl Tiles {
    /// Of a page of `size`, if it has tiles.
    pub(super) fn of(
        header: &mut Decoder<Cursor<&[u8]>>,
        size: [usize; 2],
        channels: usize,
    ) -> Result<Option<Self>> {
        let mut number = |tag| header.find_tag_unsigned::<u32>(tag).map_err(|e| told(&e));
        let (Some(wide), Some(high)) = (number(Tag::TileWidth)?, number(Tag::TileLength)?) else {
            return Ok(None);
        };
        let planes = if number(Tag::PlanarConfiguration)? == Some(2) { channels } else { 1 };
        if wide == 0 || high == 0 {
            return Err(broken(format_args!("its header says tiles of {wide}x{high} pixels")));
        }
        Ok(Some(Self { size, tile: [wide as usize, high as usize], planes, depth: channels / planes }))
    }

    /// Tiles side by side, and below one another.
    fn counts(&self) -> [usize; 2] {
        [0, 1].map(|axis| self.size[axis].div_ceil(self.tile[axis]))
    }

    /// Makes the page of this directory as large as its tiles are.
    pub(super) fn enlarge(&self, file: &mut [u8], directory: &Directory) -> Result<()> {
        let counts = self.counts();
        for (axis, tag) in [tag::WIDTH, tag::HEIGHT].into_iter().enumerate() {
            let side = (counts[axis] * self.tile[axis]) as u64;
            let written = directory.get(tag).and_then(|entry| directory.set(file, entry, side));
            written.ok_or_else(|| unread("a TIFF whose tiles are larger than its header can say"))?;
        }
        Ok(())
    }

    /// The numbers of all planes, without what lies beyond the page, from a decoder of the enlarged file; `whole_bytes` makes
    /// numbers of packed ones.
    pub(super) fn read(
        &self,
        decoder: &mut Decoder<Cursor<&[u8]>>,
        whole_bytes: impl Fn(Numbers) -> Result<Numbers>,
    ) -> Result<(Numbers, NumberKind)> {
        let offsets: Option<Vec<u64>> =
            decoder.find_tag_unsigned_vec(Tag::TileOffsets).map_err(|e| told(&e))?;
        let offsets = offsets.unwrap_or_default();
        let [across, down] = self.counts();
        let mut all: Option<(Numbers, NumberKind)> = None;
        for chunk in 0..self.planes * down * across {
            // As GDAL leaves out tiles of zeros (SPARSE_OK).
            if offsets.get(chunk) == Some(&0) {
                refuse_filling(decoder)?;
                continue;
            }
            let decoded = decoder.read_chunk(chunk as u32).map_err(|e| told(&e))?;
            let (tile, kind) = numbers(decoded);
            let tile = whole_bytes(tile)?;
            if tile.len() != self.tile[0] * self.tile[1] * self.depth {
                return Err(broken(format_args!("a tile of {} samples", tile.len())));
            }
            let whole = self.planes * self.size[0] * self.size[1] * self.depth;
            let (all, _) = all.get_or_insert_with(|| (tile.zeros(whole), kind));
            let (plane, row, column) = (chunk / (across * down), chunk / across % down, chunk % across);
            match (all, &tile) {
                (Numbers::U8(all), Numbers::U8(tile)) => self.place(all, tile, [plane, row, column]),
                (Numbers::U16(all), Numbers::U16(tile)) => self.place(all, tile, [plane, row, column]),
                (Numbers::F32(all), Numbers::F32(tile)) => self.place(all, tile, [plane, row, column]),
                (Numbers::F64(all), Numbers::F64(tile)) => self.place(all, tile, [plane, row, column]),
                _ => return Err(broken("its tiles have several types")),
            }
        }
        all.ok_or_else(|| unread("a TIFF of which no tile is stored"))
    }

    fn place<T: Copy>(&self, all: &mut [T], tile: &[T], [plane, row, column]: [usize; 3]) {
        let [width, height] = self.size;
        let (left, top) = (column * self.tile[0], row * self.tile[1]);
        let across = self.tile[0].min(width - left) * self.depth;
        let rows = tile.chunks_exact(self.tile[0] * self.depth).take(height - top);
        for (y, values) in rows.enumerate() {
            let start = ((plane * height + top + y) * width + left) * self.depth;
            all[start..start + across].copy_from_slice(&values[..across]);
        }
    }
}

/// What isn't stored is zero, unless the file says that it is something else.
pub(super) fn refuse_filling(decoder: &mut Decoder<Cursor<&[u8]>>) -> Result<()> {
    let told = decoder.get_tag_ascii_string(Tag::GdalNodata).unwrap_or_default();
    let told = told.trim_matches(|c: char| c.is_whitespace() || c == '\0');
    match told {
        "" => Ok(()),
        value if value.parse() == Ok(0.0) => Ok(()),
        value => Err(unread(&format!(
            "a sparse TIFF: some of it isn't stored, and stands for {}",
            crate::formats::shown::shown(value)
        ))),
    }
}
