//! The format, from outside and inside.
