//! One route: how it is asked, by whom, and what may come of it.

use crate::access::Needs;
use crate::api::Api;
use crate::described::{Described, Kind};
use axum::routing::MethodRouter;

/// One route.
pub struct Endpoint {
    /// GET, PUT, POST or DELETE.
    pub method: &'static str,
    /// The path; names in braces stand for what is percent-encoded there.
    pub path: &'static str,
    /// Who may ask for it.
    pub needs: Needs,
    /// What it does, in a few words.
    pub does: &'static str,
    pub(crate) handler: fn() -> MethodRouter<Api>,
    /// What may stand in its query.
    pub(crate) query: Option<&'static Described>,
    /// What may stand in its body.
    pub(crate) body: Option<&'static Described>,
    /// What it answers.
    pub(crate) answer: Option<&'static Kind>,
    /// What it answers with 503, if that is a verdict and no refusal.
    pub(crate) verdict: Option<&'static Kind>,
    /// HTTP's codes where it does what it is asked for.
    pub(crate) codes: &'static [u16],
    /// HTTP's codes where it does not, beside those that go with its method, its body and whoever may ask.
    pub(crate) refusals: &'static [u16],
}

impl Endpoint {
    /// A route that answers as most do with its method.
    pub(crate) const fn new(
        method: &'static str,
        path: &'static str,
        needs: Needs,
        does: &'static str,
        handler: fn() -> MethodRouter<Api>,
    ) -> Self {
        let (answer, codes): (Option<&'static Kind>, &'static [u16]) = match method.as_bytes() {
            b"GET" => (Some(&Kind::Map), &[200]),
            b"PUT" => (None, &[201, 204]),
            b"POST" => (None, &[200]),
            _ => (None, &[204]),
        };
        Self {
            method,
            path,
            needs,
            does,
            handler,
            query: None,
            body: None,
            answer,
            codes,
            verdict: None,
            refusals: &[],
        }
    }

    /// Its query may say this.
    pub(crate) const fn asks(mut self, query: &'static Described) -> Self {
        self.query = Some(query);
        self
    }

    /// Its body may say this.
    pub(crate) const fn takes(mut self, body: &'static Described) -> Self {
        self.body = Some(body);
        self
    }

    /// It answers this.
    pub(crate) const fn tells(mut self, answer: &'static Kind) -> Self {
        self.answer = Some(answer);
        self
    }

    /// It answers a list of such, perhaps a page of it.
    pub(crate) const fn lists(mut self, answer: &'static Kind) -> Self {
        self.query = Some(&crate::listing::LIST);
        self.answer = Some(answer);
        self
    }

    /// With these codes.
    pub(crate) const fn ends(mut self, codes: &'static [u16]) -> Self {
        self.codes = codes;
        self
    }

    /// It answers whether all is well, with 200 or 503.
    pub(crate) const fn judges(mut self, answer: &'static Kind) -> Self {
        self.answer = Some(answer);
        self.verdict = Some(answer);
        self
    }

    /// It may be refused with these codes, too.
    pub(crate) const fn refuses(mut self, codes: &'static [u16]) -> Self {
        self.refusals = codes;
        self
    }

    /// The codes of all refusals.
    pub(crate) fn all_refusals(&self) -> Vec<u16> {
        let changes = self.method != "GET";
        let names = self.path.contains('{');
        let known = self.needs != Needs::Nobody;
        let usual = [
            (400, self.body.is_some() || self.query.is_some() || names),
            (401, known),
            (403, changes),
            (404, names),
            (408, true),
            (413, self.body.is_some()),
            (429, known),
            (503, true),
        ];
        let usual = usual.iter().filter(|(_, may)| *may).map(|(code, _)| *code);
        let mut all: Vec<u16> = usual.chain(self.refusals.iter().copied()).collect();
        all.sort_unstable();
        all.dedup();
        all
    }
}
