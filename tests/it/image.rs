//! The image of a container.
