//! The file that keeps the tables of a folder's shards: beside them, or in the user's cache where that can't be written.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use palimpsest_core::{Result, stored};

use super::members::Members;
use super::table::{ShardTable, Sum, sum_of};

/// What the file begins with. Another number is another form: then all is indexed again.
const MAGIC: &[u8] = b"palimpsest index of tar shards 1\n";
/// Bytes of one table: a shard of 4 billion samples has more, and so has a damaged length.
const LARGEST: u64 = 1 << 40;

/// Where the index of a folder may lie, the first before the others. What is read of samples is part of its name, so
/// that recipes that read other members don't index in turns.
pub(super) fn places(folder: &Path, members: &Members) -> Vec<PathBuf> {
    let hex = |sum: Sum| sum[..6].iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let name = format!(".palimpsest-{}.index", hex(sum_of(members.text().as_bytes())));
    let mut places = vec![folder.join(&name)];
    if let (Some(cache), Ok(folder)) = (cache_folder(), folder.canonicalize()) {
        let of_folder = hex(sum_of(folder.as_os_str().as_encoded_bytes()));
        places.push(cache.join("shards").join(format!("{of_folder}{name}")));
    }
    places
}

/// The folder of what this program can make again.
fn cache_folder() -> Option<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache"));
    Some(cache.or_else(home)?.join("palimpsest"))
}

/// The tables that a file keeps, of the shards `wanted`, or of all. None where there is no such file, or it is damaged.
pub(super) fn read(
    place: &Path,
    members: &Members,
    wanted: Option<&HashSet<String>>,
) -> Option<Vec<ShardTable>> {
    stored::check_regular(place).ok()?;
    let mut file = BufReader::new(File::open(place).ok()?);
    let head = head(members);
    let mut start = vec![0; head.len()];
    file.read_exact(&mut start).ok()?;
    if start != head {
        return None;
    }
    let mut tables = Vec::new();
    let mut bytes = Vec::new();
    loop {
        let mut entry = [0; 8 + 8 + 32];
        match file.read(&mut entry[..1]).ok()? {
            0 => return Some(tables),
            _ => file.read_exact(&mut entry[1..]).ok()?,
        }
        let number = |at: usize| entry[at..at + 8].try_into().ok().map(u64::from_le_bytes);
        let (name_length, length) = (number(0)?, number(8)?);
        if name_length > 1 << 16 || length > LARGEST {
            return None;
        }
        bytes.clear();
        file.by_ref().take(name_length).read_to_end(&mut bytes).ok()?;
        let name = std::str::from_utf8(&bytes).ok()?;
        if wanted.is_some_and(|wanted| !wanted.contains(name)) {
            file.seek_relative(length as i64).ok()?;
            continue;
        }
        bytes.clear();
        file.by_ref().take(length).read_to_end(&mut bytes).ok()?;
        if bytes.len() as u64 != length || sum_of(&bytes) != entry[16..] {
            return None;
        }
        tables.push(ShardTable::from_bytes(&bytes)?);
    }
}

/// Keeps tables in the first place that can be written, and gives that.
///
/// # Errors
/// None can be.
pub(super) fn write(places: &[PathBuf], members: &Members, tables: &[Arc<ShardTable>]) -> Result<PathBuf> {
    let mut failure = None;
    for place in places {
        if let Some(folder) = place.parent() {
            // What fails here fails below.
            let _ = std::fs::create_dir_all(folder);
        }
        let written = stored::replace_atomically(place, |file| {
            file.write_all(&head(members))?;
            for table in tables {
                let bytes = table.to_bytes();
                file.write_all(&(table.name.len() as u64).to_le_bytes())?;
                file.write_all(&(bytes.len() as u64).to_le_bytes())?;
                file.write_all(&sum_of(&bytes))?;
                file.write_all(table.name.as_bytes())?;
                file.write_all(&bytes)?;
            }
            file.seek(SeekFrom::End(0)).map(drop)
        });
        match written {
            Ok(()) => return Ok(place.clone()),
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    Err(failure.unwrap_or_else(|| palimpsest_core::Error::user("there is no place for it")))
}

fn head(members: &Members) -> Vec<u8> {
    let text = members.text();
    [MAGIC, format!("{} bytes of keys\n", text.len()).as_bytes(), text.as_bytes()].concat()
}
