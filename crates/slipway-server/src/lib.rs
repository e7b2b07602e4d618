//! HTTP: one folder per protocol, one guard in front of all of them.
