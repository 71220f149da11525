//! The management pages: what `web/` is built into stands in the binary, and is served from there.
//!
//! Every page is the same document; which one is shown is decided in the browser, by the address. The files beside it have
//! the hash of what is in them in their names and never change. Nothing here knows anything of queues: what the pages show
//! they ask the HTTP API for.

use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::http::header::{self, HeaderName};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use rust_embed::{Embed, EmbeddedFile};

#[derive(Embed)]
#[folder = "$OUT_DIR/pages"]
struct Built;

/// The document of all pages.
const DOCUMENT: &str = "index.html";

/// What a browser lets the pages do: nothing but their own scripts, styles and pictures, and to ask where they came from.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    font-src 'self'; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'";

/// The names of files change with them.
const FOR_EVER: &str = "public, max-age=31536000, immutable";
/// The document is asked for anew each time, which costs a few bytes while it is the same.
const ASKED_ANEW: &str = "no-cache";

/// Serves the pages: at `/`, at every address of one part, and their files below `/assets/`.
pub fn router() -> Router {
    Router::new()
        .route("/", get(document))
        .route("/{page}", get(document))
        .route("/assets/{asset}", get(asset))
}

async fn document(headers: HeaderMap) -> Response {
    serve(DOCUMENT, &headers, ASKED_ANEW)
}

async fn asset(Path(asset): Path<String>, headers: HeaderMap) -> Response {
    serve(&format!("assets/{asset}"), &headers, FOR_EVER)
}

/// A file as it is, or compressed where that is wanted and there is such a copy.
fn serve(path: &str, headers: &HeaderMap, cached: &'static str) -> Response {
    let Some(plain) = Built::get(path) else {
        return (StatusCode::NOT_FOUND, "there is no such file\n").into_response();
    };
    let packed = wants_gzip(headers).then(|| Built::get(&format!("{path}.gz")));
    let packed = packed.flatten();
    let encoding = packed.is_some().then_some("gzip");
    let kind = plain.metadata.mimetype().to_owned();
    let file = packed.unwrap_or(plain);
    let tag = entity_tag(&file);
    let is_known = { headers.get_all(header::IF_NONE_MATCH).iter() }
        .filter_map(|known| known.to_str().ok())
        .flat_map(|known| known.split(','))
        .any(|known| matches!(known.trim(), one if one == tag || one == "*"));
    let mut response = match is_known {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => Body::from(file.data).into_response(),
    };
    let more = response.headers_mut();
    let mut put = |name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            more.insert(name, value);
        }
    };
    put(header::ETAG, &tag);
    put(header::CACHE_CONTROL, cached);
    put(header::VARY, "accept-encoding");
    put(header::CONTENT_SECURITY_POLICY, POLICY);
    put(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    put(header::REFERRER_POLICY, "no-referrer");
    if !is_known {
        put(header::CONTENT_TYPE, &kind);
        if let Some(encoding) = encoding {
            put(header::CONTENT_ENCODING, encoding);
        }
    }
    response
}

/// Sixteen octets of the hash of what is sent.
fn entity_tag(file: &EmbeddedFile) -> String {
    let hash = file.metadata.sha256_hash();
    let digits = hash.iter().take(16).map(|octet| format!("{octet:02x}"));
    format!("\"{}\"", digits.collect::<String>())
}

fn wants_gzip(headers: &HeaderMap) -> bool {
    let wanted = headers.get_all(header::ACCEPT_ENCODING).iter();
    let mut each = wanted
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    each.any(|one| {
        let mut parts = one.split(';').map(str::trim);
        let is_gzip = parts
            .next()
            .is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
        is_gzip && parts.all(|part| !matches!(part, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"))
    })
}

#[cfg(test)]
mod tests;
