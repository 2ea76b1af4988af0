//! Threads that give way to others.

/// How many steps of niceness below those that train. In CPU time a thread then has about a tenth of what it would have beside
/// one that computes, and all of a core that is idle.
#[cfg(target_os = "linux")]
const STEPS: i32 = 10;

/// Lets this thread give way to the others of the process. Where the system has no such thing for a thread alone, it stays as
/// it is.
pub(crate) fn give_way() {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{getpriority_process, setpriority_process};
        // On Linux, the calling thread alone. If it is refused, the file is written all the same.
        let _ = getpriority_process(None).and_then(|now| setpriority_process(None, now + STEPS));
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_thread_gives_way_and_the_others_stay() {
        let now = || rustix::process::getpriority_process(None).expect("told");
        let before = now();
        let other = std::thread::spawn(move || {
            give_way();
            now()
        });
        // 19 is the end.
        assert_eq!(other.join().expect("no panic"), (before + STEPS).min(19));
        assert_eq!(now(), before);
    }
}
