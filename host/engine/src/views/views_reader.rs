//! A tenant's views, kept open for a reader.

use std::sync::Arc;

use super::open_views::OpenViews;

/// A tenant's views for reading. They stay open while this is held.
pub(crate) struct ViewsReader(pub(super) Arc<OpenViews>);
