//! How the small enums of the model stand in the database. The numbers are part of the file format: they are
//! never changed, only added to.

use crate::job::JobState;
use crate::model::{Lifecycle, ModelStatus, RunStatus, Stage};
use crate::reader::ColumnKind;
use crate::registry::{Action, DeliveryState, HistoryKind};
use crate::trash::TrashKind;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};

macro_rules! codes {
    ($type:ty { $($variant:ident = $code:literal),+ $(,)? }) => {
        impl ToSql for $type {
            fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
                Ok(ToSqlOutput::from(match self { $(Self::$variant => $code as i64),+ }))
            }
        }

        impl FromSql for $type {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
                match value.as_i64()? {
                    $($code => Ok(Self::$variant),)+
                    other => Err(FromSqlError::OutOfRange(other)),
                }
            }
        }
    };
}

codes!(Lifecycle { Active = 0, Deleted = 1 });
codes!(RunStatus { Running = 1, Scheduled = 2, Finished = 3, Failed = 4, Killed = 5 });
codes!(ModelStatus { Pending = 1, Ready = 2, Failed = 3 });
codes!(Stage { None = 0, Staging = 1, Production = 2, Archived = 3 });
codes!(ColumnKind { Attribute = 0, Param = 1, Metric = 2, Tag = 3 });
codes!(JobState {
    Queued = 0,
    Starting = 1,
    Running = 2,
    Succeeded = 3,
    Failed = 4,
    Canceled = 5,
    Skipped = 6,
    Cached = 7,
    Lost = 8,
});
codes!(TrashKind { Run = 1, LoggedModel = 2, Experiment = 3 });
codes!(Action { Edit = 0, Promotion = 1, Rollback = 2, Undo = 3 });
codes!(DeliveryState { Waiting = 0, Delivered = 1, GivenUp = 2 });
codes!(HistoryKind {
    ModelCreated = 1,
    ModelRenamed = 2,
    ModelDescribed = 3,
    ModelDeleted = 4,
    ModelTagSet = 5,
    ModelTagRemoved = 6,
    RulesSet = 7,
    VersionCreated = 8,
    VersionDescribed = 9,
    VersionDeleted = 10,
    VersionTagSet = 11,
    VersionTagRemoved = 12,
    AliasMoved = 13,
    StageMoved = 14,
});
