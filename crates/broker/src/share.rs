//! A cluster may be divided into shards: each has the virtual hosts whose names fall to it, with all that is in them. All
//! shards know all virtual hosts, for they know who may enter which.

use xxhash_rust::xxh3::xxh3_64;

/// What one shard has of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    shard: u32,
    shards: u32,
}

impl Default for Share {
    /// There is no other shard.
    fn default() -> Self {
        Self {
            shard: 0,
            shards: 1,
        }
    }
}

impl Share {
    /// That of one among so many shards, which are counted from 0.
    pub const fn new(shard: u32, shards: u32) -> Self {
        Self { shard, shards }
    }

    /// Whether another shard says which virtual hosts, users and permissions there are: the first one does.
    pub(crate) const fn follows(self) -> bool {
        self.shard > 0
    }

    /// Whether a virtual host's queues are here.
    pub(crate) fn has(self, vhost: &str) -> bool {
        shard_of(vhost, self.shards) == self.shard
    }
}

/// The shard of a virtual host, of so many. It is never another one: what landed is there.
pub fn shard_of(vhost: &str, shards: u32) -> u32 {
    (xxh3_64(vhost.as_bytes()) % u64::from(shards.max(1))) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What landed under one of these numbers is not found under another.
    #[test]
    fn the_shards_of_virtual_hosts_are_frozen() {
        let of = |shards| ["/", "shop", "orders", "kürbis", ""].map(|one| shard_of(one, shards));
        assert_eq!(of(1), [0; 5]);
        assert_eq!(of(2), [0, 1, 1, 0, 0]);
        assert_eq!(of(256), [46, 217, 251, 244, 194]);
    }
}
