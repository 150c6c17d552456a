//! Pure builders: the same input gives the same bytes, without I/O.

pub mod settings; // shared with `aetherconnect run`
