//! The messages of the service protocol, exactly as ADR-32 defines them.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use super::Endpoint;
use crate::QUEUE_GROUP;

/// Description of a service.
#[derive(Debug, Clone)]
pub struct Description {
    /// Name, of letters, digits, `-` and `_`.
    pub name: &'static str,
    pub version: &'static str,
    pub text: &'static str,
    /// Keys and values that distinguish this service from others of its name. Each service chooses its own.
    pub metadata: BTreeMap<&'static str, String>,
}

/// Identity of one running service among those of its name.
pub(super) struct Identity {
    description: Description,
    id: String,
    started: String,
}

#[derive(Serialize)]
pub(super) struct Ping<'a> {
    #[serde(flatten)]
    head: Head<'a>,
}

#[derive(Serialize)]
pub(super) struct Info<'a> {
    #[serde(flatten)]
    head: Head<'a>,
    description: &'a str,
    endpoints: Vec<EndpointInfo<'a>>,
}

#[derive(Serialize)]
pub(super) struct Stats<'a> {
    #[serde(flatten)]
    head: Head<'a>,
    started: &'a str,
    endpoints: Vec<EndpointStats<'a>>,
}

#[derive(Serialize)]
struct Head<'a> {
    r#type: &'static str,
    name: &'a str,
    id: &'a str,
    version: &'a str,
    metadata: &'a BTreeMap<&'static str, String>,
}

#[derive(Serialize)]
struct EndpointInfo<'a> {
    name: &'a str,
    subject: &'a str,
    queue_group: &'static str,
    metadata: BTreeMap<&'static str, String>,
}

#[derive(Serialize)]
struct EndpointStats<'a> {
    name: &'a str,
    subject: &'a str,
    queue_group: &'static str,
    num_requests: u64,
    num_errors: u64,
    last_error: String,
    /// Total time in nanoseconds; the average below is in nanoseconds too.
    processing_time: u64,
    average_processing_time: u64,
}

impl Identity {
    pub(super) fn new(description: Description) -> Self {
        let id = uuid::Uuid::new_v4().simple().to_string();
        Self { description, id, started: jiff::Timestamp::now().to_string() }
    }

    /// The subjects of a verb: for all services, for those of this name, and for this one.
    pub(super) fn subjects(&self, verb: &str) -> [String; 3] {
        let (name, id) = (self.description.name, &self.id);
        [format!("$SRV.{verb}"), format!("$SRV.{verb}.{name}"), format!("$SRV.{verb}.{name}.{id}")]
    }

    pub(super) fn ping(&self) -> Ping<'_> {
        Ping { head: self.head("io.nats.micro.v1.ping_response") }
    }

    pub(super) fn info<'a>(&'a self, endpoints: &'a [Arc<Endpoint>]) -> Info<'a> {
        let info = |endpoint: &'a Arc<Endpoint>| EndpointInfo {
            name: endpoint.name,
            subject: endpoint.subject,
            queue_group: QUEUE_GROUP,
            metadata: BTreeMap::new(),
        };
        Info {
            head: self.head("io.nats.micro.v1.info_response"),
            description: self.description.text,
            endpoints: endpoints.iter().map(info).collect(),
        }
    }

    pub(super) fn stats<'a>(&'a self, endpoints: &'a [Arc<Endpoint>]) -> Stats<'a> {
        let stats = |endpoint: &'a Arc<Endpoint>| {
            let counts = endpoint.counts();
            let processing_time = u64::try_from(counts.processing.as_nanos()).unwrap_or(u64::MAX);
            EndpointStats {
                name: endpoint.name,
                subject: endpoint.subject,
                queue_group: QUEUE_GROUP,
                num_requests: counts.requests,
                num_errors: counts.errors,
                last_error: counts.last_error,
                processing_time,
                average_processing_time: processing_time / counts.requests.max(1),
            }
        };
        Stats {
            head: self.head("io.nats.micro.v1.stats_response"),
            started: &self.started,
            endpoints: endpoints.iter().map(stats).collect(),
        }
    }

    fn head(&self, kind: &'static str) -> Head<'_> {
        let Description { name, version, metadata, .. } = &self.description;
        Head { r#type: kind, name, id: &self.id, version, metadata }
    }
}
