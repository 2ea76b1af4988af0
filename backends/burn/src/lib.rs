//! The burn backend.
