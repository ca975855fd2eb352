//! The socket in a folder of its own, and what goes over it.
