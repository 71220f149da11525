//! How many connections of tools there may be, and how many of them one party's: whoever keeps connections open and says
//! nothing keeps nobody else out.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The most connections at a time: the next ones wait to be accepted.
const CONNECTIONS_MAX: usize = 256;

/// A party may have one of so many that the others leave. So what two have does not fill the room, nor what ten have.
const SHARE: usize = 4;

/// Where connections find room. Clones are the same one.
#[derive(Clone)]
pub(crate) struct Room {
    places: Arc<Semaphore>,
    guests: Guests,
}

/// How many connections each party has.
#[derive(Clone, Default)]
struct Guests(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// A place for whoever comes next.
pub(crate) type Place = OwnedSemaphorePermit;

/// One of a party's connections.
pub(crate) struct Guest {
    guests: Guests,
    party: IpAddr,
    _place: Place,
}

impl Default for Room {
    fn default() -> Self {
        Self {
            places: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
            guests: Guests::default(),
        }
    }
}

impl Room {
    /// Waits until there is room for one more.
    pub(crate) async fn place(&self) -> Place {
        let place = self.places.clone().acquire_owned().await;
        place.expect("the places are never closed")
    }

    /// Gives the place to a connection, unless its party has enough of them.
    pub(crate) fn admit(&self, address: IpAddr, place: Place) -> Option<Guest> {
        let party = admin::party(address);
        let mut guests = self.guests.all();
        let own = guests.get(&party).copied().unwrap_or_default();
        let others = guests.values().sum::<usize>() - own;
        let most = CONNECTIONS_MAX.saturating_sub(others) / SHARE;
        if own >= most.max(1) {
            return None;
        }
        guests.insert(party, own + 1);
        Some(Guest {
            guests: self.guests.clone(),
            party,
            _place: place,
        })
    }
}

impl Guests {
    fn all(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut guests = self.guests.all();
        if let Some(count) = guests.get_mut(&self.party) {
            *count -= 1;
            if *count == 0 {
                guests.remove(&self.party);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    async fn fill(room: &Room, address: &str, all: &mut Vec<Guest>) -> usize {
        let before = all.len();
        let address = address.parse().expect("an address");
        while let Some(guest) = room.admit(address, room.place().await) {
            all.push(guest);
        }
        all.len() - before
    }

    #[tokio::test]
    async fn one_party_has_a_quarter_and_those_who_come_then_less() {
        let (room, mut all) = (Room::default(), Vec::new());
        assert_eq!(fill(&room, "10.0.0.1", &mut all).await, 64);
        assert_eq!(fill(&room, "10.0.0.2", &mut all).await, 48);
        for number in 3..15 {
            let address = format!("10.0.0.{number}");
            assert!(fill(&room, &address, &mut all).await >= 1, "{address}");
        }
        assert!(all.len() < CONNECTIONS_MAX);
        drop(all.split_off(64));
        assert!(
            room.admit([10, 0, 0, 1].into(), room.place().await)
                .is_none()
        );
        all.pop();
        assert!(
            room.admit([10, 0, 0, 1].into(), room.place().await)
                .is_some()
        );
        drop(all);
        assert!(room.guests.all().is_empty());
    }

    #[tokio::test]
    async fn addresses_of_one_network_are_one_party() {
        let (room, mut all) = (Room::default(), Vec::new());
        assert_eq!(fill(&room, "2001:db8::1", &mut all).await, 64);
        assert_eq!(fill(&room, "2001:db8::2", &mut all).await, 0);
        assert_eq!(fill(&room, "2001:db8:0:1::2", &mut all).await, 48);
        assert_eq!(fill(&room, "::ffff:10.0.0.1", &mut all).await, 36);
        assert_eq!(fill(&room, "10.0.0.1", &mut all).await, 0);
    }

    #[tokio::test]
    async fn all_of_them_have_a_limit() {
        let (room, mut all) = (Room::default(), Vec::new());
        for number in 0..CONNECTIONS_MAX {
            let address = IpAddr::from([10, 0, 1, u8::try_from(number % 256).expect("a byte")]);
            all.push(room.admit(address, room.place().await).expect("one each"));
        }
        let waiting = tokio::time::timeout(Duration::from_millis(50), room.place());
        assert!(waiting.await.is_err());
        all.pop();
        drop(room.place().await);
    }
}
