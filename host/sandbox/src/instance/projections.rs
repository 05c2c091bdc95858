//! The read side: the documents that an event belongs to, and how the event changes them.

use super::Instance;
use crate::answers::{self, Effect};
use crate::bindings::wire::Event;
use crate::call_error::CallError;
use crate::handles::DocumentHandle;

impl Instance {
    /// For each event, the keys of the documents that it belongs to.
    pub fn route(&mut self, projection: &str, events: &[Event<'_>]) -> Result<Vec<Vec<String>>, CallError> {
        let answer =
            self.call(|store, guest| guest.polder_domain_projections().call_route(store, projection, events))?;
        let routes = answer.map_err(|fault| self.fault(fault))?;
        answers::routes(routes, events.len(), &self.limits).map_err(|problem| self.failed(problem))
    }

    /// The document from its saved bytes; a new one if `saved` is `None`.
    pub fn open(&mut self, projection: &str, key: &str, saved: Option<&[u8]>) -> Result<DocumentHandle, CallError> {
        let answer =
            self.call(|store, guest| guest.polder_domain_projections().call_open(store, projection, key, saved))?;
        let resource = answer.map_err(|fault| self.fault(fault))?;
        let projection = self.loaded.catalog().find_projection(projection);
        Ok(DocumentHandle { handle: self.handle_of(resource), projection })
    }

    /// The document after `events`, and the effects. After an error the document is lost.
    pub fn apply(
        &mut self,
        document: DocumentHandle,
        events: &[Event<'_>],
    ) -> Result<(DocumentHandle, Vec<Effect>), CallError> {
        let before = self.resource(&document.handle)?;
        let answer = self.call(|store, guest| guest.polder_domain_projections().call_apply(store, before, events))?;
        let (after, effects) = answer.map_err(|fault| self.fault(fault))?;
        match answers::effects(effects, events, &self.limits) {
            Ok(effects) => Ok((DocumentHandle { handle: self.handle_of(after), ..document }, effects)),
            Err(problem) => Err(self.failed_with(after, problem)),
        }
    }

    /// The document as JSON; `None` if it is to be deleted.
    pub fn save_document(&mut self, document: &DocumentHandle) -> Result<Option<Vec<u8>>, CallError> {
        let resource = self.resource(&document.handle)?;
        let answer =
            self.call(|store, guest| guest.polder_domain_projections().document().call_save(store, resource))?;
        let saved = answer.map_err(|fault| self.fault(fault))?;
        let numbers = self.loaded.catalog().documents(document.projection);
        answers::document(saved, &self.limits, numbers).map_err(|problem| self.failed(problem))
    }

    /// Frees the document in the guest's memory.
    pub fn discard_document(&mut self, document: DocumentHandle) -> Result<(), CallError> {
        let resource = self.resource(&document.handle)?;
        self.drop_resource(resource)
    }
}
