//! For tests: a thread that is what the agent is in its unit.

use rustix::process::{Gid, Uid};
use rustix::thread::{
    CapabilitySet, CapabilitySets, configure_capability_in_ambient_set, set_capabilities, set_keep_capabilities, set_thread_gid,
    set_thread_groups, set_thread_res_uid,
};

/// Makes this thread, which is root's, another user with one other group and these capabilities, as a drop-in of the unit gives them; its
/// children have them too.
pub(crate) fn become_agent(user: u32, capabilities: CapabilitySet) {
    set_keep_capabilities(true).unwrap();
    set_thread_groups(&[Gid::from_raw(user + 1)]).unwrap();
    set_thread_gid(Gid::from_raw(user)).unwrap();
    let user = Uid::from_raw(user);
    set_thread_res_uid(user, user, user).unwrap();
    let sets = CapabilitySets {
        effective: capabilities,
        permitted: capabilities,
        inheritable: capabilities,
    };
    set_capabilities(None, sets).unwrap();
    for capability in capabilities.iter() {
        configure_capability_in_ambient_set(capability, true).unwrap();
    }
}
