//! The system stream: one aggregate per tenant and domain, one event per activation. Knows what a deployment event looks
//! like, and nothing of components.

use std::collections::HashMap;

use polder_core::{
    AggregateId, AggregateName, CommandId, CommandName, ContentId, DomainName, EventName, Fingerprint, Position,
    Revision, Sequence, TenantName, TimestampMs,
};
use polder_journal::{Decision, EncodedRecord, NewEvent, Outcome, ReadError, Reader};
use serde::{Deserialize, Serialize};

/// Owns the host's own history. No tenant of this name can be made.
pub(crate) const SYSTEM_TENANT: &str = "system";
const DOMAIN: &str = "deployments";
const AGGREGATE: &str = "domain";
const COMMAND: &str = "activate-revision";
const ACTIVATED: &str = "revision-activated";
const ACTIVATED_VERSION: u32 = 1;
/// How much of the stream is read at a time, in bytes.
const READ_BYTES: usize = 1024 * 1024;

/// Payload of `revision-activated`, version 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Activation {
    pub(crate) tenant: TenantName,
    pub(crate) domain: DomainName,
    pub(crate) revision: Revision,
}

/// Where each deployment aggregate stands, and what is active.
#[derive(Debug, Default)]
pub(crate) struct DeploymentStream {
    heads: HashMap<(TenantName, DomainName), (Sequence, ContentId)>,
    active: HashMap<(TenantName, DomainName), Revision>,
}

/// The stream holds something this host does not understand.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StreamError {
    #[error(transparent)]
    Journal(#[from] ReadError),
    #[error("the deployment at position {position} cannot be read: {problem}")]
    Event { position: Position, problem: String },
}

impl DeploymentStream {
    pub(crate) fn read(reader: &Reader) -> Result<Self, StreamError> {
        let mut stream = Self::default();
        let mut after = Position::ZERO;
        loop {
            let batch = reader.tenant_batch(&system_tenant(), after, READ_BYTES)?;
            if batch.is_empty() {
                return Ok(stream);
            }
            after = batch.last();
            for (_, event) in batch.events() {
                let problem = |problem: String| StreamError::Event { position: event.position, problem };
                if (event.name, event.version) != (ACTIVATED, ACTIVATED_VERSION) {
                    return Err(problem(format!("{} version {} is not known here", event.name, event.version)));
                }
                let activation = serde_json::from_slice(event.payload).map_err(|error| problem(error.to_string()))?;
                stream.fold(activation, event.sequence, event.id);
            }
        }
    }

    pub(crate) fn active(&self) -> impl Iterator<Item = Activation> + '_ {
        self.active.iter().map(|((tenant, domain), revision)| Activation {
            tenant: tenant.clone(),
            domain: domain.clone(),
            revision: *revision,
        })
    }

    /// The record of an activation, and what to fold once it is durable.
    pub(crate) fn propose(&self, activation: Activation, at_ms: TimestampMs, actor: Option<&str>) -> Proposal {
        let key = (activation.tenant.clone(), activation.domain.clone());
        let (sequence, head) = self.heads.get(&key).copied().unwrap_or((Sequence::ZERO, ContentId::NONE));
        let payload = serde_json::to_vec(&activation).expect("names and digests are always JSON");
        let command_name = CommandName::new(COMMAND).expect("a good name");
        let decision = Decision {
            tenant: system_tenant(),
            domain: DomainName::new(DOMAIN).expect("a good name"),
            aggregate: AggregateName::new(AGGREGATE).expect("a good name"),
            aggregate_id: AggregateId::new(&format!("{}:{}", activation.tenant, activation.domain))
                .expect("two names and a colon are a good id"),
            revision_mark: activation.revision.mark(),
            command_id: CommandId::new(&format!("activation-{}", sequence.plus(1))).expect("a good id"),
            fingerprint: Fingerprint::of(&command_name, &payload),
            command_name,
            correlation_id: None,
            causation_id: None,
            actor: actor.map(str::to_owned),
            at_ms,
            outcome: Outcome::Accepted,
            sequence_before: sequence,
            events: vec![NewEvent {
                name: EventName::new(ACTIVATED).expect("a good name"),
                version: ACTIVATED_VERSION,
                payload,
            }],
        };
        let (record, head) = EncodedRecord::encode(&decision, decision.aggregate_key(), &head);
        Proposal { record, activation, sequence: sequence.plus(1), head }
    }

    /// Once the proposal is durable.
    pub(crate) fn accept(&mut self, activation: Activation, sequence: Sequence, head: ContentId) {
        self.fold(activation, sequence, head);
    }

    fn fold(&mut self, activation: Activation, sequence: Sequence, head: ContentId) {
        let key = (activation.tenant, activation.domain);
        self.active.insert(key.clone(), activation.revision);
        self.heads.insert(key, (sequence, head));
    }
}

pub(crate) struct Proposal {
    pub(crate) record: EncodedRecord,
    pub(crate) activation: Activation,
    pub(crate) sequence: Sequence,
    pub(crate) head: ContentId,
}

fn system_tenant() -> TenantName {
    TenantName::new(SYSTEM_TENANT).expect("a good name")
}
