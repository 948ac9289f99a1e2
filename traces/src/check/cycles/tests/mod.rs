//! Small histories by hand, random ones against brute force, and long ones.

mod naive;
mod properties;
mod script;
