//! The same figures twice: counted directly from the rows of a log, and read from the views of a host.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::fmt::strtime;
use polder_tests::{Client, Host};
use serde_json::Value;

#[derive(Debug, Default, PartialEq)]
pub(crate) struct Count {
    pub(crate) cases: BTreeMap<String, Case>,
    pub(crate) resources: BTreeMap<String, Resource>,
    /// The figures by department and month.
    pub(crate) months: BTreeMap<(String, String), Month>,
}

#[derive(Debug, Default, PartialEq)]
pub(crate) struct Case {
    status: String,
    channel: String,
    department: String,
    group: Option<String>,
    responsible: String,
    /// Pairs of task and resource, in order.
    path: Vec<(String, String)>,
    lead_time_ms: u64,
}

#[derive(Debug, Default, PartialEq)]
pub(crate) struct Resource {
    tasks: u64,
    by_task: BTreeMap<String, u64>,
    cases: u64,
}

#[derive(Debug, Default, PartialEq)]
pub(crate) struct Month {
    cases: u64,
    tasks: u64,
    lead_time_ms_total: u64,
    lead_time_ms_mean: u64,
    lead_time_ms_max: u64,
}

impl Count {
    pub(crate) fn rows(&self) -> u64 {
        self.cases.values().map(|case| case.path.len() as u64).sum()
    }

    /// Counts from the log itself, without commands and events.
    pub(crate) fn of_csv(csv: &[u8]) -> Self {
        let mut reader = csv::Reader::from_reader(csv);
        let header = reader.headers().expect("a header").clone();
        let mut by_case: BTreeMap<String, Vec<BTreeMap<String, String>>> = BTreeMap::new();
        for record in reader.records() {
            let record = record.expect("a row");
            let row: BTreeMap<_, _> =
                header.iter().zip(&record).map(|(name, cell)| (name.to_owned(), cell.to_owned())).collect();
            by_case.entry(row["case:concept:name"].clone()).or_default().push(row);
        }
        let mut count = Self::default();
        let mut workers: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (name, rows) in by_case {
            let (first, last) = (&rows[0], &rows[rows.len() - 1]);
            let lead_time_ms = milliseconds(&last["time:timestamp"]) - milliseconds(&first["time:timestamp"]);
            let status = match (first["case:enddate"].is_empty(), rows.len()) {
                (false, _) => "ended",
                (true, 1) => "received",
                (true, _) => "in-progress",
            };
            for row in &rows {
                let resource = count.resources.entry(row["org:resource"].clone()).or_default();
                resource.tasks += 1;
                *resource.by_task.entry(row["concept:name"].clone()).or_default() += 1;
                workers.entry(row["org:resource"].clone()).or_default().insert(name.clone());
            }
            let month = (first["case:department"].clone(), first["time:timestamp"][..7].to_owned());
            let month = count.months.entry(month).or_default();
            month.cases += 1;
            month.tasks += rows.len() as u64;
            month.lead_time_ms_total += lead_time_ms;
            month.lead_time_ms_mean = month.lead_time_ms_total / month.cases;
            month.lead_time_ms_max = month.lead_time_ms_max.max(lead_time_ms);
            let case = Case {
                status: status.to_owned(),
                channel: first["case:channel"].clone(),
                department: first["case:department"].clone(),
                group: Some(first["case:group"].clone()).filter(|group| !group.is_empty()),
                responsible: first["case:responsible"].clone(),
                path: rows.iter().map(|row| (row["concept:name"].clone(), row["org:resource"].clone())).collect(),
                lead_time_ms,
            };
            count.cases.insert(name, case);
        }
        for (resource, cases) in workers {
            count.resources.entry(resource).or_default().cases = cases.len() as u64;
        }
        count
    }

    /// Reads the views of a host, once they have applied all events.
    #[track_caller]
    pub(crate) fn of_views(host: &Host) -> Self {
        let client = host.client();
        let position = client.position();
        let mut count = Self::default();
        for (key, document) in documents(&client, "case-file", position) {
            let step = |step: &Value| (text(&step["task"]), text(&step["resource"]));
            let path: Vec<_> = document["path"].as_array().expect("a path").iter().map(step).collect();
            assert_eq!(number(&document["tasks"]), path.len() as u64, "{key}: {document}");
            let registration = &document["registration"];
            let case = Case {
                status: text(&document["status"]),
                channel: text(&registration["channel"]),
                department: text(&registration["department"]),
                group: registration["group"].as_str().map(str::to_owned),
                responsible: text(&registration["responsible"]),
                path,
                lead_time_ms: number(&document["lead_time_ms"]),
            };
            count.cases.insert(key, case);
        }
        for (_, document) in documents(&client, "resource-workload", position) {
            let by_task = document["by_task"].as_object().expect("tasks by name").iter();
            let resource = Resource {
                tasks: number(&document["tasks"]),
                by_task: by_task.map(|(task, times)| (task.clone(), number(times))).collect(),
                cases: number(&document["cases"]),
            };
            count.resources.insert(text(&document["resource"]), resource);
        }
        for (_, document) in documents(&client, "department-month", position) {
            let month = Month {
                cases: number(&document["cases"]),
                tasks: number(&document["tasks"]),
                lead_time_ms_total: number(&document["lead_time_ms_total"]),
                lead_time_ms_mean: number(&document["lead_time_ms_mean"]),
                lead_time_ms_max: number(&document["lead_time_ms_max"]),
            };
            count.months.insert((text(&document["department"]), text(&document["month"])), month);
        }
        count
    }

    /// Works like `assert_eq!`, but names the document that differs instead of printing everything.
    #[track_caller]
    pub(crate) fn must_equal(&self, other: &Self) {
        must_be_same(&self.cases, &other.cases);
        must_be_same(&self.resources, &other.resources);
        must_be_same(&self.months, &other.months);
    }
}

#[track_caller]
fn must_be_same<K: Ord + std::fmt::Debug, V: PartialEq + std::fmt::Debug>(
    one: &BTreeMap<K, V>,
    other: &BTreeMap<K, V>,
) {
    for key in one.keys().chain(other.keys()) {
        assert_eq!(one.get(key), other.get(key), "{key:?}");
    }
}

fn documents(client: &Client, view: &str, position: u64) -> Vec<(String, Value)> {
    let mut documents = Vec::new();
    loop {
        let offset = documents.len();
        let query = format!("limit=1000&offset={offset}&after={position}&timeout_ms=60000");
        let page = client.get(&format!("/v1/main/permits/views/{view}?{query}")).json(200);
        let page = page["documents"].as_array().expect("documents");
        if page.is_empty() {
            return documents;
        }
        documents.extend(page.iter().map(|document| (text(&document["key"]), document["document"].clone())));
    }
}

fn milliseconds(time: &str) -> u64 {
    let at: Timestamp =
        strtime::parse("%Y-%m-%d %H:%M:%S%.f%:z", time).and_then(|time| time.to_timestamp()).expect("a time");
    at.as_millisecond() as u64
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("no count: {value}"))
}
