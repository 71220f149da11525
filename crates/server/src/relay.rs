//! Between nodes: a client may connect to any of them, and the node that owns what it wants serves it. The others speak for
//! it ([`crate::bridge`]), in the client's own protocol, behind a greeting that says who is there.
//!
//! ```text
//! greeting, 42 bytes, big-endian:
//!   0 magic    "LFND"
//!   4 version  u16   1
//!   6 secret   16 bytes   what only nodes of the cluster know: it is kept in the database
//!  22 family   u8    4 or 6
//!  23 shard    u8    which shard the client wants to; there is but one, numbered 0, in most clusters
//!  24 address  16 bytes   of the client; IPv4 in the first four
//!  40 port     u16
//! ```

use crate::listen::Door;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tracing::{debug, warn};

const MAGIC: [u8; 4] = *b"LFND";
pub(crate) const VERSION: u16 = 1;
const LENGTH: usize = 42;

/// So many connections may be about to say that they are a node's: the next ones wait to be accepted.
const GREETINGS: usize = 256;
/// Who connects as a node has so long to say so.
const GREETING_MAX: Duration = Duration::from_secs(5);
/// After an error of accept the next try waits so long.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// What only nodes of one cluster know.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Secret(pub u128);

/// Lets in clients that other nodes pass on, for as long as the server runs.
pub(crate) async fn accept(listener: TcpListener, secret: Secret, door: Arc<Door>) {
    let greetings = Arc::new(Semaphore::new(GREETINGS));
    loop {
        let place = greetings.clone().acquire_owned().await;
        let place = place.expect("the places are never closed");
        match listener.accept().await {
            Ok((stream, peer)) => {
                let door = door.clone();
                tokio::spawn(async move {
                    let_in(stream, peer, secret, door).await;
                    drop(place);
                });
            }
            Err(error) => {
                debug!(%error, "cannot accept a connection of a node");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn let_in(mut stream: TcpStream, node: SocketAddr, secret: Secret, door: Arc<Door>) {
    let mut said = [0; LENGTH];
    let read = tokio::time::timeout(GREETING_MAX, stream.read_exact(&mut said)).await;
    if !matches!(read, Ok(Ok(_))) {
        debug!(%node, "somebody connected as a node and said nothing");
        return;
    }
    match understand(&said, secret) {
        Ok((client, shard)) => {
            door.admit_passed_on(stream, client, shard);
        }
        Err(why) => warn!(%node, why, "refusing a connection of a node"),
    }
}

/// What a node says before it speaks for a client.
pub(crate) fn greeting(secret: Secret, client: SocketAddr, shard: u32) -> [u8; LENGTH] {
    let mut said = [0; LENGTH];
    said[..4].copy_from_slice(&MAGIC);
    said[4..6].copy_from_slice(&VERSION.to_be_bytes());
    said[6..22].copy_from_slice(&secret.0.to_be_bytes());
    // A cluster has no more of them.
    said[23] = shard as u8;
    match client.ip() {
        IpAddr::V4(ip) => {
            said[22] = 4;
            said[24..28].copy_from_slice(&ip.octets());
        }
        IpAddr::V6(ip) => {
            said[22] = 6;
            said[24..40].copy_from_slice(&ip.octets());
        }
    }
    said[40..].copy_from_slice(&client.port().to_be_bytes());
    said
}

/// The client that the node passes on, and to which shard.
fn understand(said: &[u8; LENGTH], secret: Secret) -> Result<(SocketAddr, u32), &'static str> {
    if said[..4] != MAGIC {
        return Err("it does not speak as a node does");
    }
    if said[4..6] != VERSION.to_be_bytes() {
        return Err("it is of another version");
    }
    // One comparison of 16 bytes: how long it takes tells nothing about how many of them fit.
    if u128::from_be_bytes(octets(said, 6)) != secret.0 {
        return Err("it does not know the secret of this cluster");
    }
    let ip = match said[22] {
        4 => IpAddr::V4(Ipv4Addr::from(octets::<4>(said, 24))),
        6 => IpAddr::V6(Ipv6Addr::from(octets::<16>(said, 24))),
        _ => return Err("it names no client"),
    };
    let client = SocketAddr::new(ip, u16::from_be_bytes(octets(said, 40)));
    Ok((client, said[23].into()))
}

fn octets<const N: usize>(said: &[u8; LENGTH], at: usize) -> [u8; N] {
    *said[at..]
        .first_chunk()
        .expect("all fields lie within a greeting")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: Secret = Secret(0x1234_5678_9abc_def0_0fed_cba9_8765_4321);

    #[test]
    fn a_greeting_names_the_client() {
        for client in ["10.1.2.3:4567", "[2001:db8::7]:65535"] {
            let client: SocketAddr = client.parse().expect("an address");
            for shard in [0, 255] {
                let said = greeting(SECRET, client, shard);
                assert_eq!(understand(&said, SECRET), Ok((client, shard)));
            }
        }
    }

    #[test]
    fn strangers_are_refused() {
        let client = "10.1.2.3:4567".parse().expect("an address");
        let refused = |at: usize, octet: u8| {
            let mut said = greeting(SECRET, client, 0);
            said[at] = octet;
            understand(&said, SECRET).expect_err("refused")
        };
        assert_eq!(refused(0, b'A'), "it does not speak as a node does");
        assert_eq!(refused(5, 9), "it is of another version");
        for at in 6..22 {
            assert_eq!(
                refused(at, 0xee),
                "it does not know the secret of this cluster"
            );
        }
        assert_eq!(refused(22, 5), "it names no client");
    }
}
