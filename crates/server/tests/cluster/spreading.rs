//! Several shards in several databases are one cluster: virtual hosts are spread over them, and whoever connects to any
//! node, as a client or as an operator, does not notice.

use super::nodes::Cluster;
use super::operating::{ask, code, status};
use super::wait_until;
use crate::admin::{landfall, landfall_with};
use crate::crash::ledger::{Drain, Load, check};
use crate::harness::raw::Raw;
use crate::harness::{Scratch, start_and_fail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use model::Method;
use serde_json::Value;
use std::thread::sleep;
use std::time::Duration;

/// A virtual host of each of two shards.
fn vhosts() -> [String; 2] {
    [0, 1].map(|shard| {
        let mut names = (0..).map(|number| format!("v{number}"));
        let falls = |name: &String| broker::shard_of(name, 2) == shard;
        names.find(falls).expect("some name falls to it")
    })
}

fn get(api: &str, path: &str) -> Value {
    let login = STANDARD.encode("guest:guest");
    let answer = ask(
        api,
        &format!("GET {path}"),
        &format!("Authorization: Basic {login}\r\n"),
    );
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    assert!(head.contains(" 200 "), "{path}: {answer}");
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{path}: {error}: {body}"))
}

/// The node that has a shard.
fn owner(cluster: &Cluster, api: &str, shard: usize) -> usize {
    let (_, said) = status(api);
    let owner = said["shards"][shard]["owner"].as_str().unwrap_or_default();
    let mut nodes = cluster.nodes.iter();
    let at = nodes.position(|node| node.name == owner);
    at.unwrap_or_else(|| panic!("somebody owns it: {said:#}"))
}

fn all_ready(cluster: &Cluster) {
    for node in &cluster.nodes {
        wait_until("it is ready", || code(node.api(), "/healthz/ready") == 200);
    }
}

#[test]
fn two_databases_are_one_cluster() {
    let (mut cluster, databases) = Cluster::start_over_two();
    all_ready(&cluster);
    let addresses = cluster.addresses();
    let vhosts = vhosts();
    for (at, vhost) in vhosts.iter().enumerate() {
        landfall(cluster.nodes[at].api(), &["vhost", "add", vhost]);
    }
    // Nobody waits for the other shard to hear of its virtual host: the command has.
    let flows: Vec<_> = { vhosts.iter().zip(["one", "two"]) }
        .map(|(vhost, queue)| {
            (
                Load::start_in(vhost, queue, &addresses),
                Drain::start_in(vhost, queue, &addresses, false),
            )
        })
        .collect();
    for (load, _) in &flows {
        wait_until("messages land", || load.confirmed() > 100);
    }

    operators_see_one_cluster(&cluster, &vhosts);
    who_may_what_is_the_same_everywhere(&cluster, &vhosts);
    each_has_its_own_in_its_database(&cluster, &databases);

    for shard in [1, 0] {
        let dies = owner(&cluster, cluster.nodes[0].api(), shard);
        cluster.nodes[dies].running.take().expect("it runs").kill();
        let alive = (dies + 1) % 3;
        wait_until("another node has it", || {
            let (_, said) = status(cluster.nodes[alive].api());
            let moved = said["shards"][shard]["owner"] != *cluster.nodes[dies].name;
            moved && said["serving"] == true
        });
        for (load, _) in &flows {
            let before = load.confirmed();
            wait_until("messages land again", || load.confirmed() > before + 100);
        }
        cluster.nodes[dies].resume();
        all_ready(&cluster);
    }
    for (load, drain) in flows {
        check(&load.finish(), drain);
    }
    a_virtual_host_goes_with_all_that_is_in_it(&cluster, &vhosts[1]);
}

fn operators_see_one_cluster(cluster: &Cluster, vhosts: &[String; 2]) {
    for node in &cluster.nodes {
        let api = node.api();
        let page = get(
            api,
            "/api/queues?page=1&page_size=1&sort=name&sort_reverse=true&columns=name",
        );
        assert_eq!(page["total_count"], 2, "{page}");
        assert_eq!(page["items"], serde_json::json!([{"name": "two"}]));
        for (vhost, queue) in vhosts.iter().zip(["one", "two"]) {
            let one = get(api, &format!("/api/queues/{vhost}/{queue}"));
            assert_eq!(one["vhost"], **vhost);
            let consumers = get(api, &format!("/api/consumers/{vhost}"));
            assert_eq!(consumers.as_array().map(Vec::len), Some(1), "{consumers}");
        }
        let overview = get(api, "/api/overview");
        assert_eq!(overview["object_totals"]["queues"], 2, "{overview}");
        // Of each of three virtual hosts the default one and the predeclared ones.
        assert_eq!(overview["object_totals"]["exchanges"], 3 * 7, "{overview}");
        let exchanges = get(api, "/api/exchanges");
        assert_eq!(exchanges.as_array().map(Vec::len), Some(3 * 7));
        let connections = get(api, "/api/connections");
        let of = |vhost: &String| {
            let mut each = connections.as_array().into_iter().flatten();
            each.any(|one| one["vhost"] == **vhost)
        };
        assert!(vhosts.iter().all(of), "{connections}");
        let document = get(api, "/api/definitions");
        let names = |section: &str| {
            let each = document[section].as_array().into_iter().flatten();
            each.filter_map(|one| one["name"].as_str().map(str::to_owned))
                .collect::<Vec<_>>()
        };
        assert_eq!(names("queues"), ["one", "two"]);
        assert_eq!(names("vhosts").len(), 3, "{document}");
        let audit = get(api, "/api/landfall/audit");
        assert_eq!(audit["queues"].as_array().map(Vec::len), Some(2), "{audit}");
        let history = get(api, "/api/landfall/history?samples=1");
        assert!(history["samples"].is_array(), "{history}");
        let (_, said) = status(api);
        assert_eq!(said["databases"].as_array().map(Vec::len), Some(2));
        assert_eq!(said["shards"][1]["database"], 1, "{said:#}");
    }
    // A document comes back to where its parts belong.
    let (api, imported) = (cluster.nodes[2].api(), vhosts.each_ref().map(|vhost| {
        format!(r#"{{"vhost":"{vhost}","name":"made","durable":true,"auto_delete":false,"arguments":{{}}}}"#)
    }));
    let document = format!(r#"{{"queues":[{}]}}"#, imported.join(","));
    let told = landfall_with(api, &["definitions", "import", "-"], &document);
    assert!(told.status.success(), "{told:?}");
    for vhost in vhosts {
        get(api, &format!("/api/queues/{vhost}/made"));
        landfall(api, &["queue", "list", "--vhost", vhost]);
    }
}

fn who_may_what_is_the_same_everywhere(cluster: &Cluster, vhosts: &[String; 2]) {
    landfall(
        cluster.nodes[1].api(),
        &["user", "add", "ada", "--password", "p"],
    );
    let ada = b"\0ada\0p";
    for node in &cluster.nodes {
        for vhost in vhosts {
            let refused = Raw::enter(node.address, ada, vhost);
            assert!(matches!(refused, Method::ConnectionClose(_)), "{refused:?}");
        }
    }
    for (at, vhost) in vhosts.iter().enumerate() {
        let set = ["permission", "set", "ada", "--read", ".*", "--vhost", vhost];
        landfall(cluster.nodes[at].api(), &set);
        for node in &cluster.nodes {
            let entered = Raw::enter(node.address, ada, vhost);
            assert!(
                matches!(entered, Method::ConnectionOpenOk(_)),
                "{entered:?}"
            );
        }
    }
    landfall(cluster.nodes[2].api(), &["user", "remove", "ada"]);
    for node in &cluster.nodes {
        let mut raw = Raw::dial(node.address);
        raw.login(ada);
        let (code, _) = raw.closed_with();
        assert_eq!(code, 403);
    }
}

fn each_has_its_own_in_its_database(cluster: &Cluster, databases: &[String; 2]) {
    for (place, name) in databases.iter().enumerate() {
        let heads = "select head > 0 from landfall.shard order by shard";
        let heads = cluster.postgres.sql(name, heads);
        let has = |shard: usize| heads[shard][0].as_deref() == Some("t");
        assert_eq!([has(0), has(1)], [place == 0, place == 1], "{name}");
    }
    let [first, second] = databases
        .each_ref()
        .map(|name| cluster.postgres.address(name));
    let refused = |databases: &str| {
        let scratch = Scratch::new();
        let options = [
            "--zookeeper",
            &cluster.zookeeper.hosts(),
            "--database",
            databases,
            "--node-name",
            "late",
            "--allow-asynchronous",
            "true",
        ];
        let output = start_and_fail(&scratch.data_dir(), &options);
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let said = refused(&format!("{second};{first}"));
    assert!(
        said.contains("database 2 of 2 of its cluster, not database 1 of 2"),
        "{said}"
    );
    let said = refused(&first);
    assert!(
        said.contains("database 1 of 2 of its cluster, not database 1 of 1"),
        "{said}"
    );
}

fn a_virtual_host_goes_with_all_that_is_in_it(cluster: &Cluster, vhost: &str) {
    landfall(cluster.nodes[0].api(), &["vhost", "remove", vhost]);
    for node in &cluster.nodes {
        let queues = get(node.api(), "/api/queues");
        let mut queues = queues.as_array().into_iter().flatten();
        assert!(queues.all(|queue| queue["vhost"] != *vhost));
        let refused = Raw::enter(node.address, b"\0guest\0guest", vhost);
        assert!(matches!(refused, Method::ConnectionClose(_)), "{refused:?}");
    }
    sleep(Duration::from_millis(100));
    landfall(cluster.nodes[1].api(), &["vhost", "add", vhost]);
    for node in &cluster.nodes {
        let queues = get(node.api(), &format!("/api/queues/{vhost}"));
        assert_eq!(queues, serde_json::json!([]), "what was in it is gone");
    }
}
