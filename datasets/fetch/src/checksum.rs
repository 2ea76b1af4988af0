//! Whether a file is the one that was published.

use std::io::Read;
use std::path::Path;

use md5::Md5;
use palimpsest_core::{Error, Result};
use sha2::{Digest, Sha256};

use crate::catalog::File;

/// What is wrong with a file: `None` where it has the size and the checksums that are published.
///
/// # Errors
/// A file that can't be read.
pub(crate) fn difference(path: &Path, file: &File) -> Result<Option<String>> {
    let size = path.metadata().map_err(|e| Error::io(path, &e))?.len();
    if size != file.size {
        return Ok(Some(format!("it has {size} bytes, not {}", file.size)));
    }
    let (mut md5, mut sha256) = (Md5::new(), Sha256::new());
    let mut input = std::fs::File::open(path).map_err(|e| Error::io(path, &e))?;
    let mut buffer = vec![0; 1 << 20];
    loop {
        let count = input.read(&mut buffer).map_err(|e| Error::io(path, &e))?;
        if count == 0 {
            break;
        }
        if file.md5.is_some() {
            md5.update(&buffer[..count]);
        }
        if file.sha256.is_some() {
            sha256.update(&buffer[..count]);
        }
    }
    let found =
        [("SHA-256", &file.sha256, hex(&sha256.finalize())), ("MD5", &file.md5, hex(&md5.finalize()))];
    Ok(found.into_iter().find_map(|(kind, published, found)| {
        let published = published.as_ref()?;
        (*published != found).then(|| format!("its {kind} is {found}, not {published}"))
    }))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
