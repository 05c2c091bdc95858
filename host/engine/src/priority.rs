//! Priorities below that of the threads that decide and append commands.

use rustix::process::setpriority_process;
use thread_priority::{
    NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy, set_thread_priority_and_policy, thread_native_id,
};

/// The niceness of [`yield_to_commands`]. A thread with it has a third of the weight of a normal one, so the system
/// preempts it as soon as a normal thread wakes up.
const YIELDING_NICENESS: i32 = 5;

/// Lets threads that decide and append commands run before the calling thread. It still has about a quarter of the CPU
/// time on a busy machine. For work that a caller waits for, but that takes milliseconds, such as a read: a command
/// passes four threads, and would wait for each of them behind such work.
pub(crate) fn yield_to_commands() {
    if let Err(error) = setpriority_process(None, YIELDING_NICENESS) {
        tracing::warn!(%error, "the system does not allow a thread to lower its priority; reads will delay commands");
    }
}

/// Gives the calling thread the idle policy: it runs only when no other thread of the machine wants to, and is
/// preempted at once when one does. This cannot be undone, because a thread may not raise its own priority. The thread
/// may be paused while it holds a lock, so it must hold none that other threads need.
pub(crate) fn give_way() {
    set(NormalThreadSchedulePolicy::Idle, "slow guests will delay other tenants");
}

/// Gives the calling thread the lowest normal priority: about a hundredth of the CPU time, but that also on a busy
/// machine. So the thread always leaves a section that holds a lock, and may share locks with other threads, as long as
/// each section is short. It must not take the locks of the journal's index, which the writer needs for every command:
/// it uses [`Reader::aside`](polder_journal::Reader::aside).
pub(crate) fn stand_back() {
    set(
        NormalThreadSchedulePolicy::Other,
        "audits, slow reads and slow projections will take more CPU time than they should",
    );
}

fn set(policy: NormalThreadSchedulePolicy, consequence: &str) {
    let policy = ThreadSchedulePolicy::Normal(policy);
    if let Err(error) = set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, policy) {
        tracing::warn!(?error, "the system does not allow a thread to lower its priority; {consequence}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use thread_priority::thread_schedule_policy;

    #[test]
    fn a_thread_gives_way() {
        let policy = std::thread::spawn(|| {
            give_way();
            thread_schedule_policy().unwrap()
        });
        assert_eq!(policy.join().unwrap(), ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle));
    }
}
