//! Bugs planted on purpose in what stands for a cluster here, and never in the server: each is a mistake that a cluster
//! must not make.

use crate::plant::{Plant, plants};

plants! {
    ClusterPlant, "A planted bug of a cluster.";
    EpochNotChecked: "epoch-not-checked", "The database takes chunks whatever their epoch.";
    HeadNotChecked: "head-not-checked", "The database takes chunks wherever the head is.";
    ConfirmBeforeCommit: "confirm-before-commit", "What is about to be committed is said to have landed.";
    LeaseIgnored: "lease-ignored", "An owner goes on though its lease has run out.";
    FarewellLease: "farewell-lease", "An owner that hears of its successor gets a new lease to say farewell with.";
    DoubtIsSuccess: "doubt-is-success", "A landing whose answer was lost counts as one that landed.";
    WarningIsSuccess: "warning-is-success", "A landing with a warning beside it counts as one that landed.";
    EpochsOfAssignment: "epochs-of-assignment", "The controller asks the assignment for epochs, and not the database.";
}

impl ClusterPlant {
    /// The one that is planted in the shell of the owner.
    pub(super) fn of_shell(self) -> Option<Plant> {
        (self == Self::ConfirmBeforeCommit).then_some(Plant::ConfirmBeforeSync)
    }
}
