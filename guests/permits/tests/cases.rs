//! The behaviour of the office, as cases. They run natively here, and through the compiled component in the host's
//! tests.

use permits::domain;
use polder_sdk::testing::check;

const REGISTERED: &str = r#"channel=Internet department=General group="Group 2" responsible=Resource21
    started_at=2011-10-11T13:42:22.688+02:00 deadline=2011-12-06T13:41:31.788+01:00 planned_end=2011-12-06T13:41:31.788+01:00
    ended_at=null received_at=2011-10-11T13:45:40.276+02:00 resource=Resource21 resource_group="Group 1""#;

/// Checks a case in which `REGISTERED` stands for the fields of a registration.
#[track_caller]
fn check_case(case: &str) {
    check(domain(), &case.replace("REGISTERED", &REGISTERED.replace('\n', " ")));
}

#[test]
fn an_application_is_registered_once() {
    check_case(
        "
        when   register-application    REGISTERED
        then   application-registered  REGISTERED
        state  receipt.registration.department=General receipt.last_at=2011-10-11T13:45:40.276+02:00
        ",
    );
    check_case(
        r#"
        given  application-registered  REGISTERED
        when   register-application    channel=Desk department=General responsible=Resource21 started_at=2011-10-11T13:42:22Z deadline=2011-12-06T13:41:31Z planned_end=2011-12-06T13:41:31Z received_at=2011-10-12T13:45:40Z resource=Resource21 resource_group=EMPTY
        then   rejected  already-registered  received at 2011-10-11T13:45:40.276+02:00
        "#,
    );
}

#[test]
fn a_registration_that_is_sent_again_has_nothing_to_do() {
    check_case(
        "
        given  application-registered  REGISTERED
        when   register-application    REGISTERED
        then   nothing
        ",
    );
}

#[test]
fn group_and_end_may_be_left_out() {
    check_case(
        r#"
        when   register-application    channel=e-mail department=Experts responsible=Resource21 started_at=2011-10-11T13:42:22Z deadline=2011-12-06T13:41:31Z planned_end=2011-12-06T13:41:31Z received_at=2011-10-11T13:45:40Z resource=Resource21 resource_group=EMPTY
        then   application-registered  channel=e-mail department=Experts responsible=Resource21 started_at=2011-10-11T13:42:22Z deadline=2011-12-06T13:41:31Z planned_end=2011-12-06T13:41:31Z received_at=2011-10-11T13:45:40Z resource=Resource21 resource_group=EMPTY group=null ended_at=null
        "#,
    );
}

#[test]
fn a_task_carries_its_lead_time() {
    check_case(
        r#"
        given  application-registered  REGISTERED
        when   record-task    task="T02 Check confirmation of receipt" resource=Resource10 resource_group="Group 4" completed_at=2011-10-12T08:26:25.398+02:00
        then   task-recorded  task="T02 Check confirmation of receipt" resource=Resource10 resource_group="Group 4" completed_at=2011-10-12T08:26:25.398+02:00 department=General received_at=2011-10-11T13:45:40.276+02:00 lead_time_ms=67245122 lead_time_before_ms=0 resource_is_new=true
        state  receipt.last_at=2011-10-12T08:26:25.398+02:00 receipt.resources=["Resource10","Resource21"]
        "#,
    );
}

#[test]
fn a_task_needs_a_registered_application() {
    check_case(
        r#"
        when   record-task  task="T02 Check confirmation of receipt" resource=Resource10 resource_group="Group 4" completed_at=2011-10-12T08:26:25.398+02:00
        then   rejected     not-registered
        "#,
    );
}

#[test]
fn the_receipt_is_confirmed_by_the_registration_only() {
    check_case(
        r#"
        given  application-registered  REGISTERED
        when   record-task  task="Confirmation of receipt" resource=Resource10 resource_group="Group 4" completed_at=2011-10-12T08:26:25.398+02:00
        then   rejected     receipt-is-no-task
        "#,
    );
}

#[test]
fn a_task_does_not_lie_before_the_last_one() {
    // By local time one hour earlier, but the same instant: the clocks were set back that night.
    check_case(
        r#"
        given  application-registered  REGISTERED
        given  task-recorded  task="T06 Determine necessity of stop advice" resource=Resource10 resource_group="Group 4" completed_at=2011-10-30T02:30:00+02:00 department=General received_at=2011-10-11T13:45:40.276+02:00 lead_time_ms=1601059724 lead_time_before_ms=0 resource_is_new=true
        when   record-task    task="T10 Determine necessity to stop indication" resource=Resource10 resource_group="Group 4" completed_at=2011-10-30T01:30:00+01:00
        then   task-recorded  task="T10 Determine necessity to stop indication" resource=Resource10 resource_group="Group 4" completed_at=2011-10-30T01:30:00+01:00 department=General received_at=2011-10-11T13:45:40.276+02:00 lead_time_ms=1601059724 lead_time_before_ms=1601059724 resource_is_new=false
        "#,
    );
    check_case(
        r#"
        given  application-registered  REGISTERED
        when   record-task  task="T06 Determine necessity of stop advice" resource=Resource10 resource_group="Group 4" completed_at=2011-10-11T13:45:40.275+02:00
        then   rejected     task-out-of-order  2011-10-11T13:45:40.275+02:00 lies before the last one of this case, at 2011-10-11T13:45:40.276+02:00
        "#,
    );
}

#[test]
fn what_the_office_does_not_know_is_refused() {
    for (fields, message) in [
        (
            r#"task="T21 Have lunch" resource=Resource10 resource_group="Group 4" completed_at=2011-10-12T08:26:25Z"#,
            "`task`: unknown variant `T21 Have lunch`, expected one of `Confirmation of receipt`, `T02 Check",
        ),
        (
            r#"task="T08 Draft and send request for advice" resource="" resource_group="Group 4" completed_at=2011-10-12T08:26:25Z"#,
            "`resource`: \"\" is no text for this",
        ),
        (
            r#"task="T08 Draft and send request for advice" resource=Resource10 resource_group="Group 4" completed_at="2011-10-12 08:26""#,
            "`completed_at`: \"2011-10-12 08:26\" is no time: a time is written as in RFC 3339",
        ),
        (
            r#"task="T08 Draft and send request for advice" resource=Resource10 resource_group="Group 4""#,
            "missing field `completed_at`",
        ),
    ] {
        check_case(&format!(
            "
            given  application-registered  REGISTERED
            when   record-task  {fields}
            then   rejected     invalid-payload  {message}
            "
        ));
    }
}

/// Two cases; the first has two further tasks, completed by one new resource.
const HISTORY: &str = r#"
    given  application/case-1  application-registered  REGISTERED
    given  application/case-2  application-registered  channel=Desk department="Customer contact" group=null responsible=Resource01 started_at=2011-11-01T00:00:00+01:00 deadline=2011-12-01T00:00:00+01:00 planned_end=2011-12-01T00:00:00+01:00 ended_at=2011-11-30T00:00:00+01:00 received_at=2011-11-01T00:30:00+01:00 resource=Resource21 resource_group="Group 1"
    given  application/case-1  task-recorded  task="T02 Check confirmation of receipt" resource=Resource10 resource_group="Group 4" completed_at=2011-10-12T13:45:40.276+02:00 department=General received_at=2011-10-11T13:45:40.276+02:00 lead_time_ms=86400000 lead_time_before_ms=0 resource_is_new=true
    given  application/case-1  task-recorded  task="T02 Check confirmation of receipt" resource=Resource10 resource_group="Group 4" completed_at=2011-10-13T13:45:40.276+02:00 department=General received_at=2011-10-11T13:45:40.276+02:00 lead_time_ms=172800000 lead_time_before_ms=86400000 resource_is_new=false
"#;

#[test]
fn a_case_file_shows_the_path_so_far() {
    check_case(&format!(
        r#"
        projection  case-file
        {HISTORY}
        then   document case-1  status=in-progress registration.department=General registration.group="Group 2" tasks=3 lead_time_ms=172800000 last_at=2011-10-13T13:45:40.276+02:00 path=[{{"task":"Confirmation of receipt","resource":"Resource21","at":"2011-10-11T13:45:40.276+02:00"}},{{"task":"T02 Check confirmation of receipt","resource":"Resource10","at":"2011-10-12T13:45:40.276+02:00"}},{{"task":"T02 Check confirmation of receipt","resource":"Resource10","at":"2011-10-13T13:45:40.276+02:00"}}]
        then   document case-2  status=ended registration.department="Customer contact" registration.group=null tasks=1 lead_time_ms=0
        "#
    ));
    check_case(
        "
        projection  case-file
        given  application/case-1  application-registered  REGISTERED
        then   document case-1  status=received tasks=1
        ",
    );
}

#[test]
fn workload_counts_tasks_and_cases() {
    check_case(&format!(
        r#"
        projection  resource-workload
        {HISTORY}
        then   document Resource21  resource=Resource21 tasks=2 cases=2 by_task={{"Confirmation of receipt":2}}
        then   document Resource10  resource=Resource10 tasks=2 cases=1 by_task={{"T02 Check confirmation of receipt":2}}
        "#
    ));
}

#[test]
fn a_departments_month_adds_up_lead_times() {
    // The second case came in on 1 November by its own offset; in UTC it was still October.
    check_case(&format!(
        r#"
        projection  department-month
        {HISTORY}
        given  application/case-3  application-registered  REGISTERED
        then   document General_2011-10  department=General month=2011-10 cases=2 tasks=4 lead_time_ms_total=172800000 lead_time_ms_mean=86400000 lead_time_ms_max=172800000
        then   document Customer-contact_2011-11  department="Customer contact" cases=1 tasks=1 lead_time_ms_total=0
        "#
    ));
}
