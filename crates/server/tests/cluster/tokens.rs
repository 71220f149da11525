//! Tokens that are shown to a node which does not own the queues.

use super::nodes::Cluster;
use super::wait_until;
use crate::harness::Scratch;
use crate::tokens::{Issuer, ask, client, code, update};
use model::{ChannelNumber, Method};

const ZERO: ChannelNumber = ChannelNumber(0);

#[test]
fn any_node_takes_a_token_and_the_next_owner_the_newest() {
    let scratch = Scratch::new();
    let issuer = Issuer::new(scratch.data_dir().parent().expect("it is in another"));
    let mut cluster = Cluster::start_with(&issuer.options());
    let (owner, epoch) = cluster.owner_above(0);
    let other = (owner + 1) % 3;
    let scopes = "landfall.configure:*/* landfall.tag:monitoring";
    let running = |cluster: &mut Cluster, at: usize| {
        let running = cluster.nodes[at].running.take();
        running.expect("it runs")
    };
    let node = running(&mut cluster, other);
    let bearer = format!("Authorization: Bearer {}", issuer.token("ada", 60, scopes));
    wait_until("it is ready", || {
        code(&ask(&node, "GET /healthz/ready", &[], "")) == "200"
    });
    for path in ["/api/whoami", "/api/queues", "/api/nodes"] {
        let answer = ask(&node, &format!("GET {path}"), &[&bearer], "");
        assert_eq!(code(&answer), "200", "{path}: {answer}");
    }
    let body = format!(
        r#"{{"username":"","password":"{}"}}"#,
        issuer.token("ada", 60, scopes)
    );
    let begun = ask(&node, "POST /api/landfall/session", &[], &body);
    assert!(
        code(&begun) == "201" && begun.contains(r#""name":"ada""#),
        "{begun}"
    );
    let cookie = { begun.lines() }.find_map(|line| line.strip_prefix("set-cookie: "));
    let cookie = cookie.and_then(|cookie| cookie.split(';').next());
    let cookie = format!("Cookie: {}", cookie.expect("a cookie"));
    let who = ask(&node, "GET /api/queues", &[&cookie], "");
    assert_eq!(code(&who), "200", "{who}");

    let mut raw = client(&node, &issuer.token("ada", 5, scopes));
    raw.tune_and_ask_for_the_vhost(0);
    assert!(matches!(raw.method(ZERO), Method::ConnectionOpenOk(_)));
    update(&mut raw, &issuer.token("ada", 600, scopes));
    assert!(matches!(
        raw.method(ZERO),
        Method::ConnectionUpdateSecretOk(_)
    ));
    std::thread::sleep(std::time::Duration::from_secs(5));
    running(&mut cluster, owner).kill();
    cluster.nodes[other].running = Some(node);
    cluster.owner_above(epoch);
    // The first token has ended: who serves now was told the second one.
    update(&mut raw, &issuer.token("ada", 600, scopes));
    assert!(matches!(
        raw.method(ZERO),
        Method::ConnectionUpdateSecretOk(_)
    ));
    update(&mut raw, &issuer.token("bob", 600, scopes));
    let refused = "NOT_ALLOWED - New secret was refused by one of the backends";
    assert_eq!(raw.closed_with(), (530, refused.to_owned()));
}
