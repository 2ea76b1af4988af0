//! The processes of a run as this one sees them: who started it, as which of how many, the engine between them, and what
//! happens when one of them fails.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use palimpsest_core::collective::{
    Collective, Identity, Launcher, LauncherFlags, NOTICED, Opening, World, fingerprint, launched,
};
use palimpsest_core::data::Share;
use palimpsest_core::train::{RunFolder, Trainer};
use palimpsest_core::{Device, Error, ErrorKind, Result};
use serde_json::{Value, json};

use crate::cli::{DeviceArgs, RanksArgs};
use crate::threads::Threads;
use crate::{collectives, environment, interrupt, output};

/// What a rank's own failure begins with, as its last words.
const FAILED: &str = "failed:";

/// The processes of this run.
pub(crate) struct Ranks {
    world: World,
    engine: Option<Arc<dyn Collective>>,
    /// Whether the engine was closed after a failure, and what became of the others told.
    left: Cell<bool>,
    /// The device that this one trains on.
    pub(crate) device: Device,
}

impl Ranks {
    /// Finds out who started this process, and meets the others. Says so in a line.
    ///
    /// # Errors
    /// Half of what a launcher sets, an engine that can't be opened, a rank that doesn't come.
    pub(crate) fn meet(args: &RanksArgs, on: &DeviceArgs) -> Result<Self> {
        let flags = LauncherFlags { ranks: args.ranks, rank: args.rank, meet: args.meet.clone() };
        let world = launched(&flags, &|name| std::env::var(name).ok())?;
        let device = on.device_of(world.local_rank);
        if world.size == 1 {
            return Ok(Self { world, engine: None, left: Cell::new(false), device });
        }
        output::of_rank(world.rank);
        let threads = Threads::of(&world);
        threads.take()?;
        // Before the engine, which may be slow to open, and may have handlers of its own.
        let ended = interrupt::ended()?;
        interrupt::meeting(true);
        let name = args.collective.as_deref().unwrap_or(match world.launcher {
            Launcher::Mpi => "mpi",
            _ => "gloo",
        });
        let limit = Duration::from_secs(args.time_limit);
        let opening =
            Opening { interface: args.interface.clone().unwrap_or_default(), limit, grace: None, device };
        let met = collectives::open(name, world.clone(), &opening, Some(ended));
        interrupt::meeting(false);
        let engine = met?;
        interrupt::be_patient();
        output::note(&format!("{world}; {}; {}", engine.engine(), threads.told()));
        let ranks = Self { world, engine: Some(engine), left: Cell::new(false), device };
        ranks.through(|| {
            let program = std::env::current_exe().and_then(std::fs::read).unwrap_or_default();
            let command = shared_words(&environment::command()).join("\n");
            ranks.same(
                Identity::default()
                    .with("the program", fingerprint(&program))
                    .with("the command line", fingerprint(command.as_bytes())),
            )
        })?;
        Ok(ranks)
    }

    /// The engine between the processes; none for one alone.
    pub(crate) fn engine(&self) -> Option<&Arc<dyn Collective>> {
        self.engine.as_ref()
    }

    /// Whether this process writes and prints.
    pub(crate) fn leads(&self) -> bool {
        self.world.leads()
    }

    /// Which part of what the processes share this one has.
    pub(crate) fn share(&self) -> Share {
        self.world.share()
    }

    /// For `env.json`.
    pub(crate) fn described(&self) -> Value {
        let World { size, launcher, .. } = &self.world;
        json!({ "size": size, "launcher": launcher.to_string(), "agent": self.agent() })
    }

    /// What tells torchrun's tries to run one command apart from other commands.
    pub(crate) fn agent(&self) -> Option<String> {
        let run = std::env::var("TORCHELASTIC_RUN_ID").ok()?;
        Some(format!("{run}/{}", std::os::unix::process::parent_id()))
    }

    /// Whether torchrun starts the processes again, after one of them has failed.
    pub(crate) fn started_again(&self) -> bool {
        let count =
            std::env::var("TORCHELASTIC_RESTART_COUNT").ok().and_then(|count| count.parse::<u32>().ok());
        self.world.launcher == Launcher::Torchrun && count.is_some_and(|count| count > 0)
    }

    /// Compares what must be the same everywhere.
    pub(crate) fn same(&self, identity: Identity) -> Result<()> {
        self.engine().map_or(Ok(()), |engine| identity.compare(&**engine))
    }

    /// Whether rank 0, and not this one, keeps the place where the processes meet.
    fn serves_elsewhere(&self) -> bool {
        !self.leads() && self.world.meeting.as_ref().is_some_and(|meeting| !meeting.served)
    }

    /// Rank 0's text for all.
    pub(crate) fn share_text(&self, key: &str, text: impl FnOnce() -> Result<String>) -> Result<String> {
        let Some(engine) = self.engine() else { return text() };
        let own = if self.leads() { Some(text()?) } else { None };
        let shared = engine.share(key, own.as_deref().map(str::as_bytes))?;
        String::from_utf8(shared).map_err(|_| Error::failure("rank 0 sent what is no text"))
    }

    /// Waits for all.
    pub(crate) fn barrier(&self) -> Result<()> {
        self.engine().map_or(Ok(()), |engine| engine.barrier())
    }

    /// A trainer that trains with the others.
    pub(crate) fn join(&self, trainer: Trainer) -> Result<Trainer> {
        match self.engine() {
            Some(engine) => trainer.with_collective(engine.clone()),
            None => Ok(trainer),
        }
    }

    /// Does this process's work; where it fails, the others are told at once. They wait for each other in the end, so that
    /// no launcher takes one that has ended for a failure of one that still writes.
    pub(crate) fn through<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let done = work();
        let Some(engine) = self.engine().filter(|_| !self.left.get()) else { return done };
        match done {
            Err(error) if error.kind() == ErrorKind::Lost && !error.is_of_all() => {
                Err(Error::lost(self.lost(&error).0))
            }
            Err(error) if !error.is_of_all() => {
                engine.abort(&format!("{FAILED} {error}"));
                // They are read at the place that rank 0 serves: until then it stays.
                let _ = engine.fates();
                Err(error)
            }
            done => {
                let _ = engine.barrier();
                done
            }
        }
    }

    /// Training, after which a survivor saves what it has where another rank is lost.
    pub(crate) fn train<T>(
        &self,
        trainer: &mut Trainer,
        folder: &RunFolder,
        work: impl FnOnce(&mut Trainer) -> Result<T>,
    ) -> Result<T> {
        match work(trainer) {
            Err(error) if error.kind() == ErrorKind::Lost && !error.is_of_all() => {
                let run = folder.root();
                let (told, fates) = self.lost(&error);
                let noticed = |fate: &Option<String>| fate.as_deref() == Some(NOTICED);
                let saved = match fates.and_then(|fates| fates.iter().position(noticed)) {
                    Some(first) if first != self.world.rank => format!("rank {first} saves what there is"),
                    _ if !trainer.complete_alone() => {
                        "the newest checkpoint stands, since each rank had a part of the \
                         optimiser's state (train.shard_optimizer)"
                            .to_owned()
                    }
                    _ => match trainer.checkpoint().and_then(|checkpoint| folder.rescue(&checkpoint)) {
                        Ok(Some(path)) => format!("what this one has is saved in {}", path.display()),
                        Ok(None) => "a checkpoint of this step is there".to_owned(),
                        Err(e) => format!("what this one has could not be saved ({e})"),
                    },
                };
                Err(Error::lost(format!("{told}; {saved}"))
                    .help(format!("continue with: cargo xtask resume {}", run.display())))
            }
            done => done,
        }
    }

    /// After an engine's failure: closes it, so that the others notice too, and asks what became of them: in a sentence, and
    /// each one's last words where the engine knows them.
    fn lost(&self, error: &Error) -> (String, Option<Vec<Option<String>>>) {
        self.left.set(true);
        let fates = self.engine().and_then(|engine| {
            engine.abort(NOTICED);
            engine.fates()
        });
        let what = match &fates {
            Some(fates) => told(fates, error),
            // Nobody but rank 0 takes the place where the processes meet with it.
            None if self.serves_elsewhere() => format!("rank 0 is gone, or hangs: {}", error.message()),
            None => format!("another process is gone, or hangs: {}", error.message()),
        };
        (what, fates)
    }
}

/// The words of a command line that all ranks have in common. Which rank it is, and where a machine's data lie, is each one's
/// own.
fn shared_words(words: &[String]) -> Vec<&str> {
    const OWN: [&str; 4] = ["--rank", "--interface", "--meet", "--device"];
    const OWN_KEYS: [&str; 3] = ["data.path=", "data.workers=", "data.prefetch="];
    let mut shared = vec![];
    let mut words = words.iter().map(String::as_str);
    while let Some(word) = words.next() {
        if OWN.contains(&word) {
            // And its value.
            words.next();
        } else if !OWN.iter().any(|own| word.strip_prefix(own).is_some_and(|rest| rest.starts_with('=')))
            && !OWN_KEYS.iter().any(|key| word.starts_with(key))
        {
            shared.push(word);
        }
    }
    shared
}

/// What became of the other ranks, in a sentence.
fn told(fates: &[Option<String>], error: &Error) -> String {
    let failed: Vec<String> = fates
        .iter()
        .enumerate()
        .filter_map(|(rank, fate)| {
            let words = fate.as_deref()?.strip_prefix(FAILED)?;
            Some(format!("rank {rank} failed: {}", words.trim()))
        })
        .collect();
    if let Some(first) = failed.first() {
        return first.clone();
    }
    let gone: Vec<String> =
        (0..fates.len()).filter(|&rank| fates[rank].is_none()).map(|rank| rank.to_string()).collect();
    match gone.len() {
        0 => format!("the ranks have lost each other: {}", error.message()),
        1 => format!("rank {} is gone, or hangs: {}", gone[0], error.message()),
        // One that is in the middle of a long step hasn't noticed yet.
        _ => format!("ranks {} are gone, or hang: {}", gone.join(", "), error.message()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_one_rank_alone_are_left_out() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let of = |text: &str| shared_words(&words(text)).join(" ");
        assert_eq!(
            of("pretrain a.toml --ranks 2 --rank 1 --meet h:1 seed=1"),
            "pretrain a.toml --ranks 2 seed=1"
        );
        assert_eq!(of("eval runs/a --rank=1 data.path=/b --head knn"), "eval runs/a --head knn");
    }

    #[test]
    fn what_became_of_the_others() {
        let error = Error::lost("Connection reset by peer");
        let fate = |words: &str| Some(words.to_owned());
        let told = |fates: &[Option<String>]| super::told(fates, &error);
        assert_eq!(
            told(&[fate(NOTICED), None, fate(NOTICED)]),
            "rank 1 is gone, or hangs: Connection reset by peer"
        );
        assert_eq!(
            told(&[None, None, fate(NOTICED)]),
            "ranks 0, 1 are gone, or hang: Connection reset by peer"
        );
        let full = fate("failed: runs/a: the disk is full");
        assert_eq!(told(&[full, fate(NOTICED), None]), "rank 0 failed: runs/a: the disk is full");
        assert_eq!(
            told(&[fate(NOTICED), fate(NOTICED)]),
            "the ranks have lost each other: Connection reset by peer"
        );
    }
}
