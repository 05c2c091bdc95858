//! `polder view`: shows documents of a read model.

use clap::Args;
use polder_core::counted;
use serde_json::Value;

use crate::arguments::addresses::ViewAddress;
use crate::arguments::target::Target;
use crate::client::{Client, block_on};
use crate::failure::Outcome;
use crate::output::Output;

/// Show one document of a view, or those that match.
#[derive(Args)]
pub(crate) struct View {
    /// The view, such as orders/order-summary.
    #[arg(value_name = "DOMAIN/PROJECTION")]
    address: ViewAddress,
    /// Only the document with this key.
    #[arg(conflicts_with_all = ["filters", "order", "limit", "offset"])]
    key: Option<String>,
    /// Only documents with this value in this field. May be repeated.
    #[arg(long = "where", value_name = "FIELD:VALUE")]
    filters: Vec<String>,
    /// Sort by a field; a minus sign before it reverses the order.
    #[arg(long, value_name = "FIELD|-FIELD", allow_hyphen_values = true)]
    order: Option<String>,
    /// At most this many documents.
    #[arg(long, value_name = "N")]
    limit: Option<u32>,
    /// Skip this many documents.
    #[arg(long, value_name = "N")]
    offset: Option<u32>,
    /// Wait until the view has applied this position, which an acknowledgement reports.
    #[arg(long, value_name = "POSITION")]
    after: Option<u64>,
    /// How long to wait for this position, in milliseconds.
    #[arg(long, value_name = "N", requires = "after")]
    timeout_ms: Option<u64>,
    #[command(flatten)]
    target: Target,
}

impl View {
    pub(crate) fn run(self, output: &Output) -> Outcome {
        let client = Client::new(&self.target)?;
        let mut segments = vec![self.address.domain.as_str(), "views", self.address.projection.as_str()];
        segments.extend(self.key.as_deref());
        let is_list = self.key.is_none();
        let mut parameters = vec![
            ("count", is_list.then(|| "true".to_owned())),
            ("order", self.order),
            ("limit", self.limit.map(|limit| limit.to_string())),
            ("offset", self.offset.map(|offset| offset.to_string())),
            ("after", self.after.map(|after| after.to_string())),
            ("timeout_ms", self.timeout_ms.map(|timeout_ms| timeout_ms.to_string())),
        ];
        parameters.extend(self.filters.into_iter().map(|filter| ("where", Some(filter))));
        let request = client.get(&segments, &parameters);
        let answer: Value = block_on(client.read(request))?;
        output.answer(&answer, || match self.key {
            Some(_) => format!("{:#}", answer["document"]),
            None => list(&answer),
        })?;
        if !is_list {
            output.note(&position_and_gaps(&answer));
        }
        Ok(())
    }
}

/// The position of one document, and what is missing in it.
fn position_and_gaps(answer: &Value) -> String {
    let mut text = format!("as of position {}", answer["position"]);
    if let Some(first) = answer["set_aside"]["first"].as_u64() {
        text.push_str(&format!(
            "\nnot whole: it lacks {}, set aside from position {first} on; see `polder parked list`",
            counted(&answer["set_aside"]["events"], "event")
        ));
    }
    if let Some(first) = answer["unrouted"]["first"].as_u64() {
        text.push_str(&format!(
            "\nperhaps not whole: events from position {first} on could not be assigned to a document"
        ));
    }
    text
}

fn list(page: &Value) -> String {
    let mut lines = String::new();
    let documents = page["documents"].as_array().map_or(&[][..], Vec::as_slice);
    for document in documents {
        let mark = if document["set_aside"].is_object() { "  (not whole)" } else { "" };
        lines.push_str(&format!("{}  {}{mark}\n", document["key"].as_str().unwrap_or_default(), document["document"]));
    }
    let count = documents.len();
    let shown = counted(count, "document");
    let position = &page["position"];
    lines.push_str(&match (page["next_offset"].as_u64(), page["total"].as_u64()) {
        (None, _) => format!("{shown}, as of position {position}"),
        (Some(next), Some(total)) => {
            let total = counted(total, "document");
            format!("{count} of {total}, as of position {position}; go on with --offset {next}")
        }
        (Some(next), None) => format!("{shown} and more, as of position {position}; go on with --offset {next}"),
    });
    if let Some(first) = page["set_aside"]["first"].as_u64() {
        lines.push_str(&format!(
            "\nset aside: {}, from position {first} on; see `polder parked list`",
            counted(&page["set_aside"]["events"], "event")
        ));
    }
    lines
}
