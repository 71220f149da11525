//! Names that lead to this machine without being its own.

use super::fake::Fake;
use super::{Api, about, basic, cluster::Alone, text};
use crate::{Arrival, FromNode, FromThisMachine, Hosts, entrance, router};
use axum::body::Body;
use axum::http::{Request, header};
use std::sync::Arc;

fn answering(hosts: Hosts) -> Api {
    let served = router(Arc::new(Fake::fresh()), Arc::new(Alone), about());
    Api(entrance(served.api, hosts, None))
}

fn asking(path: &str, host: &str, from: &str, over_tls: bool) -> Request<Body> {
    Request::get(path)
        .header(header::HOST, host)
        .header(header::AUTHORIZATION, basic("guest:guest"))
        .extension(FromThisMachine(true))
        .extension(Arrival {
            address: from.parse().expect("an address"),
            over_tls,
            port: 15672,
        })
        .body(Body::empty())
        .expect("a request")
}

async fn code(api: &Api, path: &str, host: &str, from: &str, over_tls: bool) -> u16 {
    let response = api.send(asking(path, host, from, over_tls)).await;
    response.status().as_u16()
}

#[tokio::test]
async fn on_its_own_machine_the_api_answers_to_names_of_its_own() {
    let api = answering(Hosts::named(["box", "MQ.example."]));
    for (host, expected) in [
        ("127.0.0.1:15672", 200),
        ("127.0.0.1", 200),
        ("10.1.2.3:1", 200),
        ("[::1]:15672", 200),
        ("[::1]", 200),
        ("localhost:15672", 200),
        ("LocalHost.", 200),
        ("box:15672", 200),
        ("mq.example:80", 200),
        ("mq.example.", 200),
        ("evil.example:15672", 421),
        ("localhost.evil.example", 421),
        ("box.evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("127.0.0.1@evil.example", 421),
        ("[::1].evil.example", 421),
        ("[evil.example]", 421),
        ("localhost:15672:evil", 421),
        ("0x7f000001", 421),
        ("", 421),
    ] {
        let answered = code(&api, "/api/whoami", host, "127.0.0.1", false).await;
        assert_eq!(answered, expected, "{host}");
        let answered = code(&api, "/api/whoami", host, "::ffff:127.0.0.1", false).await;
        assert_eq!(answered, expected, "{host}");
    }
}

#[tokio::test]
async fn what_no_page_of_another_site_can_ask_is_not_asked_for_a_name() {
    let (api, evil) = (answering(Hosts::named([])), "evil.example");
    let whoami = "/api/whoami";
    assert_eq!(code(&api, whoami, evil, "::1", false).await, 421);
    assert_eq!(code(&api, whoami, evil, "10.0.0.1", false).await, 200);
    assert_eq!(code(&api, whoami, evil, "::1", true).await, 200);
    assert_eq!(code(&api, "/healthz/live", evil, "::1", false).await, 200);
    let any = answering(Hosts::any());
    assert_eq!(code(&any, whoami, evil, "::1", false).await, 200);
    let mut passed_on = asking(whoami, evil, "127.0.0.1", false);
    passed_on.extensions_mut().insert(FromNode);
    assert_eq!(api.send(passed_on).await.status(), 200);
    let mut nameless = asking(whoami, evil, "127.0.0.1", false);
    nameless.headers_mut().remove(header::HOST);
    assert_eq!(api.send(nameless).await.status(), 200);
    let mut two = asking(whoami, "localhost", "127.0.0.1", false);
    two.headers_mut()
        .append(header::HOST, evil.parse().expect("a value"));
    assert_eq!(api.send(two).await.status(), 421);
}

#[tokio::test]
async fn who_is_refused_is_told_why() {
    let api = answering(Hosts::named([]));
    let asked = asking("/api/whoami", "mq.example:15672", "127.0.0.1", false);
    assert_eq!(
        text(api.send(asked).await).await,
        r#"{"error":"misdirected","reason":"'mq.example:15672' is not known to be this machine: ask for localhost, or say --admin-hosts"}"#
    );
}
