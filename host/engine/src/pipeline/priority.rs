//! How threads that do what nobody waits for are kept from those that do.

use thread_priority::{
    NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy, set_thread_priority_and_policy, thread_native_id,
};

/// From now on the calling thread runs only where no other of the machine wants to, and makes room at once when one does. There is
/// no way back: a thread that may not raise its priority could be stopped while others wait for what it holds, so it
/// must hold nothing that they need.
pub(crate) fn give_way() {
    let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
    if let Err(error) = set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, idle) {
        tracing::warn!(?error, "the system does not let a thread give way to others; slow guests will be noticed");
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
