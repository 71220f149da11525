//! Tests of the whole journal on disks that can be cut off, filled and made to fail.

mod conformance;
mod faults;
mod history;
mod image;
mod opening;
mod power;
mod reading;
mod rows;
mod sim;
