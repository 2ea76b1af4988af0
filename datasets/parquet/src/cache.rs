//! Decompressed pages that stay in memory, for codecs whose streams can't be entered in the middle.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;

/// A page: a file, a row group and a number in it.
pub(crate) type PageKey = (u64, u32, u32);

/// The pages that were used last, up to a number of bytes.
pub struct PageCache {
    limit: usize,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    bytes: usize,
    /// The one used last at the end.
    pages: VecDeque<(PageKey, Bytes)>,
}

impl PageCache {
    /// With room for `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self { limit, kept: Mutex::default() }
    }

    pub(crate) fn get(&self, key: PageKey) -> Option<Bytes> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let at = kept.pages.iter().rposition(|(own, _)| *own == key)?;
        let page = kept.pages.remove(at)?;
        let bytes = page.1.clone();
        kept.pages.push_back(page);
        Some(bytes)
    }

    pub(crate) fn keep(&self, key: PageKey, page: Bytes) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if page.len() > self.limit || kept.pages.iter().any(|(own, _)| *own == key) {
            return;
        }
        kept.bytes += page.len();
        kept.pages.push_back((key, page));
        while kept.bytes > self.limit {
            let Some((_, oldest)) = kept.pages.pop_front() else { break };
            kept.bytes -= oldest.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_page_goes_first() {
        let cache = PageCache::new(100);
        for page in 0..3 {
            cache.keep((0, 0, page), vec![page as u8; 40].into());
            let _ = cache.get((0, 0, 0));
        }
        let there = [0, 1, 2].map(|page| cache.get((0, 0, page)).map(|bytes| bytes[0]));
        assert_eq!(there, [Some(0), None, Some(2)]);
        cache.keep((0, 0, 3), vec![3; 101].into());
        assert!(cache.get((0, 0, 3)).is_none());
    }
}
