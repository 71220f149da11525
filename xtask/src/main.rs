//! Every chore of the project has one name here.

fn main() {}
