//! Which messages are traced, and in which trace.

use model::Properties;
use model::table::Fields;
use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceId, TraceState};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator};

/// The header in which a publisher says what trace a message belongs to, and whether that is recorded.
const TRACEPARENT: &str = "traceparent";

/// What others want to be passed on with a trace.
const TRACESTATE: &str = "tracestate";

/// A longer `tracestate` is left out: nobody need pass on more.
const TRACESTATE_MAX: usize = 512;

/// The trace of a message.
#[derive(Debug)]
pub(super) struct Trace {
    pub(super) id: TraceId,
    /// What its publisher did when it sent it; `None` where the trace begins here.
    pub(super) caller: Option<SpanId>,
    pub(super) state: TraceState,
}

/// Decides for each message.
#[derive(Debug)]
pub(super) struct Decider {
    propagator: TraceContextPropagator,
    ids: RandomIdGenerator,
    /// Of those whose publishers say nothing, those are traced whose trace has a lower number in its last 63 bits.
    below: u64,
}

impl Decider {
    /// `sample` is the share of those whose publishers say nothing.
    pub(super) fn new(sample: f64) -> Self {
        let all = (1_u64 << 63) as f64;
        Self {
            propagator: TraceContextPropagator::new(),
            ids: RandomIdGenerator::default(),
            below: (sample * all) as u64,
        }
    }

    /// A new name for a span.
    pub(super) fn new_span(&self) -> SpanId {
        self.ids.new_span_id()
    }

    /// The trace of a message that is to be traced.
    pub(super) fn decide(&self, properties: &Properties) -> Option<Trace> {
        if let Some(caller) = properties.headers().and_then(|of| self.caller(of)) {
            return caller.is_sampled().then(|| Trace {
                id: caller.trace_id(),
                caller: Some(caller.span_id()),
                state: caller.trace_state().clone(),
            });
        }
        if self.below == 0 {
            return None;
        }
        let id = self.ids.new_trace_id();
        let [.., a, b, c, d, e, f, g, h] = id.to_bytes();
        let drawn = u64::from_be_bytes([a, b, c, d, e, f, g, h]) >> 1;
        (drawn < self.below).then(|| Trace {
            id,
            caller: None,
            state: TraceState::default(),
        })
    }

    /// What the headers say; `None` where they say nothing that can be understood.
    fn caller(&self, headers: Fields<'_>) -> Option<SpanContext> {
        let parent = headers.get(TRACEPARENT)?.as_str()?;
        let state = headers.get(TRACESTATE);
        let state = state.and_then(|state| state.as_str());
        let said = Said {
            parent,
            state: state.filter(|state| state.len() <= TRACESTATE_MAX),
        };
        let context = (self.propagator)
            .extract_with_context(&opentelemetry::Context::new(), &said)
            .span()
            .span_context()
            .clone();
        context.is_valid().then_some(context)
    }
}

/// The two headers, for the library that reads them.
struct Said<'a> {
    parent: &'a str,
    state: Option<&'a str>,
}

impl Extractor for Said<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        match key {
            TRACEPARENT => Some(self.parent),
            TRACESTATE => self.state,
            _ => None,
        }
    }

    fn keys(&self) -> Vec<&str> {
        vec![TRACEPARENT, TRACESTATE]
    }
}
