//! How much memory is still available to this process.

use sysinfo::{ProcessesToUpdate, System};

/// Bytes that the system can still give, swap space included, within the limit of the control group
/// that the process runs in (a container, a job of a batch system). `None` where the system does not say.
pub(crate) fn free_memory() -> Option<u64> {
    let mut system = System::new();
    system.refresh_memory();
    let free = system.available_memory().saturating_add(system.free_swap());
    if free == 0 {
        return None;
    }
    let limit = sysinfo::get_current_pid().ok().and_then(|pid| {
        system.refresh_processes(ProcessesToUpdate::Some(&[pid]), false);
        system.process(pid)?.cgroup_limits()
    });
    // Of what the group holds, only what is not cached files stays taken.
    let within = limit.map_or(u64::MAX, |limit| {
        let free = limit.total_memory.saturating_sub(limit.rss);
        free.saturating_add(limit.free_swap)
    });
    Some(free.min(within))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_system_has_some_memory_left() {
        let free = super::free_memory();
        if cfg!(target_os = "linux") {
            let free = free.unwrap();
            assert!((1 << 24..1 << 50).contains(&free), "{free}");
        }
    }
}
