//! What `rpc` promises, at recorded nodes: witnesses that simulate to the header's root, wrong answers found out.

mod archive;
mod check;
mod cli;
mod faults;
mod jerigon;
mod made;
mod native;
mod replay;
mod support;
mod trie;
