//! A file, opened: what its footer says is checked then, so that nothing is missed at the first image.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use palimpsest_core::error::{listed, unknown_name};
use palimpsest_core::kept_open::KeptOpen;
use palimpsest_core::positioned::written_at;
use palimpsest_core::{Error, Result};
use parquet::basic::{Compression, ConvertedType, Encoding, Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader, RowGroupMetaData};
use parquet::file::serialized_reader::SerializedPageReader;

use crate::cache::PageCache;
use crate::columns::Columns;
use crate::labels::{Labels, LabelsRead, broken};
use crate::layout::{Chunk, Layout};
use crate::position::Watched;
use crate::targets::{GroupColumn, LabelLists, add_numbers};

/// A file with a column of images.
pub struct ImageFile {
    file: KeptOpen,
    /// Bytes of the file, and when it was written last.
    state: (u64, u64),
    metadata: ParquetMetaData,
    /// The number of the images' column, counted in columns without parts.
    image: usize,
    groups: Vec<Group>,
    cache: Arc<PageCache>,
    number: u64,
    /// One row group is gone through at a time: each may take the memory of a dictionary of 100 MB, twice.
    learning: Mutex<()>,
}

struct Group {
    first: usize,
    layout: OnceLock<Layout>,
}

static FILES: AtomicU64 = AtomicU64::new(0);

impl ImageFile {
    /// Opens a file whose column `image` has images: structs of `bytes` and `path`, or bytes.
    ///
    /// # Errors
    /// A file that is none or truncated, another column, images that are named and not stored, a codec that this program
    /// hasn't.
    pub fn open(path: &Path, image: &str, cache: Arc<PageCache>) -> Result<Self> {
        guarded(|| Self::opened(path, image, cache))
            .map_err(|e| if e.location().is_some() { e } else { e.at(path.display()) })
    }

    fn opened(path: &Path, image: &str, cache: Arc<PageCache>) -> Result<Self> {
        let io = |e: std::io::Error| Error::io(path, &e);
        let kept = KeptOpen::new(path);
        let file = kept.get().map_err(io)?;
        let metadata = file.metadata().map_err(io)?;
        let state = (metadata.len(), written_at(&metadata));
        let watched = Watched::new(file, state.0);
        let metadata = ParquetMetaDataReader::new().parse_and_finish(&watched).map_err(|e| {
            let truncated = "no Parquet file, or one whose end is missing, where it says what it has";
            Error::user(format!("{truncated} ({})", one_line(&e))).help("copy the file again")
        })?;
        let mut groups = Vec::with_capacity(metadata.num_row_groups());
        let mut first = 0;
        for group in metadata.row_groups() {
            let rows = usize::try_from(group.num_rows()).unwrap_or(0);
            groups.push(Group { first, layout: OnceLock::new() });
            first += rows;
            for column in group.columns() {
                let (start, length) = column.byte_range();
                if start.checked_add(length).is_none_or(|end| end > state.0) {
                    return Err(Error::user("the file is shorter than its footer says").help("copy it again"));
                }
            }
        }
        let number = FILES.fetch_add(1, Ordering::Relaxed);
        let mut opened =
            Self { file: kept, state, metadata, image: 0, groups, cache, number, learning: Mutex::new(()) };
        opened.image = opened.image_column(image)?;
        opened.check_codec(opened.image)?;
        Ok(opened)
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.metadata.row_groups().iter().map(|group| usize::try_from(group.num_rows()).unwrap_or(0)).sum()
    }

    /// The columns, without what is inside them.
    pub fn columns(&self) -> Vec<String> {
        Columns(&self.metadata).names()
    }

    /// The names of the classes of a column, or of what its lists have, as `datasets` keeps them in the footer.
    pub fn class_names(&self, column: &str) -> Option<Vec<String>> {
        Columns(&self.metadata).class_names(column)
    }

    fn image_column(&self, name: &str) -> Result<usize> {
        let columns = self.columns();
        if !columns.iter().any(|column| column == name) {
            return Err(unknown_name("column", name, columns.iter().map(String::as_str))
                .help(format!("the columns are {}: data.reader.image=NAME", listed(&columns))));
        }
        let own = Columns(&self.metadata);
        let Some(leaf) = own.leaf(&format!("{name}.bytes")).or_else(|| own.leaf(name)) else {
            return Err(Error::user(format!("the column `{name}` has no `bytes`"))
                .help("name a column of images, as `datasets` writes them"));
        };
        let column = self.metadata.file_metadata().schema_descr().column(leaf);
        if column.physical_type() != Type::BYTE_ARRAY || column.max_rep_level() > 0 {
            let kind = if column.max_rep_level() > 0 {
                "lists".to_owned()
            } else {
                column.physical_type().to_string()
            };
            return Err(Error::user(format!("the column `{name}` has {kind}, not an image a row"))
                .help("name a column of images, as `datasets` writes them"));
        }
        if column.converted_type() == ConvertedType::UTF8 {
            return Err(Error::user(format!("the column `{name}` has texts, not images")).help(
                "name a column of the images' bytes, as `datasets` writes them: paths and base64 aren't read",
            ));
        }
        let pieces = |group: &RowGroupMetaData| {
            group.column(leaf).encodings().any(|e| e == Encoding::DELTA_BYTE_ARRAY)
        };
        if self.metadata.row_groups().iter().any(pieces) {
            // Each value would need those before it.
            return Err(Error::user(format!(
                "the images of `{name}` are stored in pieces (DELTA_BYTE_ARRAY)"
            ))
            .help("write the file again with the encoding PLAIN, as `datasets` does"));
        }
        let nulls = |group: &RowGroupMetaData| {
            let column = group.column(leaf);
            column.statistics()?.null_count_opt().filter(|&nulls| nulls == group.num_rows().unsigned_abs())
        };
        let groups = self.metadata.row_groups();
        if !groups.is_empty() && groups.iter().all(|group| nulls(group).is_some()) {
            return Err(paths_alone(name));
        }
        Ok(leaf)
    }

    /// A missing codec is told now, not at the first page.
    fn check_codec(&self, leaf: usize) -> Result<()> {
        for group in self.metadata.row_groups() {
            let codec = group.column(leaf).compression();
            let known = match codec {
                Compression::UNCOMPRESSED | Compression::SNAPPY | Compression::GZIP(_) => true,
                Compression::LZ4 | Compression::LZ4_RAW => true,
                Compression::ZSTD(_) => cfg!(feature = "zstd"),
                _ => false,
            };
            let name = codec.to_string().split('(').next().unwrap_or_default().to_lowercase();
            if !known {
                let help = match codec {
                    Compression::ZSTD(_) => {
                        "run it as: cargo run --release -p xtask --features zstd -- …, or write the files again \
                         with compression=\"snappy\""
                    }
                    _ => "write the files again with compression=\"snappy\" or none",
                };
                return Err(Error::user(format!(
                    "pages are compressed by {name}, which this program can't read"
                ))
                .help(help));
            }
        }
        Ok(())
    }

    /// The labels of a column of texts or whole numbers.
    ///
    /// # Errors
    /// No such column, another type, damaged pages.
    pub fn labels(&self, column: &str) -> Result<Labels> {
        let read = || {
            let leaf = Columns(&self.metadata).single(column, "label")?;
            let mut labels = LabelsRead::default();
            self.each_group(leaf, |group| labels.add(group.descriptor, group.pages, group.rows))?;
            Ok(labels.finish())
        };
        guarded(read).map_err(|e| e.at(self.file.path().display()))
    }

    /// The lists of labels of a column; of a column of structs, or of lists of them, a part as `objects.category`.
    ///
    /// # Errors
    /// No such column, no lists of texts or whole numbers, an entry that is null, damaged pages.
    pub fn label_lists(&self, column: &str) -> Result<LabelLists> {
        let read = || {
            let (leaf, entry) = Columns(&self.metadata).list(column)?;
            let mut lists = LabelLists::of(&self.metadata.file_metadata().schema_descr().column(leaf))?;
            self.each_group(leaf, |group| lists.add(group, entry))?;
            Ok(lists)
        };
        guarded(read).map_err(|e| e.at(self.file.path().display()))
    }

    /// The numbers of a column of floats or whole numbers; none where one is missing or not a number.
    ///
    /// # Errors
    /// No such column, another type, a number that is infinite in 32 bits, damaged pages.
    pub fn numbers(&self, column: &str) -> Result<Vec<Option<f32>>> {
        let read = || {
            let leaf = Columns(&self.metadata).single(column, "value_columns")?;
            let mut numbers = Vec::with_capacity(self.rows());
            self.each_group(leaf, |group| add_numbers(group, &mut numbers))?;
            Ok(numbers)
        };
        guarded(read).map_err(|e| e.at(self.file.path().display()))
    }

    /// The file, which is as it was when its footer was read.
    fn same_file(&self) -> Result<Arc<File>> {
        let unreadable = |e: std::io::Error| match e.kind() {
            std::io::ErrorKind::NotFound => Error::user("the file is gone since the data were opened")
                .help("copy it back, then go on with `resume`"),
            _ => Error::failure(format!("the file can't be read: {e}")),
        };
        let file = self.file.get().map_err(unreadable)?;
        let now = file.metadata().map_err(unreadable)?;
        if (now.len(), written_at(&now)) != self.state {
            return Err(Error::user("the file has changed since the data were opened").help("start again"));
        }
        Ok(file)
    }

    /// Goes through a column, row group by row group.
    fn each_group(&self, leaf: usize, mut add: impl FnMut(GroupColumn<'_>) -> Result<()>) -> Result<()> {
        self.check_codec(leaf)?;
        let descriptor = &self.metadata.file_metadata().schema_descr().column(leaf);
        let file = self.same_file()?;
        for group in self.metadata.row_groups() {
            let rows = usize::try_from(group.num_rows()).unwrap_or(0);
            let watched = Arc::new(Watched::new(file.clone(), self.state.0));
            let pages = SerializedPageReader::new(watched, group.column(leaf), rows, None);
            add(GroupColumn { descriptor, pages: Box::new(pages.map_err(|e| broken(&e))?), rows })?;
        }
        Ok(())
    }

    /// The bytes of an image: a file of JPEG, PNG or what it was.
    ///
    /// # Errors
    /// A row without bytes, a file that has changed, damaged pages. The place of the row isn't told.
    ///
    /// # Panics
    /// With a row that isn't there.
    pub fn bytes(&self, row: usize) -> Result<Vec<u8>> {
        let at = self.groups.partition_point(|group| group.first <= row) - 1;
        let metadata = self.metadata.row_group(at);
        let file = self.same_file()?;
        let descriptor = self.metadata.file_metadata().schema_descr().column(self.image);
        let chunk = Chunk {
            file: &file,
            file_length: self.state.0,
            descriptor: &descriptor,
            column: metadata.column(self.image),
            rows: usize::try_from(metadata.num_rows()).unwrap_or(0),
        };
        guarded(|| {
            let group = &self.groups[at];
            let layout = match group.layout.get() {
                Some(layout) => layout,
                None => {
                    let _one = self.learning.lock().unwrap_or_else(PoisonError::into_inner);
                    match group.layout.get() {
                        Some(layout) => layout,
                        None => {
                            let layout = chunk.layout().map_err(|e| broken(&e))?;
                            group.layout.get_or_init(|| layout)
                        }
                    }
                }
            };
            let key = |page: u32| (self.number, at as u32, page);
            let value = chunk.value(layout, row - group.first, &self.cache, key).map_err(|e| broken(&e))?;
            value.ok_or_else(|| {
                Error::user("the row has no image, or only a path of one").help("leave the row out")
            })
        })
    }

    /// Bytes that the places of images take in memory, of the row groups that were touched.
    pub fn layout_bytes(&self) -> usize {
        self.groups.iter().filter_map(|group| group.layout.get()).map(Layout::bytes).sum()
    }
}

fn paths_alone(name: &str) -> Error {
    Error::user(format!("the column `{name}` has paths alone, the images themselves aren't in the file"))
        .help(
            "embed them before to_parquet: ds.with_format(\"arrow\").map(datasets.table.embed_table_storage, \
             batched=True).with_format(None), or open the folder of the images with data.name=folder",
        )
}

fn one_line(error: &ParquetError) -> String {
    error.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The decoders are other people's and the bytes are anybody's: a panic is one broken file.
fn guarded<T>(read: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| {
        Err(Error::user("broken Parquet: its decoder panicked").help("copy the file again"))
    })
}
