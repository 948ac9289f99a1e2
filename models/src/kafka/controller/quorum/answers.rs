//! Answers of other voters find their questions.

use super::*;

impl Quorum {
    /// A voter has answered.
    pub(in super::super) fn answered(
        &mut self,
        cx: &mut Cx<'_>,
        voter: ControllerId,
        question: &Question,
        response: &Response,
    ) {
        match (question, response) {
            (Question::Vote(request), Response::Vote(response)) => self.vote_answered(cx, voter, request, response),
            (Question::Begin(request), Response::BeginQuorumEpoch(response)) => {
                if self.heard(cx, request.epoch, response.epoch, None) {
                    self.begin_told(cx.monotonic(), voter, request.epoch, response.error.is_none());
                }
            }
            (Question::Fetch(request), Response::FetchMetadata(response)) => {
                self.fetch_answered(cx, voter, request, response);
            }
            (question, response) => cx.fail(format!("{question:?} was answered with {}", response.name())),
        }
    }

    /// A voter has not answered, and will not.
    pub(in super::super) fn lost(&mut self, now: Nanos, voter: ControllerId, question: &Question) {
        match question {
            Question::Vote(request) => self.vote_lost(now, voter, request),
            Question::Begin(request) => self.begin_told(now, voter, request.epoch, false),
            Question::Fetch(request) => {
                self.fetch_ended(now, voter, request, false);
            }
        }
    }
}
