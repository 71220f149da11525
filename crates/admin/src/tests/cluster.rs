//! What is asked of the node and its cluster, of a node that owns everything and of one that knows nobody who does.

use super::fake::Fake;
use super::{Api, basic, text};
use crate::cluster::{
    Cluster, ClusterStatus, DatabaseHealth, DatabaseStatus, MemberStatus, RequestRefused,
    ShardStatus, StandbyStatus, Wanted, ZooKeeperStatus,
};
use crate::instruments::Instruments;
use crate::journey::{Journey, Wanted as WantedJourneys};
use crate::node::{Answered, Listener, Node, NodeStatus, Vitals};
use crate::operations::Operations;
use crate::settings::{Origin, Setting};
use crate::{AskError, FromThisMachine, Operator, Reading, Vouched};
use axum::body::Body;
use axum::http::{Request, header};
use broker::{Answer, Command, Mark};
use model::{Position, ShortStr};
use std::future::ready;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

/// A server by itself, with which nothing is wrong.
pub(super) struct Alone;

fn status(name: &str) -> NodeStatus {
    NodeStatus {
        name: name.to_owned(),
        uptime: Duration::from_secs(90),
        process: 4711,
        files: (12, 1024),
        listeners: vec![
            Listener {
                protocol: "amqp",
                address: ([127, 0, 0, 1], 5672).into(),
            },
            Listener {
                protocol: "http",
                address: ([127, 0, 0, 1], 15672).into(),
            },
        ],
    }
}

impl Node for Alone {
    fn status(&self) -> NodeStatus {
        status("test")
    }

    fn vitals(&self) -> Vitals {
        Vitals {
            memory: (1000, 9000),
            disk: Some((5000, 100)),
            ..Vitals::default()
        }
    }

    fn is_alive(&self) -> bool {
        true
    }

    fn readiness(&self) -> Answered<'_, Result<(), String>> {
        Box::pin(ready(Ok(())))
    }

    fn cluster(&self) -> Option<&dyn Cluster> {
        None
    }

    fn journal_bytes(&self) -> Option<u64> {
        Some(4096)
    }

    fn settings(&self) -> &[Setting] {
        static SETTINGS: LazyLock<Vec<Setting>> = LazyLock::new(|| {
            vec![Setting {
                name: "data-dir".to_owned(),
                value: "/var/lib/landfall".to_owned(),
                from: Origin::File,
                default: "./landfall-data",
                environment: "LANDFALL_DATA_DIR",
                does: "Directory that holds all that has landed",
            }]
        });
        &SETTINGS
    }

    fn operations(&self) -> Option<Arc<dyn Operations>> {
        None
    }
}

/// A member of a cluster that is not well: no other node is ready, and nobody serves.
#[derive(Default)]
struct Ailing(Mutex<Vec<Wanted>>);

impl Node for Ailing {
    fn status(&self) -> NodeStatus {
        status("a")
    }

    fn vitals(&self) -> Vitals {
        Vitals {
            memory: (1000, 9000),
            disk: None,
            memory_short: true,
            disk_short: true,
        }
    }

    fn is_alive(&self) -> bool {
        false
    }

    fn readiness(&self) -> Answered<'_, Result<(), String>> {
        Box::pin(ready(Err("no node serves".to_owned())))
    }

    fn cluster(&self) -> Option<&dyn Cluster> {
        Some(self)
    }

    fn journal_bytes(&self) -> Option<u64> {
        None
    }

    fn settings(&self) -> &[Setting] {
        &[]
    }

    fn operations(&self) -> Option<Arc<dyn Operations>> {
        None
    }
}

fn member(node: &str, draining: bool) -> MemberStatus {
    MemberStatus {
        node: node.to_owned(),
        run: 7,
        since: 1_790_000_000_000,
        amqp: format!("{node}:5672"),
        inner: format!("{node}:25672"),
        admin: format!("{node}:15672"),
        program: "0.1.0".to_owned(),
        format: 2,
        protocol: 1,
        draining,
        reaches_database: true,
        misfit: None,
    }
}

impl Cluster for Ailing {
    fn members(&self) -> (String, Vec<MemberStatus>) {
        let members = vec![member("a", false), member("b", true)];
        ("a".to_owned(), members)
    }

    fn status(&self) -> Answered<'_, ClusterStatus> {
        let (me, members) = self.members();
        let standby = StandbyStatus {
            name: "db2".to_owned(),
            address: Some("10.0.0.2".to_owned()),
            state: "streaming".to_owned(),
            sync: "quorum".to_owned(),
            lag: Some(Duration::from_millis(3)),
        };
        Box::pin(ready(ClusterStatus {
            me,
            members,
            controller: Some("b".to_owned()),
            shards: vec![ShardStatus {
                shard: 0,
                database: 0,
                owner: Some("a.7".to_owned()),
                epoch: 4,
                taken: Some(("b.7".to_owned(), 3)),
            }],
            requests: vec![Wanted::Drain("b".to_owned())],
            zookeeper: ZooKeeperStatus {
                hosts: vec!["zk1:2181".to_owned()],
                silent: None,
                lease: Some(Duration::from_millis(1500)),
            },
            databases: vec![DatabaseStatus {
                hosts: vec!["db1:5432".to_owned(), "db2:5432".to_owned()],
                health: Ok(DatabaseHealth {
                    primary: Some("10.0.0.1:5432".to_owned()),
                    version: "15.4".to_owned(),
                    standbys: vec![standby],
                    objections: Vec::new(),
                    bytes: Some(8192),
                }),
            }],
        }))
    }

    fn request(&self, wanted: Wanted) -> Answered<'_, Result<(), RequestRefused>> {
        let noted = match &wanted {
            Wanted::Drain(node) | Wanted::Resume(node) if node == "nobody" => {
                Err(RequestRefused::NoSuchNode(node.clone()))
            }
            Wanted::Rebalance => Err(RequestRefused::Silent("ZooKeeper is silent".to_owned())),
            _ => Ok(()),
        };
        let mut all = self.0.lock().expect("no panic while it is held");
        all.push(wanted);
        Box::pin(ready(noted))
    }
}

/// Knows where the node is that serves, and cannot ask it; or that there is none.
struct Nobody(Option<&'static str>);

impl Operator for Nobody {
    fn instruments(&self) -> Option<Arc<Instruments>> {
        None
    }

    fn ask(&self, _: Command) -> Answered<'_, Result<Answer, AskError>> {
        Box::pin(ready(Err(AskError::Elsewhere(self.0.map(Into::into)))))
    }

    fn read(&self, _: Vec<Position>, _: usize) -> Answered<'_, Result<Vec<Reading>, AskError>> {
        Box::pin(ready(Err(AskError::Elsewhere(None))))
    }

    fn journeys(&self, _: WantedJourneys) -> Answered<'_, Result<Vec<Journey>, AskError>> {
        Box::pin(ready(Err(AskError::Elsewhere(None))))
    }
}

#[tokio::test]
async fn a_server_by_itself_is_well() {
    let transcript = Api::new()
        .transcript(
            "GET /healthz/live
             GET /healthz/ready
             GET /api/health/checks/alarms
             GET /api/health/checks/ready-to-serve-clients
             GET /api/health/checks/virtual-hosts
             GET /api/health/checks/node-is-quorum-critical
             GET /api/health/checks/port-listener/5672
             GET /api/health/checks/port-listener/5673
             GET /api/health/checks/port-listener/amqp
             GET /api/health/checks/protocol-listener/amqp091
             GET /api/health/checks/protocol-listener/mqtt
             GET /api/nodes/other
             GET /api/landfall/cluster
             POST /api/landfall/cluster/rebalance",
        )
        .await;
    expect_test::expect![[r#"
        GET /healthz/live
          200 {"status":"ok"}
        GET /healthz/ready
          200 {"status":"ok"}
        GET /api/health/checks/alarms
          200 {"status":"ok"}
        GET /api/health/checks/ready-to-serve-clients
          200 {"status":"ok"}
        GET /api/health/checks/virtual-hosts
          200 {"status":"ok"}
        GET /api/health/checks/node-is-quorum-critical
          200 {"status":"ok"}
        GET /api/health/checks/port-listener/5672
          200 {"status":"ok"}
        GET /api/health/checks/port-listener/5673
          503 {"reason":"nothing listens on port 5673","status":"failed"}
        GET /api/health/checks/port-listener/amqp
          400 {"error":"bad_request","reason":"'amqp' is no port"}
        GET /api/health/checks/protocol-listener/amqp091
          200 {"status":"ok"}
        GET /api/health/checks/protocol-listener/mqtt
          503 {"reason":"nothing listens for mqtt","status":"failed"}
        GET /api/nodes/other
          404 {"error":"Object Not Found","reason":"Not Found"}
        GET /api/landfall/cluster
          404 {"error":"Object Not Found","reason":"this server is no member of a cluster"}
        POST /api/landfall/cluster/rebalance
          404 {"error":"Object Not Found","reason":"this server is no member of a cluster"}
    "#]]
    .assert_eq(&transcript);
}

#[tokio::test]
async fn what_is_wrong_is_said_and_what_is_asked_for_is_noted() {
    let node = Arc::new(Ailing::default());
    let transcript = Api::of(Fake::fresh(), node.clone())
        .transcript(
            "GET /healthz/live
             GET /healthz/ready
             GET /api/health/checks/alarms
             GET /api/health/checks/is-in-service
             GET /api/health/checks/node-is-quorum-critical
             GET /api/nodes?columns=name
             GET /api/nodes/b
             GET /api/landfall/cluster
             POST /api/landfall/cluster/drain/b
             DELETE /api/landfall/cluster/drain/b
             POST /api/landfall/cluster/drain/nobody
             POST /api/landfall/cluster/rebalance",
        )
        .await;
    expect_test::expect![[r#"
        GET /healthz/live
          503 {"reason":"the server's loop does not turn","status":"failed"}
        GET /healthz/ready
          503 {"reason":"no node serves","status":"failed"}
        GET /api/health/checks/alarms
          503 {"reason":"memory is short and the disk nearly full: publishers wait","status":"failed"}
        GET /api/health/checks/is-in-service
          503 {"reason":"no node serves","status":"failed"}
        GET /api/health/checks/node-is-quorum-critical
          503 {"reason":"no other node could take over what this one has","status":"failed"}
        GET /api/nodes?columns=name
          200 [{"name":"a"},{"name":"b"}]
        GET /api/nodes/b
          200 {"applications":[{"description":"Landfall","name":"landfall","version":"0.1.0"}],"being_drained":true,"name":"b","partitions":[],"running":true,"type":"disc"}
        GET /api/landfall/cluster
          200 {"attention":["the owner has not taken yet: shard 0","no other node could take over"],"controller":"b","databases":[{"bytes":8192,"hosts":["db1:5432","db2:5432"],"objections":[],"primary":"10.0.0.1:5432","standbys":[{"address":"10.0.0.2","lag_ms":3,"name":"db2","state":"streaming","sync":"quorum"}],"state":"connected","version":"15.4"}],"members":[{"admin":"a:15672","amqp":"a:5672","format":2,"inner":"a:25672","node":"a","program":"0.1.0","protocol":1,"run":7,"since":1790000000000,"state":"active"},{"admin":"b:15672","amqp":"b:5672","format":2,"inner":"b:25672","node":"b","program":"0.1.0","protocol":1,"run":7,"since":1790000000000,"state":"draining"}],"node":"a","requests":[{"node":"b","request":"drain"}],"serving":false,"shards":[{"database":0,"epoch":4,"owner":"a","shard":0,"state":"moving","taken_by":"b","taken_epoch":3}],"zookeeper":{"hosts":["zk1:2181"],"lease_ms":1500,"silent_seconds":null,"state":"connected"}}
        POST /api/landfall/cluster/drain/b
          202
        DELETE /api/landfall/cluster/drain/b
          202
        POST /api/landfall/cluster/drain/nobody
          404 {"error":"Object Not Found","reason":"no member of the cluster is called 'nobody'"}
        POST /api/landfall/cluster/rebalance
          503 {"error":"unavailable","reason":"ZooKeeper is silent"}
    "#]].assert_eq(&transcript);
    let noted = node.0.lock().expect("no panic while it is held").clone();
    let b = || "b".to_owned();
    assert_eq!(noted[..2], [Wanted::Drain(b()), Wanted::Resume(b())]);
}

#[tokio::test]
async fn while_nobody_serves_the_cluster_is_told_on_this_machine_alone() {
    let api = Api::of(Nobody(None), Arc::new(Ailing::default()));
    let ask = async |method: &str, path: &str, local: bool| {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::AUTHORIZATION, basic("guest:guest"))
            .extension(FromThisMachine(local))
            .body(Body::empty());
        let response = api.send(request.expect("a request")).await;
        let code = response.status().as_u16();
        (code, text(response).await)
    };
    let (code, body) = ask("GET", "/api/landfall/cluster", true).await;
    assert_eq!(code, 200, "{body}");
    let refused = r#"{"error":"elsewhere","reason":"no node of the cluster serves at the moment"}"#;
    for (method, path, local) in [
        ("GET", "/api/landfall/cluster", false),
        ("POST", "/api/landfall/cluster/rebalance", true),
        ("GET", "/api/queues", true),
    ] {
        assert_eq!(ask(method, path, local).await, (503, refused.to_owned()));
    }
}

#[tokio::test]
async fn strangers_are_not_told_where_other_nodes_are() {
    let api = Api::of(
        Nobody(Some("node-2.internal:15672")),
        Arc::new(Ailing::default()),
    );
    for vouched in [false, true] {
        let mut request = Request::get("/api/nodes")
            .header(header::AUTHORIZATION, basic("guest:guest"))
            .body(Body::empty())
            .expect("a request");
        if vouched {
            request.extensions_mut().insert(Vouched {
                user: ShortStr::from_static("guest"),
                mark: Mark(1),
            });
        }
        let response = api.send(request).await;
        assert_eq!(response.status(), 503);
        let told = text(response).await;
        assert_eq!(told.contains("node-2.internal:15672"), vouched, "{told}");
    }
    let body = r#"{"username":"guest","password":"guest"}"#;
    let (code, told) = api.ask("POST", "/api/landfall/session", body).await;
    assert!(code == 503 && !told.contains("internal"), "{code} {told}");
}

#[tokio::test]
async fn who_watches_may_see_and_not_move() {
    let api = Api::of(Fake::fresh(), Arc::new(Ailing::default()));
    for (name, tag) in [("eve", "management"), ("mo", "monitoring")] {
        let body = format!(r#"{{"password":"p","tags":"{tag}"}}"#);
        api.ask("PUT", &format!("/api/users/{name}"), &body).await;
    }
    let code =
        async |user: &str, method: &str, path: &str| api.ask_as(user, method, path, "").await.0;
    for path in ["/api/nodes", "/api/landfall/cluster"] {
        assert_eq!(code("eve:p", "GET", path).await, 401, "{path}");
        assert_eq!(code("mo:p", "GET", path).await, 200, "{path}");
    }
    let drain = "/api/landfall/cluster/drain/b";
    assert_eq!(code("mo:p", "POST", drain).await, 401);
    assert_eq!(code("guest:guest", "POST", drain).await, 202);
}

#[tokio::test]
async fn a_node_says_what_it_runs_with_and_who_said_so() {
    let transcript = Api::new().transcript("GET /api/landfall/settings").await;
    expect_test::expect![[r#"
        GET /api/landfall/settings
          200 {"node":"test","settings":[{"default":"./landfall-data","does":"Directory that holds all that has landed","environment":"LANDFALL_DATA_DIR","from":"file","name":"data-dir","value":"/var/lib/landfall"}],"version":"1.2.3"}
    "#]]
    .assert_eq(&transcript);
}
