//! The named parts of a request's path, checked against the rule of each kind of name.

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;
use polder_core::{AggregateId, AggregateName, DomainName, Position, ProjectionName, Revision, TenantName};

use super::address::CommandAddress;
use super::http_status;
use super::problem::Problem;

/// The parameters of the matched route, by the names in the route table.
pub(crate) struct PathParameters(RawPathParams);

impl PathParameters {
    /// The address of a command.
    pub(crate) fn command_address(&self) -> Result<CommandAddress, Problem> {
        Ok(CommandAddress::new(["tenant", "domain", "aggregate", "id", "command"].map(|part| self.get(part)))?)
    }

    pub(crate) fn tenant(&self) -> Result<TenantName, Problem> {
        Ok(TenantName::new(self.get("tenant"))?)
    }

    /// The tenant in the path. `None` if the path has none.
    pub(crate) fn tenant_if_any(&self) -> Result<Option<TenantName>, Problem> {
        let is_there = self.0.iter().any(|(found, _)| found == "tenant");
        is_there.then(|| self.tenant()).transpose()
    }

    pub(crate) fn domain(&self) -> Result<DomainName, Problem> {
        Ok(DomainName::new(self.get("domain"))?)
    }

    pub(crate) fn aggregate(&self) -> Result<AggregateName, Problem> {
        Ok(AggregateName::new(self.get("aggregate"))?)
    }

    pub(crate) fn aggregate_id(&self) -> Result<AggregateId, Problem> {
        Ok(AggregateId::new(self.get("id"))?)
    }

    pub(crate) fn projection(&self) -> Result<ProjectionName, Problem> {
        Ok(ProjectionName::new(self.get("projection"))?)
    }

    pub(crate) fn revision(&self) -> Result<Revision, Problem> {
        let digits = self.get("revision");
        digits.parse().map_err(|_| {
            Problem::new(
                &http_status::BAD_NAME,
                format!("{digits:?} is no revision: its 64 hexadecimal digits would be right"),
            )
        })
    }

    /// The id of a key that signs tokens.
    pub(crate) fn key_id(&self) -> Result<AggregateId, Problem> {
        Ok(AggregateId::new(self.get("key"))?)
    }

    /// The key of a document, which may hold any characters.
    pub(crate) fn key(&self) -> &str {
        self.get("key")
    }

    pub(crate) fn position(&self) -> Result<Position, Problem> {
        let digits = self.get("position");
        digits.parse().map(Position).map_err(|_| {
            Problem::new(
                &http_status::BAD_NAME,
                format!("{digits:?} is no position: a whole number from 1 would be right"),
            )
        })
    }

    fn get(&self, name: &str) -> &str {
        // A missing part is read as an empty name, which the rules for names refuse.
        self.0.iter().find(|(found, _)| *found == name).map_or("", |(_, value)| value)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for PathParameters {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        RawPathParams::from_request_parts(parts, state).await.map(Self).map_err(|_| {
            Problem::new(
                &http_status::BAD_PATH,
                "the path is not UTF-8 once its %-escapes are decoded: escape UTF-8 bytes only",
            )
        })
    }
}
