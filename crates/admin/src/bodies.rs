//! Bodies of requests: each has come before its request takes a turn, so whoever sends slowly holds up nobody. What has come
//! of all of them has a limit, and so has what one user may have of that (promise P9).

use crate::answer::Failure;
use axum::body::{Body, HttpBody};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use model::ShortStr;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};
use tokio::sync::{Semaphore, SemaphorePermit};

/// The largest body of a request that is no document. What a document has beyond that needs a place.
pub(crate) const BODY_MAX: usize = 1024 * 1024;

/// So many documents are there at a time that are larger; the others wait.
const DOCUMENTS: usize = 2;

/// The most bytes of all bodies together, without what the places are for.
const ALL_MAX: usize = 32 * 1024 * 1024;

/// The most of one user.
const OF_USER_MAX: usize = ALL_MAX / 4;

/// All bodies that are there.
pub(crate) struct Bodies {
    held: Mutex<Held>,
    documents: Semaphore,
}

#[derive(Default)]
struct Held {
    all: usize,
    of: HashMap<ShortStr, usize>,
}

/// What a body takes, until its request has been answered.
pub(crate) struct Share<'a> {
    bodies: &'a Bodies,
    user: ShortStr,
    held: usize,
    place: Option<SemaphorePermit<'a>>,
}

impl Default for Bodies {
    fn default() -> Self {
        Self {
            held: Mutex::default(),
            documents: Semaphore::new(DOCUMENTS),
        }
    }
}

impl Bodies {
    /// Waits until all of a body of that user's has come.
    pub(crate) async fn read(
        &self,
        user: &ShortStr,
        mut body: Body,
        most: usize,
    ) -> Result<(Bytes, Share<'_>), Failure> {
        let mut share = Share {
            bodies: self,
            user: user.detached(),
            held: 0,
            place: None,
        };
        // Some say before that it is too large.
        if body.size_hint().lower() > most as u64 {
            return Err(Failure::TooLarge);
        }
        let mut octets = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| Failure::BadRequest("the body broke off".to_owned()))?;
            let Ok(data) = frame.into_data() else {
                continue;
            };
            if octets.len() + data.len() > most {
                return Err(Failure::TooLarge);
            }
            share.grow(octets.len() + data.len()).await?;
            octets.extend_from_slice(&data);
        }
        Ok((octets.freeze(), share))
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        let locked = self.held.lock();
        locked.expect("nobody panics while counting bodies")
    }
}

impl Share<'_> {
    async fn grow(&mut self, to: usize) -> Result<(), Failure> {
        if to > BODY_MAX && self.place.is_none() {
            let place = self.bodies.documents.acquire().await;
            self.place = Some(place.expect("the places are never closed"));
        }
        let more = to.min(BODY_MAX).saturating_sub(self.held);
        let mut held = self.bodies.held();
        let of_user = held.of.get(&self.user).copied().unwrap_or_default();
        if held.all + more > ALL_MAX || of_user + more > OF_USER_MAX {
            let why = "too many bodies of requests are on their way: try again";
            return Err(Failure::Short(why.to_owned()));
        }
        held.all += more;
        *held.of.entry(self.user.clone()).or_default() += more;
        self.held += more;
        Ok(())
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        let mut held = self.bodies.held();
        held.all -= self.held;
        if let Some(of_user) = held.of.get_mut(&self.user) {
            *of_user -= self.held;
            if *of_user == 0 {
                held.of.remove(&self.user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::Full;
    use http_body_util::channel::Channel;
    use std::time::Duration;

    fn of(bytes: usize) -> Body {
        Body::new(Full::new(Bytes::from(vec![b'x'; bytes])))
    }

    #[tokio::test]
    async fn one_user_leaves_room_for_others_and_all_of_them_have_a_limit() {
        let bodies = Bodies::default();
        let names = ["ada", "bob", "cid", "dan", "eve"].map(ShortStr::from_static);
        let mut shares = Vec::new();
        for user in &names[..4] {
            for _ in 0..8 {
                let read = bodies.read(user, of(BODY_MAX), BODY_MAX).await;
                shares.push(read.expect("there is room").1);
            }
            let more = bodies.read(user, of(1), BODY_MAX).await;
            assert!(matches!(more, Err(Failure::Short(_))), "{user}");
        }
        let more = bodies.read(&names[4], of(1), BODY_MAX).await;
        assert!(matches!(more, Err(Failure::Short(_))));
        shares.pop();
        assert!(bodies.read(&names[4], of(1), BODY_MAX).await.is_ok());
        drop(shares);
        let held = bodies.held();
        assert!(held.all == 0 && held.of.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_large_document_waits_for_a_place_and_a_small_one_does_not() {
        let bodies = Bodies::default();
        let ada = ShortStr::from_static("ada");
        let large = || bodies.read(&ada, of(3 * BODY_MAX), 4 * BODY_MAX);
        let held = (large().await, large().await);
        let waited = tokio::time::timeout(Duration::from_secs(9), large()).await;
        assert!(waited.is_err());
        assert!(bodies.read(&ada, of(9), 4 * BODY_MAX).await.is_ok());
        drop(held);
        assert!(large().await.is_ok());
        let more = bodies.read(&ada, of(5 * BODY_MAX), 4 * BODY_MAX).await;
        assert!(matches!(more, Err(Failure::TooLarge)));
    }

    #[tokio::test]
    async fn a_body_that_does_not_say_how_long_it_is_has_the_same_limit() {
        let bodies = Bodies::default();
        let ada = ShortStr::from_static("ada");
        let (mut sender, body) = Channel::<Bytes>::new(8);
        let sending = async move { while sender.send_data(vec![b'x'; 64].into()).await.is_ok() {} };
        let reading = bodies.read(&ada, Body::new(body), 1000);
        let (read, ()) = tokio::join!(async { reading.await.err() }, sending);
        assert!(matches!(read, Some(Failure::TooLarge)));
    }
}
