//! scheme framework.
