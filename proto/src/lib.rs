//! gRPC contracts between the services, generated from the `.proto` files beside this crate.

/// Users, sessions and tokens: `proto/auth/v1/auth.proto`.
#[allow(missing_docs, clippy::all)]
pub mod auth {
    tonic::include_proto!("aetherconnect.auth.v1");
}

/// Rooms and messages: `proto/message/v1/message.proto`.
#[allow(missing_docs, clippy::all)]
pub mod message {
    tonic::include_proto!("aetherconnect.message.v1");
}

/// The compiled descriptors, for gRPC reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
