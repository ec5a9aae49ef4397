//! Stands in for `tower-lsp`, which only a language server binary of `evm_arithmetization` uses and its library
//! does not: an empty crate instead of a web server stack.
