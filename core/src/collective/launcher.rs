//! Who started this process, and as which rank of how many: flags, or what a launcher left in the environment.

use std::fmt;

use super::{Meeting, World};
use crate::{Error, Result};

/// Who started the processes of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Launcher {
    /// Nobody: one process alone.
    Single,
    /// The user, by flags.
    Flags,
    /// torchrun, whose agent serves the meeting place.
    Torchrun,
    /// Something that sets RANK and WORLD_SIZE.
    Environment,
    /// Slurm's srun.
    Slurm,
    /// mpirun or mpiexec.
    Mpi,
    /// Threads of one process, in tests.
    Threads,
}

impl fmt::Display for Launcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Single => "nobody",
            Self::Flags => "flags",
            Self::Torchrun => "torchrun",
            Self::Environment => "RANK and WORLD_SIZE",
            Self::Slurm => "srun",
            Self::Mpi => "mpirun",
            Self::Threads => "threads",
        })
    }
}

/// What the user says; it wins over every launcher.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LauncherFlags {
    /// The number of processes.
    pub ranks: Option<usize>,
    /// This process's number.
    pub rank: Option<usize>,
    /// Where they meet, as HOST:PORT.
    pub meet: Option<String>,
}

/// The port that is taken where none is given, as PyTorch's launchers do.
const PORT: u16 = 29500;

/// The ranks of this run as this process sees them, from flags and the environment.
///
/// Flags come first, then torchrun, RANK and WORLD_SIZE, mpirun, and Slurm. (mpirun comes before Slurm since in an
/// allocation it starts one process a machine with srun, whose variables every rank inherits.) A shell of `sbatch` or
/// `salloc` is no rank: `SLURM_STEP_NUM_TASKS` is set by srun alone.
///
/// Without LOCAL_RANK, all are on this machine where they meet on loopback, and each on one of its own elsewhere.
///
/// # Errors
/// Half of what is needed, or what is no number.
pub fn launched(flags: &LauncherFlags, env: &dyn Fn(&str) -> Option<String>) -> Result<World> {
    let env = Environment(env);
    let world = match flags {
        LauncherFlags { ranks: None, rank: None, meet: None } => env.launched()?,
        LauncherFlags { ranks: Some(1), .. } => World::single(),
        LauncherFlags { ranks: Some(size), rank: Some(rank), .. } => {
            let meeting = match &flags.meet {
                Some(meet) => Some(meeting_of(meet)?),
                None => env.meeting()?,
            };
            let local = Local { rank: env.number("LOCAL_RANK")?, size: env.number("LOCAL_WORLD_SIZE")? };
            world(Launcher::Flags, [*rank, *size], local, meeting)?
        }
        LauncherFlags { ranks: None, rank: None, meet: Some(meet) } => {
            World { meeting: Some(meeting_of(meet)?), ..env.launched()? }
        }
        LauncherFlags { rank: None, .. } => {
            return Err(Error::user("--ranks is given, and --rank is not").help(
                "give each process its number, 0 to ranks - 1, or start them by torchrun, srun or mpirun",
            ));
        }
        LauncherFlags { ranks: None, .. } => {
            return Err(
                Error::user("--rank is given, and --ranks is not").help("say how many processes there are")
            );
        }
    };
    if world.rank >= world.size {
        return Err(Error::user(format!("rank {} of {} processes", world.rank, world.size))
            .help(format!("ranks go from 0 to {}", world.size.saturating_sub(1))));
    }
    Ok(if world.size == 1 { World::single() } else { world })
}

struct Environment<'a>(&'a dyn Fn(&str) -> Option<String>);

#[derive(Default)]
struct Local {
    rank: Option<usize>,
    size: Option<usize>,
}

fn world(
    launcher: Launcher,
    [rank, size]: [usize; 2],
    local: Local,
    meeting: Option<Meeting>,
) -> Result<World> {
    let here = meeting.as_ref().is_none_or(Meeting::is_loopback);
    let local_size = local.size.unwrap_or(if here { size } else { local.rank.map_or(1, |rank| rank + 1) });
    let local_rank = local.rank.unwrap_or(rank % local_size.max(1));
    let session = String::new();
    Ok(World { rank, size, local_rank, local_size, launcher, meeting, session })
}

impl Environment<'_> {
    fn text(&self, name: &str) -> Option<String> {
        (self.0)(name).filter(|value| !value.is_empty())
    }

    fn number(&self, name: &str) -> Result<Option<usize>> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let wrong = || Error::user(format!("{name}={text} is no number")).help("unset it, or set it right");
        text.trim().parse().map(Some).map_err(|_| wrong())
    }

    /// Two numbers of which both are there or neither.
    fn pair(&self, rank: &str, size: &str) -> Result<Option<[usize; 2]>> {
        match (self.number(rank)?, self.number(size)?) {
            (Some(rank), Some(size)) => Ok(Some([rank, size])),
            _ => Ok(None),
        }
    }

    /// MASTER_ADDR and MASTER_PORT.
    fn meeting(&self) -> Result<Option<Meeting>> {
        let Some(address) = self.text("MASTER_ADDR") else { return Ok(None) };
        let port = match self.text("MASTER_PORT") {
            None => PORT,
            Some(text) => text.parse().map_err(|_| {
                Error::user(format!("MASTER_PORT={text} is no port")).help("choose a free one, 1024 to 65535")
            })?,
        };
        Ok(Some(Meeting { address, port, served: false }))
    }

    fn launched(&self) -> Result<World> {
        if let Some(run) = self.text("TORCHELASTIC_RUN_ID")
            && let Some(ranks) = self.pair("RANK", "WORLD_SIZE")?
        {
            return self.torchrun(&run, ranks);
        }
        if let Some(ranks) = self.pair("RANK", "WORLD_SIZE")? {
            let local = Local { rank: self.number("LOCAL_RANK")?, size: self.number("LOCAL_WORLD_SIZE")? };
            return world(Launcher::Environment, ranks, local, self.meeting()?);
        }
        for (alone, missing) in [("RANK", "WORLD_SIZE"), ("WORLD_SIZE", "RANK")] {
            // A world of one needs no number.
            if let Some(value) = self.text(alone)
                && (alone, value.as_str()) != ("WORLD_SIZE", "1")
            {
                return Err(Error::user(format!("{alone}={value} is set, and {missing} is not"))
                    .help(format!("set both, or unset {alone} for one process")));
            }
        }
        if let Some(ranks) = self.pair("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE")? {
            let local = Local {
                rank: self.number("OMPI_COMM_WORLD_LOCAL_RANK")?,
                size: self.number("OMPI_COMM_WORLD_LOCAL_SIZE")?,
            };
            return world(Launcher::Mpi, ranks, local, self.meeting()?);
        }
        let slurm = self.pair("SLURM_PROCID", "SLURM_STEP_NUM_TASKS")?;
        // srun may set these too, of the same processes; MPICH's and Intel's mpirun have other ones.
        if let Some(ranks) = self.pair("PMI_RANK", "PMI_SIZE")?.filter(|ranks| slurm != Some(*ranks)) {
            let local =
                Local { rank: self.number("MPI_LOCALRANKID")?, size: self.number("MPI_LOCALNRANKS")? };
            return world(Launcher::Mpi, ranks, local, self.meeting()?);
        }
        if let Some(ranks) = slurm {
            return self.slurm(ranks);
        }
        Ok(World::single())
    }

    fn torchrun(&self, run: &str, ranks: [usize; 2]) -> Result<World> {
        let local = Local { rank: self.number("LOCAL_RANK")?, size: self.number("LOCAL_WORLD_SIZE")? };
        let served = self.text("TORCHELASTIC_USE_AGENT_STORE").as_deref() == Some("True");
        let meeting = self.meeting()?.map(|meeting| Meeting { served, ..meeting });
        // What a try before left in the store is none of ours.
        let attempt = self.text("TORCHELASTIC_RESTART_COUNT").unwrap_or_default();
        let session = format!("{run}/{attempt}");
        Ok(World { session, ..world(Launcher::Torchrun, ranks, local, meeting)? })
    }

    fn slurm(&self, ranks: [usize; 2]) -> Result<World> {
        let job = self.text("SLURM_JOB_ID").unwrap_or_default();
        let step = self.text("SLURM_STEP_ID").unwrap_or_default();
        let meeting = match self.meeting()? {
            Some(meeting) => Some(meeting),
            None => {
                let nodes = self.text("SLURM_STEP_NODELIST").or_else(|| self.text("SLURM_JOB_NODELIST"));
                // Two jobs on one machine meet at two ports, and so do two steps of a job.
                let number = |text: &str| text.parse::<u64>().unwrap_or_default();
                let port = 20_000 + ((number(&job) + 7_919 * number(&step)) % 20_000) as u16;
                nodes.map(|nodes| Meeting { address: first_node(&nodes), port, served: false })
            }
        };
        let node = self.number("SLURM_NODEID")?.unwrap_or_default();
        let tasks = self.text("SLURM_STEP_TASKS_PER_NODE").and_then(|tasks| tasks_of(&tasks, node));
        let local = Local { rank: self.number("SLURM_LOCALID")?, size: tasks };
        Ok(World { session: format!("{job}.{step}"), ..world(Launcher::Slurm, ranks, local, meeting)? })
    }
}

/// The first machine of a list as `gpu[003-006,9],login1`.
fn first_node(list: &str) -> String {
    let Some((name, rest)) = list.split_once('[') else {
        return list.split(',').next().unwrap_or(list).to_owned();
    };
    // A name without a range comes before the first bracket, as in `a,b[1-2]`.
    if let Some((first, _)) = name.split_once(',') {
        return first.to_owned();
    }
    let number = rest.split([',', '-', ']']).next().unwrap_or_default();
    let behind = rest.split_once(']').map_or("", |(_, behind)| behind);
    let behind = behind.split([',', '[']).next().unwrap_or_default();
    format!("{name}{number}{behind}")
}

/// How many processes a machine has, of a list as `4(x2),1`.
fn tasks_of(list: &str, node: usize) -> Option<usize> {
    let mut before = 0;
    for entry in list.split(',') {
        let (tasks, times) = match entry.split_once("(x") {
            Some((tasks, times)) => (tasks, times.trim_end_matches(')').parse().ok()?),
            None => (entry, 1),
        };
        before += times;
        if node < before {
            return tasks.parse().ok();
        }
    }
    None
}

/// HOST:PORT, or HOST.
fn meeting_of(text: &str) -> Result<Meeting> {
    let wrong = || Error::user(format!("`{text}` is no place to meet")).at("--meet").help("write HOST:PORT");
    let (address, port) = match text.rsplit_once(':') {
        // An IPv6 address alone.
        Some((front, _)) if front.contains(':') && !front.ends_with(']') => (text, PORT),
        Some((address, port)) => (address, port.parse().map_err(|_| wrong())?),
        None => (text, PORT),
    };
    let address = address.trim_start_matches('[').trim_end_matches(']');
    if address.is_empty() {
        return Err(wrong());
    }
    Ok(Meeting { address: address.to_owned(), port, served: false })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Result<World> {
        flagged(&LauncherFlags::default(), variables)
    }

    fn flagged(flags: &LauncherFlags, variables: &[(&str, &str)]) -> Result<World> {
        let known = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        launched(flags, &known)
    }

    fn ranks(world: &World) -> [usize; 4] {
        [world.rank, world.size, world.local_rank, world.local_size]
    }

    #[test]
    fn alone_without_a_launcher() {
        assert_eq!(of(&[]).unwrap(), World::single());
        // One process of torchrun's is one process.
        let one = [("TORCHELASTIC_RUN_ID", "x"), ("RANK", "0"), ("WORLD_SIZE", "1")];
        assert_eq!(of(&one).unwrap(), World::single());
        assert_eq!(of(&[("WORLD_SIZE", "1")]).unwrap(), World::single());
    }

    /// The variables as torchrun of torch 2.11 sets them.
    #[test]
    fn torchrun_serves_the_meeting_place() {
        let world = of(&[
            ("RANK", "5"),
            ("WORLD_SIZE", "8"),
            ("LOCAL_RANK", "1"),
            ("LOCAL_WORLD_SIZE", "4"),
            ("MASTER_ADDR", "node-a"),
            ("MASTER_PORT", "41234"),
            ("TORCHELASTIC_RUN_ID", "none"),
            ("TORCHELASTIC_RESTART_COUNT", "2"),
            ("TORCHELASTIC_USE_AGENT_STORE", "True"),
        ])
        .unwrap();
        assert_eq!((world.launcher, ranks(&world)), (Launcher::Torchrun, [5, 8, 1, 4]));
        let meeting = Meeting { address: "node-a".to_owned(), port: 41234, served: true };
        assert_eq!((world.meeting, world.session.as_str()), (Some(meeting), "none/2"));
    }

    #[test]
    fn half_an_environment_is_told() {
        let error = of(&[("RANK", "1")]).unwrap_err().to_string();
        assert_eq!(error, "RANK=1 is set, and WORLD_SIZE is not; set both, or unset RANK for one process");
        let error = of(&[("RANK", "two"), ("WORLD_SIZE", "2")]).unwrap_err().to_string();
        assert!(error.starts_with("RANK=two is no number"), "{error}");
        let error = of(&[("RANK", "2"), ("WORLD_SIZE", "2")]).unwrap_err().to_string();
        assert_eq!(error, "rank 2 of 2 processes; ranks go from 0 to 1");
    }

    /// As srun sets them (srun(1), "OUTPUT ENVIRONMENT VARIABLES"), on the second of two machines.
    #[test]
    fn srun_but_not_a_shell_of_sbatch() {
        let shell = [("SLURM_PROCID", "0"), ("SLURM_NTASKS", "6"), ("SLURM_JOB_ID", "70001")];
        assert_eq!(of(&shell).unwrap(), World::single());
        let world = of(&[
            ("SLURM_PROCID", "4"),
            ("SLURM_STEP_NUM_TASKS", "6"),
            ("SLURM_LOCALID", "0"),
            ("SLURM_NODEID", "1"),
            ("SLURM_STEP_TASKS_PER_NODE", "4,2"),
            ("SLURM_JOB_ID", "70001"),
            ("SLURM_STEP_ID", "0"),
            ("SLURM_STEP_NODELIST", "gpu[03-04]"),
        ])
        .unwrap();
        assert_eq!((world.launcher, ranks(&world)), (Launcher::Slurm, [4, 6, 0, 2]));
        let meeting = Meeting { address: "gpu03".to_owned(), port: 30001, served: false };
        assert_eq!((world.meeting, world.session.as_str()), (Some(meeting), "70001.0"));
    }

    /// mpirun in an allocation starts its helpers by srun, whose variables the ranks inherit.
    #[test]
    fn mpirun_comes_before_the_step_of_its_helpers() {
        let world = of(&[
            ("OMPI_COMM_WORLD_RANK", "3"),
            ("OMPI_COMM_WORLD_SIZE", "4"),
            ("OMPI_COMM_WORLD_LOCAL_RANK", "1"),
            ("OMPI_COMM_WORLD_LOCAL_SIZE", "2"),
            ("SLURM_PROCID", "1"),
            ("SLURM_STEP_NUM_TASKS", "2"),
        ])
        .unwrap();
        assert_eq!((world.launcher, ranks(&world), world.meeting), (Launcher::Mpi, [3, 4, 1, 2], None));
    }

    #[test]
    fn flags_win() {
        let env = [("RANK", "0"), ("WORLD_SIZE", "9"), ("MASTER_ADDR", "elsewhere")];
        let flags = LauncherFlags { ranks: Some(2), rank: Some(1), meet: Some("here:1234".to_owned()) };
        let world = flagged(&flags, &env).unwrap();
        // On machines of their own, for all that is known.
        assert_eq!((world.launcher, ranks(&world)), (Launcher::Flags, [1, 2, 0, 1]));
        assert_eq!(world.meeting.unwrap().address, "here");
        let half = LauncherFlags { ranks: Some(2), ..LauncherFlags::default() };
        assert!(
            flagged(&half, &[]).unwrap_err().to_string().starts_with("--ranks is given, and --rank is not")
        );
    }

    #[test]
    fn by_hand_on_one_machine_and_on_several() {
        let hand = |address, more: &[(&str, &str)]| {
            let known = [("RANK", "3"), ("WORLD_SIZE", "4"), ("MASTER_ADDR", address)];
            let world = of(&[&known[..], more].concat()).unwrap();
            [world.local_rank, world.local_size]
        };
        for loopback in ["localhost", "127.0.0.1", "::1"] {
            assert_eq!(hand(loopback, &[]), [3, 4]);
        }
        assert_eq!(hand("10.0.0.7", &[]), [0, 1]);
        assert_eq!(hand("10.0.0.7", &[("LOCAL_RANK", "1"), ("LOCAL_WORLD_SIZE", "2")]), [1, 2]);
    }

    /// MPICH's mpirun in an allocation, as Open MPI's; and srun with --mpi=pmi2, which sets both alike.
    #[test]
    fn pmi_within_slurm() {
        let step = [("SLURM_PROCID", "1"), ("SLURM_STEP_NUM_TASKS", "2"), ("SLURM_JOB_ID", "5")];
        let with = |rank, size| of(&[&step[..], &[("PMI_RANK", rank), ("PMI_SIZE", size)]].concat()).unwrap();
        assert_eq!((with("5", "8").launcher, with("5", "8").rank), (Launcher::Mpi, 5));
        assert_eq!((with("1", "2").launcher, with("1", "2").size), (Launcher::Slurm, 2));
    }

    #[test]
    fn lists_of_machines() {
        for (list, first) in [
            ("node7", "node7"),
            ("a1,a2", "a1"),
            ("gpu[003-006,9],login1", "gpu003"),
            ("x,gpu[1-2]", "x"),
            ("rack2-n[5,7]-ib,b", "rack2-n5-ib"),
        ] {
            assert_eq!(first_node(list), first, "{list}");
        }
        let of = |node| tasks_of("4(x2),1", node);
        assert_eq!([of(0), of(1), of(2), of(3)], [Some(4), Some(4), Some(1), None]);
    }
}
