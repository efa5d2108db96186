//! How often one address may show a join token that nobody made. Pure.
//!
//! A guess at 256 random bits is hopeless by itself. This bounds what guessing costs the leader, and makes it seen.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::pace::Pace;
use crate::types::Span;

/// How many refusals an address may have.
const PACE: Pace = Pace {
    burst: 10,
    each: Span::mins(1),
};
/// How many addresses are remembered. Those behind the last one share a place.
const ADDRESSES: usize = 4096;

/// The addresses that showed tokens which were refused, each with the moment at which all of that is forgotten.
#[derive(Debug, Default)]
pub(super) struct Attempts(BTreeMap<Network, Span>);

/// Who counts as one: an IPv4 address, the /64 of an IPv6 address, or all that there is no place left for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Network {
    Rest,
    V4([u8; 4]),
    V6(u128),
}

impl From<IpAddr> for Network {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address.octets()),
            IpAddr::V6(address) => Self::V6(address.to_bits() >> 64),
        }
    }
}

impl Attempts {
    /// Whether an address may show a token at `now`, by the monotonic clock; if not, how long it has to wait.
    pub(super) fn admit(&self, from: Option<IpAddr>, now: Span) -> Result<(), Span> {
        let forgotten = self.0.get(&self.place(from)).copied().unwrap_or_default();
        PACE.admit(forgotten, now)
    }

    /// One was refused.
    pub(super) fn refused(&mut self, from: Option<IpAddr>, now: Span) {
        self.0.retain(|_, forgotten| *forgotten > now);
        let place = self.place(from);
        let forgotten = self.0.entry(place).or_default();
        *forgotten = PACE.after_one_more(*forgotten, now);
    }

    fn place(&self, from: Option<IpAddr>) -> Network {
        let own = from.map_or(Network::Rest, Network::from);
        if self.0.contains_key(&own) || self.0.len() < ADDRESSES {
            own
        } else {
            Network::Rest
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    const NOW: Span = Span::hours(1);

    fn v4(last: u32) -> IpAddr {
        Ipv4Addr::from(0x0a00_0000 + last).into()
    }

    fn after(refusals: u64, from: impl Into<Option<IpAddr>>) -> Attempts {
        let (mut attempts, from) = (Attempts::default(), from.into());
        (0..refusals).for_each(|_| attempts.refused(from, NOW));
        attempts
    }

    #[test]
    fn an_address_that_was_refused_ten_times_waits_a_minute_for_each_further_try() {
        let attempts = after(PACE.burst - 1, v4(1));
        assert_eq!(attempts.admit(Some(v4(1)), NOW), Ok(()));
        let mut attempts = after(PACE.burst, v4(1));
        assert_eq!(attempts.admit(Some(v4(1)), NOW), Err(PACE.each));
        assert_eq!(attempts.admit(Some(v4(2)), NOW), Ok(()), "others do not wait for it");
        assert_eq!(attempts.admit(Some(v4(1)), NOW + PACE.each), Ok(()));
        attempts.refused(Some(v4(1)), NOW + PACE.each);
        assert_eq!(attempts.admit(Some(v4(1)), NOW + PACE.each), Err(PACE.each));
        assert_eq!(attempts.admit(Some(v4(1)), NOW + Span(PACE.each.0 * PACE.burst)), Ok(()));
    }

    #[test]
    fn a_network_of_ipv6_is_one_address_and_a_mapped_address_that_which_it_stands_for() {
        let v6 = |text: &str| Some(IpAddr::V6(text.parse::<Ipv6Addr>().unwrap()));
        let attempts = after(PACE.burst, v6("2001:db8::1"));
        assert!(attempts.admit(v6("2001:db8::ffff:2"), NOW).is_err());
        assert!(attempts.admit(v6("2001:db8:0:1::1"), NOW).is_ok());
        assert!(after(PACE.burst, v4(1)).admit(v6("::ffff:10.0.0.1"), NOW).is_err());
    }

    #[test]
    fn what_is_remembered_is_bounded_and_nobody_gets_free_by_that() {
        let mut attempts = after(PACE.burst, v4(0));
        for other in 1..=u32::try_from(ADDRESSES).unwrap() * 2 {
            attempts.refused(Some(v4(other)), NOW);
        }
        assert!(attempts.0.len() <= ADDRESSES + 1);
        assert!(attempts.admit(Some(v4(0)), NOW).is_err());
        assert!(
            attempts.admit(Some(v4(1_000_000)), NOW).is_err(),
            "who has no place shares one"
        );
        attempts.refused(Some(v4(1)), NOW + Span(PACE.each.0 * u64::try_from(ADDRESSES).unwrap() * 3));
        assert_eq!(attempts.0.len(), 1, "what is over is forgotten");
    }
}
