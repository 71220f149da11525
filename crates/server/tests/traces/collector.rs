//! A collector that remembers what it gets: OTLP over HTTP, decoded by the protocol's own crate.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use prost::Message;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A span as a test looks at it: ids in hexadecimal, values as text.
#[derive(Clone, Debug)]
pub(super) struct Span {
    pub(super) trace: String,
    pub(super) id: String,
    pub(super) parent: String,
    pub(super) state: String,
    pub(super) name: String,
    pub(super) began: u64,
    pub(super) ended: u64,
    pub(super) failed: bool,
    pub(super) message: String,
    pub(super) attributes: BTreeMap<String, String>,
}

impl Span {
    #[track_caller]
    pub(super) fn get(&self, key: &str) -> &str {
        let value = self.attributes.get(key);
        value.unwrap_or_else(|| panic!("{key} of {self:#?}"))
    }
}

#[derive(Default)]
struct Got {
    spans: Vec<Span>,
    resource: BTreeMap<String, String>,
}

/// A running collector.
pub(super) struct Collector {
    address: SocketAddr,
    got: Arc<Mutex<Got>>,
    refuses: Arc<AtomicBool>,
}

impl Collector {
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let collector = Self {
            address: listener.local_addr().expect("an address"),
            got: Arc::default(),
            refuses: Arc::default(),
        };
        let (got, refuses) = (collector.got.clone(), collector.refuses.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (got, refuses) = (got.clone(), refuses.clone());
                std::thread::spawn(move || serve(stream, &got, &refuses));
            }
        });
        collector
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on nothing is taken, or all is.
    pub(super) fn refuse(&self, whether: bool) {
        self.refuses.store(whether, Ordering::SeqCst);
    }

    /// What came, when it is so many spans.
    #[track_caller]
    pub(super) fn wait(&self, count: usize) -> Vec<Span> {
        let patience = Instant::now() + Duration::from_secs(15);
        loop {
            let spans = self.got.lock().expect("no panics").spans.clone();
            if spans.len() >= count || Instant::now() > patience {
                assert_eq!(spans.len(), count, "{spans:#?}");
                return spans;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub(super) fn resource(&self, key: &str) -> String {
        let got = self.got.lock().expect("no panics");
        got.resource.get(key).cloned().unwrap_or_default()
    }
}

/// Answers what comes on a connection.
fn serve(stream: TcpStream, got: &Mutex<Got>, refuses: &AtomicBool) {
    let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
    let mut stream = stream;
    while let Some((head, body)) = request(&mut reader) {
        let status = if refuses.load(Ordering::SeqCst) {
            "500 Internal Server Error"
        } else {
            assert!(head.starts_with("POST /v1/traces HTTP/1.1"), "{head}");
            assert!(
                head.to_lowercase()
                    .contains("content-type: application/x-protobuf"),
                "{head}"
            );
            take(&body, got);
            "200 OK"
        };
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

fn request(reader: &mut BufReader<TcpStream>) -> Option<(String, Vec<u8>)> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let is_length = name.eq_ignore_ascii_case("content-length");
        is_length.then(|| value.trim().parse().expect("a length"))
    });
    let mut body = vec![0; length.expect("a length")];
    reader.read_exact(&mut body).ok()?;
    Some((head, body))
}

fn take(body: &[u8], got: &Mutex<Got>) {
    let request = ExportTraceServiceRequest::decode(body).expect("OTLP");
    let mut got = got.lock().expect("no panics");
    for of_resource in request.resource_spans {
        if let Some(resource) = of_resource.resource {
            got.resource = texts(resource.attributes);
        }
        for span in of_resource.scope_spans.into_iter().flat_map(|of| of.spans) {
            let status = span.status.unwrap_or_default();
            got.spans.push(Span {
                trace: hex(&span.trace_id),
                id: hex(&span.span_id),
                parent: hex(&span.parent_span_id),
                state: span.trace_state,
                name: span.name,
                began: span.start_time_unix_nano,
                ended: span.end_time_unix_nano,
                failed: status.code == StatusCode::Error as i32,
                message: status.message,
                attributes: texts(span.attributes),
            });
        }
    }
}

fn texts(attributes: Vec<KeyValue>) -> BTreeMap<String, String> {
    let each = attributes.into_iter();
    each.map(|one| (one.key, text(one.value))).collect()
}

fn text(value: Option<AnyValue>) -> String {
    match value.and_then(|value| value.value) {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::BoolValue(truth)) => truth.to_string(),
        other => panic!("{other:?}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
