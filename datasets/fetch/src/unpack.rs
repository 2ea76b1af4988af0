//! Archives, taken apart as if their authors were hostile: nothing leaves the folder, no links, no
//! devices, and no more bytes than an honest archive of that size holds.

use std::fs::{self, File};
use std::io::BufReader;
use std::path::Path;

use flate2::read::MultiGzDecoder;
use palimpsest_core::{Error, Result};

use crate::budget::Budget;
use crate::catalog::Unpack;
use crate::{unpack_tar, unpack_zip};

/// Unpacks an archive into a folder, which is made.
///
/// # Errors
/// An archive that is damaged or hostile, or a disk that is full.
pub(crate) fn unpack(archive: &Path, kind: Unpack, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).map_err(|e| Error::io(folder, &e))?;
    let input = File::open(archive).map_err(|e| Error::io(archive, &e))?;
    let size = input.metadata().map_err(|e| Error::io(archive, &e))?.len();
    let mut budget = Budget::of(size);
    let done = match kind {
        Unpack::None => Ok(()),
        Unpack::Tar => unpack_tar::unpack(BufReader::new(input), folder, &mut budget),
        Unpack::TarGz => {
            let plain = MultiGzDecoder::new(BufReader::new(input));
            unpack_tar::unpack(BufReader::new(plain), folder, &mut budget)
        }
        Unpack::Zip => unpack_zip::unpack(BufReader::new(input), folder, &mut budget),
    };
    done.map_err(|e| e.at(archive.display()))
}
