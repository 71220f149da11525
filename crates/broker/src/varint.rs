//! Numbers in as few octets as they need, for what is kept in memory by the million.

/// Seven bits an octet, the lowest first; the eighth says that more follow.
pub(crate) fn put(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// Takes a number that was put.
pub(crate) fn take(bytes: &mut &[u8]) -> u64 {
    let mut number = 0;
    for shift in (0..u64::BITS).step_by(7) {
        let octet = octet(bytes);
        number |= u64::from(octet & 0x7f) << shift;
        if octet < 0x80 {
            break;
        }
    }
    number
}

/// Takes one octet.
pub(crate) fn octet(bytes: &mut &[u8]) -> u8 {
    let (first, rest) = bytes.split_first().expect("a block holds whole messages");
    *bytes = rest;
    *first
}
