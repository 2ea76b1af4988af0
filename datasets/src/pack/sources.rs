//! The image files that a shard was packed of, by which a later try tells whether they are still the same.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use palimpsest_core::data::{Dataset, Encoded};
use palimpsest_core::positioned::written_at;
use sha2::{Digest, Sha256};

use super::shard::hexadecimal;

/// The state of a sample's file.
pub(super) type State = [u8; 32];

/// By size and time of writing, or by the bytes of what isn't in a file as it is. Nothing is known of samples without files.
pub(super) fn state_of(encoded: Option<&Encoded>) -> State {
    let mut sha = Sha256::new();
    let mut file = |path: &Path| {
        let state = std::fs::metadata(path).map(|metadata| (metadata.len(), written_at(&metadata)));
        // One that is gone has a state too.
        sha.update(format!("{:?}", state.ok()));
    };
    match encoded {
        None => {}
        Some(Encoded::File(path)) => file(path),
        Some(Encoded::Piece { file: path, offset, length }) => {
            file(path);
            sha.update(format!(" {offset} {length}"));
        }
        Some(Encoded::Bytes(bytes)) => sha.update(bytes),
    }
    sha.finalize().into()
}

/// The states of the samples of a shard, in their order.
#[derive(Default)]
pub(super) struct Sources(Sha256);

impl Sources {
    pub(super) fn add(&mut self, state: State) {
        self.0.update(state);
    }

    /// As it is listed; what is counted anew then is the next shard's.
    pub(super) fn take(&mut self) -> String {
        hexadecimal(&std::mem::take(&mut self.0).finalize())
    }
}

/// The sum of these samples' files as they are now.
pub(super) fn sum_of(data: &dyn Dataset, samples: &[u32]) -> String {
    let mut sources = Sources::default();
    for &index in samples {
        sources.add(state_of(data.encoded(index as usize).as_ref()));
    }
    sources.take()
}

/// The file among those of these samples that was written last: the likeliest to have changed.
pub(super) fn written_last(data: &dyn Dataset, samples: &[u32]) -> Option<PathBuf> {
    let file = |&index: &u32| match data.encoded(index as usize)? {
        Encoded::File(path) | Encoded::Piece { file: path, .. } => {
            let written = std::fs::metadata(&path).and_then(|metadata| metadata.modified());
            // One that is gone has changed for certain.
            Some((written.map_or((1, None), |written: SystemTime| (0, Some(written))), path))
        }
        Encoded::Bytes(_) => None,
    };
    samples.iter().filter_map(file).max().map(|(_, path)| path)
}

/// The SHA-256 of a file.
pub(super) fn file_sum(mut file: std::fs::File) -> std::io::Result<String> {
    let (mut sha, mut buffer) = (Sha256::new(), vec![0; 1 << 20]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hexadecimal(&sha.finalize())),
            count => sha.update(&buffer[..count]),
        }
    }
}
