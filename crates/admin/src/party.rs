//! Who counts as one where it is counted how often somebody comes.

use std::net::{IpAddr, Ipv6Addr};

/// The party that an address belongs to. Of IPv6 that is the network of 64 bits: whoever has one address of it has all.
pub fn party(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) if !v6.is_loopback() => {
            IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)))
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::party;
    use std::net::IpAddr;

    #[test]
    fn a_network_of_ipv6_is_one_party_and_an_address_of_ipv4_is_one_by_itself() {
        let of = |text: &str| party(text.parse::<IpAddr>().expect("an address")).to_string();
        assert_eq!(of("2001:db8::1"), "2001:db8::");
        assert_eq!(of("2001:db8::ffff:0:0:2"), "2001:db8::");
        assert_eq!(of("2001:db8:0:1::1"), "2001:db8:0:1::");
        assert_eq!(of("10.0.0.1"), "10.0.0.1");
        assert_eq!(of("::ffff:10.0.0.1"), "10.0.0.1");
        assert_eq!(of("::1"), "::1");
    }
}
