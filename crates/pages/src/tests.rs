//! The pages as a browser gets them.

use super::*;
use axum::http::Request;
use http_body_util::BodyExt;
use tower::ServiceExt;

/// All files together, compressed, may have so many bytes.
const HEAVIEST: usize = 400_000;

async fn ask(path: &str, headers: &[(HeaderName, &str)]) -> Response {
    let mut request = Request::get(path);
    for (name, value) in headers {
        request = request.header(name, *value);
    }
    let request = request.body(Body::empty()).expect("a request");
    router().oneshot(request).await.expect("an answer")
}

fn told(response: &Response, name: HeaderName) -> &str {
    let value = response.headers().get(name);
    value.map_or("", |value| value.to_str().expect("text"))
}

async fn text(response: Response) -> String {
    let body = response.into_body().collect().await.expect("a body");
    String::from_utf8(body.to_bytes().to_vec()).expect("text")
}

/// The files that a document asks for.
fn files(document: &str) -> Vec<&str> {
    let quoted = document
        .split('"')
        .filter(|part| part.starts_with("/assets/"));
    quoted.collect()
}

#[tokio::test]
async fn every_address_of_one_part_is_the_document() {
    for path in ["/", "/queues", "/queue?vhost=%2F&name=a%2Fb"] {
        let response = ask(path, &[]).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        assert_eq!(told(&response, header::CONTENT_TYPE), "text/html");
        assert_eq!(told(&response, header::CACHE_CONTROL), "no-cache");
        assert_eq!(told(&response, header::CONTENT_SECURITY_POLICY), POLICY);
        assert_eq!(told(&response, header::X_CONTENT_TYPE_OPTIONS), "nosniff");
        assert_eq!(told(&response, header::REFERRER_POLICY), "no-referrer");
        assert!(text(response).await.contains("<title>Landfall</title>"));
    }
}

/// The policy would refuse what stands in the document itself.
#[tokio::test]
async fn nothing_in_the_document_is_run_or_styled() {
    let document = text(ask("/", &[]).await).await;
    assert!(!document.contains("<style") && !document.contains(" style="));
    for script in document.split("<script").skip(1) {
        let (tag, inside) = script.split_once('>').expect("a tag ends");
        assert!(tag.contains(" src=\"/assets/"), "{tag}");
        assert!(inside.starts_with("</script>"), "{inside}");
    }
}

#[tokio::test]
async fn files_are_kept_for_ever_and_come_compressed_where_that_is_wanted() {
    let document = text(ask("/", &[]).await).await;
    for path in files(&document) {
        let plain = ask(path, &[]).await;
        assert_eq!(plain.status(), StatusCode::OK, "{path}");
        assert_eq!(told(&plain, header::CACHE_CONTROL), FOR_EVER);
        assert_eq!(told(&plain, header::CONTENT_ENCODING), "");
        let packed = ask(path, &[(header::ACCEPT_ENCODING, "br, gzip;q=0.8")]).await;
        assert_eq!(told(&packed, header::CONTENT_ENCODING), "gzip");
        assert_eq!(told(&packed, header::VARY), "accept-encoding");
        let kind = told(&plain, header::CONTENT_TYPE);
        assert!(!kind.is_empty() && kind == told(&packed, header::CONTENT_TYPE));
        assert_ne!(told(&plain, header::ETAG), told(&packed, header::ETAG));
        let refused = ask(path, &[(header::ACCEPT_ENCODING, "gzip;q=0")]).await;
        assert_eq!(told(&refused, header::CONTENT_ENCODING), "");
    }
}

#[tokio::test]
async fn what_is_known_is_not_sent_again() {
    let tag = told(&ask("/", &[]).await, header::ETAG).to_owned();
    let known = format!("\"other\", {tag}");
    let again = ask("/", &[(header::IF_NONE_MATCH, &known)]).await;
    assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
    assert_eq!(told(&again, header::ETAG), tag);
    let other = ask("/", &[(header::IF_NONE_MATCH, "\"other\"")]).await;
    assert_eq!(other.status(), StatusCode::OK);
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    for path in [
        "/assets/nothing.js",
        "/assets/..%2Findex.html",
        "/api/overview",
    ] {
        assert_eq!(
            ask(path, &[]).await.status(),
            StatusCode::NOT_FOUND,
            "{path}"
        );
    }
}

#[test]
fn all_of_it_is_light() {
    let packed = Built::iter().filter(|path| path.ends_with(".gz"));
    let bytes = packed.filter_map(|path| Some(Built::get(&path)?.data.len()));
    let bytes: usize = bytes.sum();
    assert!(bytes < HEAVIEST, "{bytes} bytes");
}
