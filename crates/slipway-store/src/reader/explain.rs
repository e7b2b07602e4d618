//! What somebody meant whose filter names a column that does not exist.

use super::{ColumnKind, Reader};
use crate::error::Error;
use crate::model::View;
use crate::search::{RUN_ATTRIBUTES, nearest, quoted_key};

impl Reader<'_> {
    /// The error, with a hint at the columns of the runs in scope that are named nearly so.
    #[must_use]
    pub fn explain(&self, experiment_ids: &[i64], view: View, filter: &str, error: Error) -> Error {
        let Error::Search(mut search) = error else { return error };
        let written = search.span.clone().and_then(|span| filter.get(span)).unwrap_or_default();
        if !search.message.starts_with("Invalid attribute key") || written.contains('.') {
            return Error::Search(search);
        }
        let key = written.trim_matches(['`', '"']);
        let columns = self.run_columns(experiment_ids, view).unwrap_or_default();
        let names = columns.iter().map(|info| info.key.as_str()).chain(RUN_ATTRIBUTES.iter().copied());
        let near: Vec<String> = nearest(names, key)
            .into_iter()
            .flat_map(|name| {
                let entities =
                    columns.iter().filter(|info| info.key == name).filter_map(|info| match info.kind {
                        ColumnKind::Metric => quoted_key(Some("metrics"), name),
                        ColumnKind::Param => quoted_key(Some("params"), name),
                        ColumnKind::Tag => quoted_key(Some("tags"), name),
                        ColumnKind::Attribute => None,
                    });
                let own = RUN_ATTRIBUTES.contains(&name).then(|| name.to_owned());
                own.into_iter().chain(entities).collect::<Vec<_>>()
            })
            .take(3)
            .collect();
        if !near.is_empty() {
            search.hint = Some(format!("did you mean {}?", near.join(" or ")));
        }
        Error::Search(search)
    }
}
