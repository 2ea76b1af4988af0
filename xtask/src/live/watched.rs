//! The runs of a page, read again when they have changed.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use palimpsest_core::train::{RunFolder, Use};
use palimpsest_core::{Error, Result};

use crate::report::live::Page;
use crate::runs::{Stamp, find};

/// Runs of a folder that a page shows: the ones that changed last.
const SHOWN: usize = 12;

/// How long a page stands before it is looked at the runs again.
const FRESH: Duration = Duration::from_secs(1);

/// Where runs are, and their page.
pub(super) struct Watched {
    places: Vec<PathBuf>,
    page: Option<Page>,
    /// What the page was made of: the runs, each with its files' stamp and whether it is trained.
    seen: Vec<(PathBuf, u64, bool)>,
    looked: Instant,
    /// A page that takes long to make is made less often.
    stands: Duration,
}

impl Watched {
    /// Runs, and folders of runs.
    ///
    /// # Errors
    /// A place that is no folder.
    pub(super) fn of(places: &[PathBuf]) -> Result<Self> {
        for place in places {
            if !place.is_dir() {
                return Err(Error::user("no such folder")
                    .at(place.display())
                    .help("give runs, or a folder of runs"));
            }
        }
        Ok(Self { places: places.to_vec(), page: None, seen: vec![], looked: Instant::now(), stands: FRESH })
    }

    /// The page as the runs are now.
    pub(super) fn page(&mut self) -> &Page {
        if self.page.is_none() || self.looked.elapsed() >= self.stands {
            let began = Instant::now();
            let now = self.look();
            if self.page.is_none() || now != self.seen {
                let opened =
                    now.iter().filter_map(|(path, _, running)| Some((RunFolder::open(path).ok()?, *running)));
                self.page = Some(Page::of(&opened.collect::<Vec<_>>()));
                self.seen = now;
            }
            self.looked = Instant::now();
            self.stands = FRESH.max(10 * began.elapsed());
        }
        self.page.get_or_insert_with(|| Page::of(&[]))
    }

    /// The runs, in the order of their paths where they are chosen from many.
    fn look(&self) -> Vec<(PathBuf, u64, bool)> {
        let mut found = vec![];
        for place in &self.places {
            if RunFolder::open(place).is_ok() {
                found.push((place.clone(), Stamp::of(place)));
                continue;
            }
            let below = find(place).unwrap_or_default();
            let mut below: Vec<_> = below
                .into_iter()
                .map(|path| {
                    let stamp = Stamp::of(&path);
                    (path, stamp)
                })
                .collect();
            below.sort_by_key(|(_, stamp)| std::cmp::Reverse(stamp.changed));
            below.truncate(SHOWN);
            below.sort_by(|(a, _), (b, _)| a.cmp(b));
            found.extend(below);
        }
        let running = |path: &PathBuf| RunFolder::in_use(path) == Use::Taken;
        found
            .into_iter()
            .map(|(path, stamp)| {
                let running = running(&path);
                (path, stamp.hash, running)
            })
            .collect()
    }
}
