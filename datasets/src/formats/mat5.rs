//! MATLAB's MAT-files of level 5, as far as distributed data sets use them: numbers, text, cells and
//! structures, plain or compressed.
//!
//! Source: MathWorks, "MAT-File Format", chapter 1. Version 7.3 (HDF5) is another format and refused;
//! so are sparse arrays and objects.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use flate2::read::ZlibDecoder;
use palimpsest_core::{Error, Result};

/// A variable, column by column as MATLAB keeps it.
#[derive(Debug, Clone, PartialEq)]
pub enum Matlab {
    /// Numbers of any type; of complex ones the real part.
    Numbers(Vec<f64>),
    /// Text.
    Text(String),
    /// Cells.
    Cells(Vec<Matlab>),
    /// An array of structures: each by its fields' names.
    Structs(Vec<BTreeMap<String, Matlab>>),
}

/// What a file may unpack to, beside a hundred times its size: numbers take eight bytes each in memory.
const MOST_BYTES: u64 = 1 << 26;
/// How long the name of a field may be; MATLAB's have 63 characters.
const LONGEST_NAME: usize = 1024;
/// How deep variables may be nested.
const DEEPEST: usize = 16;

/// The variables of a file by name.
///
/// # Errors
/// A file that can't be read, of another format, truncated or broken.
pub fn read_file(path: &Path) -> Result<BTreeMap<String, Matlab>> {
    let bytes = std::fs::read(path).map_err(|e| Error::io(path, &e))?;
    parse(&bytes).map_err(|e| e.at(path.display()))
}

fn broken(what: impl Into<String>) -> Error {
    Error::user(format!("broken MAT-file: {}", what.into())).help("copy it again as it is distributed")
}

/// As [`read_file`], from memory.
///
/// # Errors
/// As [`read_file`].
pub fn parse(bytes: &[u8]) -> Result<BTreeMap<String, Matlab>> {
    if bytes.starts_with(b"MATLAB 7.3")
        || bytes.get(..512).is_some_and(|b| b.windows(4).any(|w| w == b"\x89HDF"))
    {
        return Err(Error::user("a MAT-file of version 7.3 (HDF5), which isn't read")
            .help("save it in MATLAB with `-v7`, or with scipy.io.savemat"));
    }
    let big = match bytes.get(126..128) {
        Some(b"IM") => false,
        Some(b"MI") => true,
        _ => return Err(broken("no header of level 5")),
    };
    let most = MOST_BYTES + 100 * bytes.len() as u64;
    let mut left = most;
    let mut reader = Reader { bytes: &bytes[128..], big };
    let mut variables = BTreeMap::new();
    while !reader.bytes.is_empty() {
        let (kind, data) = reader.element()?;
        let unpacked;
        let mut inner = Reader { bytes: data, big };
        if kind == COMPRESSED {
            let mut all = Vec::new();
            let mut decoder = ZlibDecoder::new(data).take(left + 1);
            decoder.read_to_end(&mut all).map_err(|e| broken(format!("a compressed part: {e}")))?;
            left = left
                .checked_sub(all.len() as u64)
                .ok_or_else(|| broken(format!("it unpacks to more than {most} bytes")))?;
            unpacked = all;
            let (kind, data) = Reader { bytes: &unpacked, big }.element()?;
            if kind != MATRIX {
                return Err(broken(format!("a part of type {kind} where a variable was expected")));
            }
            inner.bytes = data;
        } else if kind != MATRIX {
            return Err(broken(format!("a part of type {kind} where a variable was expected")));
        }
        let (name, value) = inner.variable(0)?;
        if let Some(value) = value {
            variables.insert(name, value);
        }
    }
    Ok(variables)
}

const MATRIX: u32 = 14;
const COMPRESSED: u32 = 15;

struct Reader<'a> {
    bytes: &'a [u8],
    big: bool,
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        if count > self.bytes.len() {
            return Err(broken(format!("it ends {} bytes too early", count - self.bytes.len())));
        }
        let (taken, rest) = self.bytes.split_at(count);
        self.bytes = rest;
        Ok(taken)
    }

    fn word(&self, bytes: &[u8]) -> u32 {
        let four: [u8; 4] = std::array::from_fn(|i| bytes.get(i).copied().unwrap_or(0));
        if self.big { u32::from_be_bytes(four) } else { u32::from_le_bytes(four) }
    }

    /// The next element's type and data, without the padding to 8 bytes.
    fn element(&mut self) -> Result<(u32, &'a [u8])> {
        let tag = self.take(8)?;
        let first = self.word(tag);
        // Up to four bytes stand in the tag itself.
        if first >> 16 != 0 {
            let size = (first >> 16) as usize;
            return tag[4..]
                .get(..size)
                .map(|data| (first & 0xFFFF, data))
                .ok_or_else(|| broken(format!("a small element of {size} bytes")));
        }
        let size = self.word(&tag[4..]) as usize;
        let data = self.take(size)?;
        // Compressed elements aren't padded, and the last may lack its padding.
        if first != COMPRESSED {
            self.take((size.next_multiple_of(8) - size).min(self.bytes.len()))?;
        }
        Ok((first, data))
    }

    fn expect(&mut self, kind: u32, what: &str) -> Result<&'a [u8]> {
        let (have, data) = self.element()?;
        if have != kind {
            return Err(broken(format!("{what} of type {have} where {kind} was expected")));
        }
        Ok(data)
    }

    /// Name and value of a variable; no value for one of a class that isn't read.
    fn variable(&mut self, depth: usize) -> Result<(String, Option<Matlab>)> {
        if depth > DEEPEST {
            return Err(broken("variables are nested too deeply"));
        }
        // An empty place in a cell array has no body at all.
        if self.bytes.is_empty() {
            return Ok((String::new(), Some(Matlab::Numbers(Vec::new()))));
        }
        let flags = self.expect(6, "flags")?;
        let class = self.word(flags) & 0xFF;
        if matches!(class, 3 | 5 | 16..) {
            // Objects, sparse arrays, function handles: named only where they are asked for.
            return Ok((String::new(), None));
        }
        let dimensions = self.expect(5, "dimensions")?;
        let count = dimensions
            .chunks(4)
            .try_fold(1usize, |all, d| all.checked_mul(self.word(d) as usize))
            .ok_or_else(|| broken("impossible dimensions"))?;
        let name: String = self.expect(1, "a name")?.iter().map(|&b| char::from(b)).collect();
        let value = match class {
            1 => Matlab::Cells(self.cells(count, depth)?),
            2 => Matlab::Structs(self.structs(count, depth)?),
            4 => {
                let text: Vec<u16> = self.numbers()?.iter().map(|&v| v as u16).collect();
                Matlab::Text(String::from_utf16_lossy(&text))
            }
            _ => {
                let numbers = self.numbers()?;
                if numbers.len() != count {
                    return Err(broken(format!("{} numbers where {count} were expected", numbers.len())));
                }
                Matlab::Numbers(numbers)
            }
        };
        Ok((name, Some(value)))
    }

    fn cells(&mut self, count: usize, depth: usize) -> Result<Vec<Matlab>> {
        // Not reserved ahead: the count may lie, the bytes can't.
        (0..count).map(|_| self.nested(depth)).collect()
    }

    fn nested(&mut self, depth: usize) -> Result<Matlab> {
        let data = self.expect(MATRIX, "a nested variable")?;
        let (_, value) = Reader { bytes: data, big: self.big }.variable(depth + 1)?;
        value.ok_or_else(|| broken("a nested sparse array or object, which isn't read"))
    }

    fn structs(&mut self, count: usize, depth: usize) -> Result<Vec<BTreeMap<String, Matlab>>> {
        let length = self.expect(5, "the length of names")?;
        let length = (self.word(length) as usize).max(1);
        if length > LONGEST_NAME {
            return Err(broken(format!("names of {length} characters")));
        }
        let names: Vec<String> = self
            .expect(1, "names of fields")?
            .chunks(length)
            .map(|name| name.iter().take_while(|b| **b != 0).map(|&b| char::from(b)).collect())
            .collect();
        if names.is_empty() && count > 0 {
            return Err(broken("structures without fields"));
        }
        (0..count)
            .map(|_| names.iter().map(|name| Ok((name.clone(), self.nested(depth)?))).collect())
            .collect()
    }

    /// Numbers in whatever type they were saved.
    fn numbers(&mut self) -> Result<Vec<f64>> {
        let (kind, data) = self.element()?;
        let big = self.big;
        macro_rules! read {
            ($type:ty) => {
                data.chunks_exact(size_of::<$type>())
                    .map(|bytes| {
                        let four = bytes.try_into().unwrap_or_default();
                        (if big { <$type>::from_be_bytes(four) } else { <$type>::from_le_bytes(four) }) as f64
                    })
                    .collect()
            };
        }
        Ok(match kind {
            1 => read!(i8),
            2 => read!(u8),
            3 => read!(i16),
            4 | 17 => read!(u16),
            5 => read!(i32),
            6 | 18 => read!(u32),
            7 => read!(f32),
            9 => read!(f64),
            12 => read!(i64),
            13 => read!(u64),
            16 => String::from_utf8_lossy(data).encode_utf16().map(f64::from).collect(),
            _ => return Err(broken(format!("numbers of type {kind}"))),
        })
    }
}

impl Matlab {
    /// The numbers.
    ///
    /// # Errors
    /// It is something else.
    pub fn numbers(&self) -> Result<&[f64]> {
        match self {
            Self::Numbers(numbers) => Ok(numbers),
            other => Err(other.mismatch("numbers")),
        }
    }

    /// A single whole number.
    ///
    /// # Errors
    /// It is something else.
    pub fn index(&self) -> Result<usize> {
        match self {
            Self::Numbers(numbers)
                if numbers.len() == 1 && numbers[0] >= 0.0 && numbers[0].fract() == 0.0 =>
            {
                Ok(numbers[0] as usize)
            }
            other => Err(other.mismatch("a whole number")),
        }
    }

    /// The text.
    ///
    /// # Errors
    /// It is something else.
    pub fn text(&self) -> Result<&str> {
        match self {
            Self::Text(text) => Ok(text),
            other => Err(other.mismatch("text")),
        }
    }

    /// The cells.
    ///
    /// # Errors
    /// It is something else.
    pub fn cells(&self) -> Result<&[Self]> {
        match self {
            Self::Cells(cells) => Ok(cells),
            other => Err(other.mismatch("cells")),
        }
    }

    /// The structures.
    ///
    /// # Errors
    /// It is something else.
    pub fn structs(&self) -> Result<&[BTreeMap<String, Self>]> {
        match self {
            Self::Structs(structs) => Ok(structs),
            other => Err(other.mismatch("structures")),
        }
    }

    fn mismatch(&self, want: &str) -> Error {
        let have = match self {
            Self::Numbers(numbers) => format!("{} numbers", numbers.len()),
            Self::Text(text) => format!("the text `{}`", text.escape_debug()),
            Self::Cells(cells) => format!("{} cells", cells.len()),
            Self::Structs(structs) => format!("{} structures", structs.len()),
        };
        Error::user(format!("{have} where {want} was expected"))
            .help("copy the file again as it is distributed")
    }
}

/// A variable of a file or a field of a structure.
///
/// # Errors
/// There is none of this name.
pub fn named<'a>(variables: &'a BTreeMap<String, Matlab>, name: &str) -> Result<&'a Matlab> {
    variables.get(name).ok_or_else(|| {
        let known: Vec<&str> = variables.keys().map(String::as_str).collect();
        Error::user(format!("no variable `{name}` among `{}`", known.join("`, `")))
            .help("copy the file again as it is distributed")
    })
}
