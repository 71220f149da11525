//! The znodes below the cluster's path, and how they are first made.
//!
//! ```text
//! id                        which cluster this is, and how many shards it has
//! members/NODE.INCARNATION  who is there: ephemeral, what a node says of itself
//! controller/…              the election; the lowest number is elected, each says who it is
//! assignment                who has which shard: written by the elected only
//! requests/r-NUMBER         what operators want of the elected
//! definitions               the version of the definitions in the database that was announced last
//! ```

use super::assignment::Assignment;
use super::error::{MembersError, Unreadable};
use super::member::MemberId;
use super::options::Options;
use super::silence::{End, persist};
use serde::{Deserialize, Serialize};
use zookeeper_client::{Acls, Client, CreateMode, CreateOptions, Error};

pub(super) const ID: &str = "/id";
pub(super) const MEMBERS: &str = "/members";
pub(super) const ELECTION: &str = "/controller";
pub(super) const ASSIGNMENT: &str = "/assignment";
pub(super) const REQUESTS: &str = "/requests";
pub(super) const DEFINITIONS: &str = "/definitions";

/// The znode of a member.
pub(super) fn member(id: &MemberId) -> String {
    format!("{MEMBERS}/{id}")
}

/// What a request's name begins with; ZooKeeper appends a number.
pub(super) const REQUEST: &str = "/requests/r-";

/// Which cluster this is.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Identity {
    format: u32,
    cluster: String,
    shards: u32,
}

const IDENTITY_FORMAT: u32 = 1;

/// Who may read and change what this node makes.
pub(super) fn access(options: &Options) -> Acls<'static> {
    match options.login {
        Some(_) => Acls::creator_all(),
        None => Acls::anyone_all(),
    }
}

/// Makes the path below which everything is, with a client that sees all of ZooKeeper.
pub(super) async fn make_root(
    client: &Client,
    root: &str,
    access: Acls<'static>,
) -> Result<(), End> {
    // Who may not create there may still use what an operator created.
    if persist(async || client.check_stat(root).await)
        .await?
        .is_some()
    {
        return Ok(());
    }
    let options = CreateMode::Persistent.with_acls(access);
    persist(async || client.mkdir(root, &options).await).await
}

/// Makes what is missing, and sees to it that it is the tree of this cluster.
pub(super) async fn make(client: &Client, options: &Options) -> Result<(), End> {
    let persistent = CreateMode::Persistent.with_acls(access(options));
    check_identity(client, options, &persistent).await?;
    for folder in [MEMBERS, ELECTION, REQUESTS] {
        create(client, folder, &[], &persistent).await?;
    }
    let nobody_has_any = Assignment::empty(options.shards).encode();
    create(client, ASSIGNMENT, &nobody_has_any, &persistent).await?;
    create(client, DEFINITIONS, b"0", &persistent).await
}

/// The version that the znode of the definitions tells.
pub(super) fn version(data: &[u8]) -> Result<u64, End> {
    let text = String::from_utf8_lossy(data);
    text.parse().map_err(|_| {
        let why = format!("`{text}` is no number");
        End::unreadable(DEFINITIONS, Unreadable::Damaged(why))
    })
}

async fn check_identity(
    client: &Client,
    options: &Options,
    persistent: &CreateOptions<'_>,
) -> Result<(), End> {
    let ours = Identity {
        format: IDENTITY_FORMAT,
        cluster: options.cluster.clone(),
        shards: options.shards,
    };
    let text = serde_json::to_vec(&ours).expect("text and numbers are JSON");
    create(client, ID, &text, persistent).await?;
    let (data, _) = persist(async || client.get_data(ID).await).await?;
    let theirs: Identity = serde_json::from_slice(&data)
        .map_err(|error| End::unreadable(ID, Unreadable::Damaged(error.to_string())))?;
    if theirs.format > IDENTITY_FORMAT {
        let newer = Unreadable::Newer {
            found: theirs.format,
            known: IDENTITY_FORMAT,
        };
        return Err(End::unreadable(ID, newer));
    }
    if theirs == ours {
        return Ok(());
    }
    let tell = |one: &Identity| format!("{} of {} shards", one.cluster, one.shards);
    Err(End::Final(MembersError::OtherCluster {
        place: format!("{}{ID}", client.path()),
        theirs: tell(&theirs),
        ours: tell(&ours),
    }))
}

/// Creates a znode unless it is there.
async fn create(
    client: &Client,
    path: &str,
    data: &[u8],
    options: &CreateOptions<'_>,
) -> Result<(), End> {
    let created = persist(async || match client.create(path, data, options).await {
        // Another node was first, or a create whose answer was lost was ours.
        Err(Error::NodeExists) => Ok(()),
        other => other.map(|_| ()),
    });
    created.await
}
