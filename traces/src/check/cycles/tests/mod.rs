//! Small histories by hand, random ones against brute force, and long ones.

mod kinds;
mod naive;
mod parts;
mod properties;
mod script;
