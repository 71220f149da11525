//! Where traces of messages are sent.

use super::Decided;
use anyhow::{Context, ensure};
use hyper::Uri;

/// What stands for nothing in an option.
const NONE: &str = "none";

/// Where a collector takes traces, below its address: OTLP's own path.
const TRACES: &str = "/v1/traces";

/// A collector of traces.
#[derive(Clone, Debug, PartialEq)]
pub struct Collector {
    /// Where it takes them.
    pub url: String,
    /// So much of the messages is traced whose publishers did not say whether to.
    pub sample: f64,
}

impl Collector {
    /// No endpoint, no traces.
    pub(super) fn of(decided: &Decided) -> anyhow::Result<Option<Self>> {
        let sample = decided.otlp_sample.0;
        let endpoint = decided.otlp_endpoint.as_str();
        if endpoint == NONE {
            ensure!(
                sample == 0.0,
                "otlp-sample needs otlp-endpoint, which says where traces are sent"
            );
            return Ok(None);
        }
        let wrong = || format!("otlp-endpoint: '{endpoint}' is not http://HOST:PORT");
        let uri: Uri = endpoint.parse().with_context(wrong)?;
        let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
        ensure!(is_http && uri.host().is_some(), wrong());
        ensure!(uri.query().is_none(), wrong());
        Ok(Some(Self {
            url: format!("{}{TRACES}", endpoint.trim_end_matches('/')),
            sample,
        }))
    }
}
