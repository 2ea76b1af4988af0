//! Where each image of a row group lies: learnt by going through its pages once.

use std::collections::VecDeque;
use std::fs::File;
use std::sync::Arc;

use bytes::Bytes;
use palimpsest_core::positioned::read_exact_at;
use parquet::basic::Compression;
use parquet::column::page::{Page, PageMetadata, PageReader};
use parquet::column::reader::ColumnReaderImpl;
use parquet::data_type::{ByteArray, ByteArrayType};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::serialized_reader::SerializedPageReader;
use parquet::schema::types::ColumnDescPtr;

use crate::cache::{PageCache, PageKey};
use crate::position::{Body, Watched};
use crate::snappy::Parts;

/// Rows that a page's values are decoded for at once.
const ROWS: usize = 4096;

/// Where the values of a column of a row group lie.
pub(crate) struct Layout {
    pages: Vec<PageLayout>,
    /// One for each row.
    rows: Vec<Place>,
}

/// A value, in a page as it is when it is decompressed.
#[derive(Clone, Copy)]
struct Place {
    page: u32,
    start: u32,
    length: u32,
}

/// No value.
const NULL: Place = Place { page: u32::MAX, start: 0, length: 0 };

struct PageLayout {
    /// Where its body lies in the file.
    offset: u64,
    form: Form,
}

enum Form {
    /// As it is in memory.
    Plain,
    /// A Snappy stream behind some bytes that aren't compressed.
    Snappy { before: u32, parts: Parts },
    /// To be decompressed as a whole; it is the page of this number in the column's chunk.
    Whole { number: u32 },
}

/// The column of a row group.
pub(crate) struct Chunk<'a> {
    pub(crate) file: &'a Arc<File>,
    pub(crate) file_length: u64,
    pub(crate) descriptor: &'a ColumnDescPtr,
    pub(crate) column: &'a ColumnChunkMetaData,
    pub(crate) rows: usize,
}

impl Chunk<'_> {
    fn pages(&self) -> Result<(Arc<Watched>, SerializedPageReader<Watched>)> {
        let watched = Arc::new(Watched::new(self.file.clone(), self.file_length));
        let pages = SerializedPageReader::new(watched.clone(), self.column, self.rows, None)?;
        Ok((watched, pages))
    }

    /// Goes through all pages.
    ///
    /// # Errors
    /// Damaged pages; values that a page doesn't have as they are (`DELTA_BYTE_ARRAY`).
    pub(crate) fn layout(&self) -> Result<Layout> {
        let (watched, mut pages) = self.pages()?;
        let mut layout = Layout { pages: Vec::new(), rows: Vec::with_capacity(self.rows) };
        let mut dictionary: Option<(Page, u32)> = None;
        let mut number = 0;
        while let Some(page) = pages.get_next_page()? {
            let body = watched
                .take_last()
                .ok_or_else(|| ParquetError::General("a page without a body".to_owned()))?;
            let own = layout.pages.len() as u32;
            let form = form(self.column.compression(), &page, &body, number);
            layout.pages.push(PageLayout { offset: body.offset, form });
            number += 1;
            if page.is_dictionary_page() {
                dictionary = Some((page, own));
                continue;
            }
            self.places(page, own, dictionary.as_ref(), &mut layout.rows)?;
        }
        if layout.rows.len() != self.rows {
            let found = layout.rows.len();
            return Err(ParquetError::General(format!(
                "{found} values where the footer says {} rows",
                self.rows
            )));
        }
        // A dictionary that nothing is in, pages without values.
        layout.pages.shrink_to_fit();
        Ok(layout)
    }

    fn places(
        &self,
        page: Page,
        own: u32,
        dictionary: Option<&(Page, u32)>,
        rows: &mut Vec<Place>,
    ) -> Result<()> {
        let count = page.num_values() as usize;
        let buffers: Vec<(Bytes, u32)> = std::iter::once((page.buffer().clone(), own))
            .chain(dictionary.map(|(page, number)| (page.buffer().clone(), *number)))
            .collect();
        let pages = dictionary.map(|(page, _)| page.clone()).into_iter().chain([page]).collect();
        let mut reader: ColumnReaderImpl<ByteArrayType> =
            ColumnReaderImpl::new(self.descriptor.clone(), Box::new(Pages(pages)));
        let greatest = self.descriptor.max_def_level();
        let (mut levels, mut values): (Vec<i16>, Vec<ByteArray>) = (Vec::new(), Vec::new());
        let mut read = 0;
        while read < count {
            levels.clear();
            values.clear();
            let (records, found, _) =
                reader.read_records(ROWS.min(count - read), Some(&mut levels), None, &mut values)?;
            if records == 0 {
                break;
            }
            read += records;
            let mut places = values.iter().take(found).map(|value| place(value, &buffers));
            for row in 0..records {
                let there = greatest == 0 || levels.get(row).is_some_and(|&level| level == greatest);
                rows.push(if there { places.next().unwrap_or(Ok(NULL))? } else { NULL });
            }
        }
        Ok(())
    }

    /// The bytes of a value; none where there is none.
    ///
    /// # Errors
    /// A file that can't be read, damaged pages.
    pub(crate) fn value(
        &self,
        layout: &Layout,
        row: usize,
        cache: &PageCache,
        key: impl Fn(u32) -> PageKey,
    ) -> Result<Option<Vec<u8>>> {
        let place = layout.rows[row];
        let Some(page) = layout.pages.get(place.page as usize) else { return Ok(None) };
        let read = |offset: u64, length: u32| -> Result<Vec<u8>> {
            let mut bytes = vec![0; length as usize];
            read_exact_at(self.file, &mut bytes, offset)?;
            Ok(bytes)
        };
        let (start, length) = (place.start as usize, place.length as usize);
        let part = |bytes: &[u8], start: usize| -> Result<Option<Vec<u8>>> {
            let part = bytes.get(start..start + length);
            Ok(Some(
                part.ok_or_else(|| ParquetError::General("the page is shorter than it was".to_owned()))?
                    .to_vec(),
            ))
        };
        match &page.form {
            Form::Plain => read(page.offset + u64::from(place.start), place.length).map(Some),
            Form::Snappy { before, parts } => {
                let broken = || ParquetError::General("no Snappy stream".to_owned());
                let start = place.start.checked_sub(*before).ok_or_else(broken)?;
                let span = parts.span(start, place.length).ok_or_else(broken)?;
                let compressed = read(page.offset + u64::from(before + span.start), span.end - span.start)?;
                let bytes = span.decompressed(&compressed).ok_or_else(broken)?;
                part(&bytes, (start - span.from) as usize)
            }
            Form::Whole { number } => {
                let key = key(*number);
                if let Some(page) = cache.get(key) {
                    return part(&page, start);
                }
                let (_, mut pages) = self.pages()?;
                for _ in 0..*number {
                    pages.skip_next_page()?;
                }
                let page = pages
                    .get_next_page()?
                    .ok_or_else(|| ParquetError::General("a page is gone".to_owned()))?;
                cache.keep(key, page.buffer().clone());
                part(page.buffer(), start)
            }
        }
    }
}

impl Layout {
    /// Bytes that this takes in memory.
    pub(crate) fn bytes(&self) -> usize {
        let parts = |page: &PageLayout| match &page.form {
            Form::Snappy { parts, .. } => parts.bytes(),
            _ => 0,
        };
        self.rows.len() * size_of::<Place>()
            + self.pages.iter().map(|page| size_of::<PageLayout>() + parts(page)).sum::<usize>()
    }
}

/// How a page can be entered.
fn form(compression: Compression, page: &Page, body: &Body, number: u32) -> Form {
    // Of the second version, levels stand before what is compressed.
    let (before, compressed) = match page {
        Page::DataPageV2 { def_levels_byte_len, rep_levels_byte_len, is_compressed, .. } => {
            (def_levels_byte_len + rep_levels_byte_len, *is_compressed)
        }
        _ => (0, true),
    };
    match compression {
        _ if !compressed => Form::Plain,
        Compression::UNCOMPRESSED => Form::Plain,
        Compression::SNAPPY => match body.bytes.get(before as usize..).and_then(Parts::of) {
            Some(parts) => Form::Snappy { before, parts },
            None => Form::Whole { number },
        },
        _ => Form::Whole { number },
    }
}

/// Where a value lies in one of the pages that it may be of: values are parts of their pages' memory.
fn place(value: &ByteArray, pages: &[(Bytes, u32)]) -> Result<Place> {
    let data = value.data();
    let found = pages.iter().find_map(|(page, number)| {
        let start = data.as_ptr().addr().checked_sub(page.as_ptr().addr())?;
        let within = start.checked_add(data.len())? <= page.len();
        let place = Place {
            page: *number,
            start: u32::try_from(start).ok()?,
            length: u32::try_from(data.len()).ok()?,
        };
        within.then_some(place)
    });
    found.ok_or_else(|| ParquetError::NYI("values that a page holds in pieces (DELTA_BYTE_ARRAY)".to_owned()))
}

/// Pages that were read.
struct Pages(VecDeque<Page>);

impl Iterator for Pages {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.pop_front().map(Ok)
    }
}

impl PageReader for Pages {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        Ok(self.0.pop_front())
    }
    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        Err(ParquetError::General("pages are only read here".to_owned()))
    }
    fn skip_next_page(&mut self) -> Result<()> {
        self.0.pop_front();
        Ok(())
    }
}
