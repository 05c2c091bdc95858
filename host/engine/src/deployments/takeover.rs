//! Replaces the active revision of a domain by another one. The new revision is checked against the history, recorded
//! and activated, and then checked against what was recorded until the switch. It makes no difference here whether the
//! revision is new or comes back.

use std::sync::Arc;
use std::thread;

use polder_core::{DomainName, Revision, counted};
use polder_sandbox::{Component, Origin};
use tokio::sync::oneshot;

use super::activate::put_in_place;
use super::answers::{DeployStatus, Deployed};
use super::check::{Candidate, CheckError, CheckProgress, Judged, Verdict};
use super::deploy_error::DeployError;
use super::facts::DeploymentFact;
use super::options::CheckOptions;
use super::service::DeploymentService;
use super::uploads::Uploaded;
use crate::joined::blocking;
use crate::tenancy::{GuestRules, Probation, Rules, SubmitError, Tenant};
use crate::views::Asked;
use crate::write::{MakeReady, PreparedInstances};

/// A change of a domain's active revision. The caller must hold the domain's turn.
pub(super) struct Takeover {
    pub(super) tenant: Arc<Tenant>,
    pub(super) component: Arc<Component>,
    pub(super) why: Why,
    pub(super) check: CheckOptions,
}

pub(super) enum Why {
    Deployed {
        uploaded: Uploaded,
        release_quarantine: bool,
    },
    /// `is_withdrawn` means that the revision before is bad and is quarantined.
    RolledBack {
        cause: String,
        is_withdrawn: bool,
    },
}

impl Why {
    /// Whether the host itself takes a bad revision out of service. No limit of the tenant may prevent that.
    fn withdraws(&self) -> bool {
        matches!(self, Self::RolledBack { is_withdrawn: true, .. })
    }
}

impl DeploymentService {
    pub(super) async fn take_over(&self, takeover: Takeover) -> Result<Deployed, DeployError> {
        let Takeover { tenant, component, why, check } = takeover;
        let (domain, revision) = (component.descriptor.domain.clone(), component.revision);
        let old = tenant.domain(&domain).map(|domain| Arc::clone(&domain.active().rules));
        let previous = old.as_ref().map(|old| old.revision());
        let checks = checks_of(&component);
        let asked = Asked { accept_set_aside: check.accept_set_aside };
        let answer = |status, verdict| Deployed { status, domain: domain.clone(), revision, previous, checks, verdict };
        let releases = self.check_quarantine(&tenant, &domain, revision, &why)?;
        if previous == Some(revision) && !releases {
            // Opening the views may have failed when the revision was activated.
            self.open_views(&tenant, &component, asked).await?;
            return Ok(answer(DeployStatus::AlreadyActive, None));
        }
        if !why.withdraws() {
            self.parts.check_code(&tenant, &component)?;
        }
        if let Why::Deployed { uploaded, .. } = &why
            && !check.dry_run
        {
            self.keep(&tenant, &domain, uploaded, &check).await?;
        }

        let (judged, ready) = self.judge(&tenant, &component, old.clone(), &why, &check).await?;
        let verdict = judged.verdict.clone();
        if !verdict.passed() {
            self.parts.check.keep(judged);
            if !check.dry_run {
                let (tenant, verdict) = (tenant.name.clone(), verdict.clone());
                let fact = DeploymentFact::RevisionRefused { tenant, domain, revision, verdict };
                self.record_all(vec![fact], check.actor).await?;
            }
            return Err(DeployError::Check(Box::new(verdict)));
        }
        if check.dry_run {
            self.parts.check.keep(judged);
            return Ok(answer(DeployStatus::WouldPass, Some(verdict)));
        }

        let facts = facts(&tenant, &domain, (previous, revision), releases, why, &verdict);
        self.switch(&tenant, &component, facts.0, ready, check.actor.clone()).await?;
        self.judge_rest(&tenant, &domain, old, judged, revision).await?;
        self.open_views(&tenant, &component, asked).await?;
        Ok(answer(facts.1, Some(verdict)))
    }

    /// Whether the revision is quarantined and is to be released. Fails if it is quarantined and is not to be released.
    fn check_quarantine(
        &self,
        tenant: &Tenant,
        domain: &DomainName,
        revision: Revision,
        why: &Why,
    ) -> Result<bool, DeployError> {
        let Some(cause) = self.standing(tenant, domain).and_then(|mut standing| standing.quarantined.remove(&revision))
        else {
            return Ok(false);
        };
        match why {
            Why::Deployed { release_quarantine: true, .. } => Ok(true),
            _ => Err(DeployError::Quarantined { revision, cause }),
        }
    }

    /// Stores the component, and records it if it is new to the domain.
    async fn keep(
        &self,
        tenant: &Tenant,
        domain: &DomainName,
        uploaded: &Uploaded,
        check: &CheckOptions,
    ) -> Result<(), DeployError> {
        let revision = uploaded.revision();
        let is_known = self.standing(tenant, domain).is_some_and(|standing| standing.uploaded.contains(&revision));
        let (tenant, domain) = (tenant.name.clone(), domain.clone());
        let (kept, actor) = (uploaded.clone(), check.actor.clone());
        let fact = DeploymentFact::RevisionUploaded {
            tenant: tenant.clone(),
            domain: domain.clone(),
            revision,
            bytes: uploaded.bytes_count(),
        };
        self.parts.reader.check_room()?;
        let parts = Arc::clone(&self.parts);
        let recorded = self.parts.control.administer(move |act| {
            // The tenant may have been removed in the meantime. Then nothing must be stored for it.
            let tenant = parts.directory.get(&tenant).ok_or(DeployError::UnknownTenant(tenant))?;
            // Another domain may have become the tenant's last one in the meantime.
            parts.check_domains(&tenant, &domain)?;
            parts.components.store(&kept).map_err(|error| DeployError::Storage(error.to_string()))?;
            if is_known {
                return Ok(());
            }
            let recorded = act.record(&parts.registry, fact, actor.as_deref());
            recorded.map_err(|error| DeployError::ReadOnly(error.to_string()))
        });
        recorded.await
    }

    /// Checks the revision against the history, on a thread of its own.
    async fn judge(
        &self,
        tenant: &Tenant,
        component: &Arc<Component>,
        old: Option<Arc<dyn Rules>>,
        why: &Why,
        check: &CheckOptions,
    ) -> Result<(Judged, Option<MakeReady>), DeployError> {
        let limits = tenant.limits();
        let is_withdrawn = matches!(why, Why::RolledBack { is_withdrawn: true, .. });
        let candidate = Candidate {
            tenant: tenant.name.clone(),
            domain: component.descriptor.domain.clone(),
            limits,
            // States of a bad revision are not a reference, and folding them could take long.
            old: old.filter(|_| !is_withdrawn),
            new: Arc::new(GuestRules::new(Arc::clone(component), Arc::clone(&tenant.notes))),
            scope: check.replay,
            accept_changes: check.accept_changes,
            memory_bytes_needed: component.memory_bytes_needed,
        };
        let (parts, progress, dry_run) = (Arc::clone(&self.parts), check.progress.clone(), check.dry_run);
        // The states that a quarantined revision left behind are not reused.
        let is_released = matches!(why, Why::Deployed { release_quarantine: true, .. });
        let kept_of = tenant.domain(&component.descriptor.domain).filter(|_| !is_released);
        let revision = component.revision;
        let judged = beside("revision-check", move || {
            let report = |now: CheckProgress| {
                if let Some(progress) = &progress {
                    progress.send_replace(now);
                }
            };
            let mut judged = parts.check.judge(candidate, &report)?;
            if !judged.verdict.passed() || dry_run {
                return Ok((judged, None));
            }
            let pipeline = parts.write_path.pipeline();
            let reclaimed = pipeline.as_ref().map(|pipeline| pipeline.reclaim(kept_of.as_ref(), revision));
            let Some(reclaimed) = reclaimed else { return Ok((judged, None)) };
            let ready = judged.make_ready(&parts.reader, reclaimed, &report)?;
            judged.judge_rest(&parts.reader)?;
            Ok((judged, Some(ready)))
        });
        judged.await?.map_err(|error: CheckError| error.into())
    }

    /// Records the switch and activates the new revision for all later commands. Then waits until the commands that the
    /// old revision may have decided are durable.
    async fn switch(
        &self,
        tenant: &Arc<Tenant>,
        component: &Arc<Component>,
        facts: Vec<DeploymentFact>,
        making_ready: Option<MakeReady>,
        actor: Option<String>,
    ) -> Result<(), DeployError> {
        let (tenant, component) = (Arc::clone(tenant), Arc::clone(component));
        // A revision that a domain goes back to has been good before.
        let goes_back = facts.iter().any(|fact| matches!(fact, DeploymentFact::RevisionRolledBack { .. }));
        let probation = if goes_back { Probation::Proven } else { Probation::New };
        let parts = Arc::clone(&self.parts);
        let switched = self.parts.control.administer(move |act| {
            parts.directory.get(&tenant.name).ok_or_else(|| DeployError::UnknownTenant(tenant.name.clone()))?;
            for fact in facts {
                let recorded = act.record(&parts.registry, fact, actor.as_deref());
                recorded.map_err(|error| DeployError::ReadOnly(error.to_string()))?;
            }
            let (domain, revision) = (component.descriptor.domain.clone(), component.revision);
            let pipeline = parts.write_path.pipeline();
            if let Some(pipeline) = &*pipeline {
                pipeline.prepare(&tenant, &domain, revision, prepared(making_ready));
            }
            let rules = Arc::new(GuestRules::new(component, Arc::clone(&tenant.notes)));
            let passed = put_in_place(&tenant, rules, probation);
            if let (Some(pipeline), Some(domain)) = (&*pipeline, tenant.domain(&domain)) {
                pipeline.switched(&tenant, &domain);
            }
            Ok::<_, DeployError>(passed)
        });
        if let Some(passed) = switched.await? {
            passed.wait().await;
        }
        // No worker decides with the old revision any more, so none saves its states again.
        self.forget_snapshots();
        Ok(())
    }

    /// Checks what the old revision recorded after the verdict. If the new revision would have been refused for it, the
    /// domain goes back.
    async fn judge_rest(
        &self,
        tenant: &Arc<Tenant>,
        domain: &DomainName,
        old: Option<Arc<dyn Rules>>,
        mut judged: Judged,
        revision: Revision,
    ) -> Result<(), DeployError> {
        let reader = self.parts.reader.clone();
        let judged = beside("revision-check", move || judged.judge_rest(&reader).map(|()| judged)).await?;
        let judged = judged?;
        let verdict = judged.verdict.clone();
        self.parts.check.keep(judged);
        let Some(old) = old.filter(|_| !verdict.passed()) else { return Ok(()) };
        let fact = DeploymentFact::RevisionRolledBack {
            tenant: tenant.name.clone(),
            domain: domain.clone(),
            from: revision,
            revision: old.revision(),
            cause: "what was recorded during the switch cannot be taken over".into(),
            verdict: verdict.clone(),
        };
        let tenant = Arc::clone(tenant);
        let parts = Arc::clone(&self.parts);
        let gone_back = self.parts.control.administer(move |act| {
            act.record(&parts.registry, fact, None)?;
            put_in_place(&tenant, old, Probation::Proven);
            Ok(())
        });
        gone_back.await.map_err(|error: SubmitError| DeployError::ReadOnly(error.to_string()))?;
        Err(DeployError::Check(Box::new(verdict)))
    }

    async fn open_views(
        &self,
        tenant: &Arc<Tenant>,
        component: &Arc<Component>,
        asked: Asked,
    ) -> Result<(), DeployError> {
        let (service, tenant, component) = (self.clone(), Arc::clone(tenant), Arc::clone(component));
        blocking(move || service.build_views(&tenant, &component, Some(asked))).await.map_err(DeployError::Storage)
    }
}

/// The facts to record of the switch, and its status in the answer.
fn facts(
    tenant: &Tenant,
    domain: &DomainName,
    (previous, revision): (Option<Revision>, Revision),
    releases: bool,
    why: Why,
    verdict: &Verdict,
) -> (Vec<DeploymentFact>, DeployStatus) {
    let (tenant, domain, verdict) = (tenant.name.clone(), domain.clone(), verdict.clone());
    let mut facts = Vec::new();
    if releases {
        let (tenant, domain) = (tenant.clone(), domain.clone());
        facts.push(DeploymentFact::QuarantineReleased { tenant, domain, revision });
    }
    match (why, previous) {
        (Why::RolledBack { cause, is_withdrawn }, Some(from)) => {
            let back = (tenant.clone(), domain.clone(), cause.clone());
            facts.push(DeploymentFact::RevisionRolledBack { tenant, domain, from, revision, cause, verdict });
            if is_withdrawn {
                let (tenant, domain, cause) = back;
                facts.push(DeploymentFact::RevisionQuarantined { tenant, domain, revision: from, cause });
            }
            (facts, DeployStatus::RolledBack)
        }
        _ => {
            facts.push(DeploymentFact::RevisionActivated { tenant, domain, revision, previous, verdict });
            (facts, DeployStatus::Activated)
        }
    }
}

/// Prepared states, caught up with what was recorded until now. If they cannot be prepared, the workers build them.
fn prepared(making: Option<MakeReady>) -> PreparedInstances {
    let Some(mut making) = making else { return PreparedInstances::default() };
    if let Err(error) = making.catch_up() {
        tracing::warn!(%error, "states could not be made ready for a switch; they are built at their first use");
        return PreparedInstances::default();
    }
    making.finish()
}

/// Runs long work on a thread of its own, so that it does not occupy the threads for short work.
async fn beside<T: Send + 'static>(name: &str, work: impl FnOnce() -> T + Send + 'static) -> Result<T, DeployError> {
    let (done, answer) = oneshot::channel();
    let spawned = thread::Builder::new().name(name.into()).spawn(move || drop(done.send(work())));
    spawned.map_err(|error| DeployError::Storage(format!("a thread cannot be started: {error}")))?;
    answer.await.map_err(|_| DeployError::Storage("the revision check has panicked: see the log".into()))
}

/// The checks that the sandbox made before it accepted the component.
fn checks_of(component: &Component) -> Vec<String> {
    let descriptor = &component.descriptor;
    let code = match &component.origin {
        Origin::Compiled => "compiled".to_owned(),
        Origin::CompiledUncached(problem) => format!("compiled, not kept for the next start: {problem}"),
        Origin::Cached => "compiled before".to_owned(),
    };
    vec![
        "imports nothing but polder:domain/diagnostics".to_owned(),
        "exports the world polder:domain/domain".to_owned(),
        format!(
            "describes {} and {}",
            counted(descriptor.aggregates.len(), "aggregate"),
            counted(descriptor.projections.len(), "projection")
        ),
        code,
    ]
}
