//! How threads that do what nobody waits for are kept from those that do.

use thread_priority::{
    NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy, set_thread_priority_and_policy, thread_native_id,
};

/// From now on the calling thread runs only where no other of the machine wants to, and makes room at once when one does. There is
/// no way back: a thread that may not raise its priority could be stopped while others wait for what it holds, so it
/// must hold nothing that they need.
pub(crate) fn give_way() {
    set(NormalThreadSchedulePolicy::Idle, "slow guests will be noticed");
}

/// From now on the calling thread gets as little as a thread can get, a hundredth or so, but gets that also on a busy machine.
pub(crate) fn stand_back() {
    set(NormalThreadSchedulePolicy::Other, "audits take more than they should");
}

fn set(policy: NormalThreadSchedulePolicy, consequence: &str) {
    let policy = ThreadSchedulePolicy::Normal(policy);
    if let Err(error) = set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, policy) {
        tracing::warn!(?error, "the system does not let a thread give way to others; {consequence}");
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
