//! Examples of Firebrick, numbered, each runs offline with --smoke
